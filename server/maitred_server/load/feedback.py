"""What is sent back of answered decisions: exposures and outcomes, in batches, one call after the other.

Calls of one process do not overlap: the server remembers a bounded window of a client's sequences, and what comes later
than that counts as already received.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from maitred.v1 import decision_pb2, feedback_pb2, types_pb2

from maitred_server.load.asked import Mix
from maitred_server.load.tally import Tally
from maitred_server.load.wire import Call, Failed, status_name

MOST_EVENTS = 500  # of a call
MOST_BYTES = 900_000  # of a call, whose limit is 1 MiB
MOST_WAITING = 50_000
EVERY_S = 0.1
TOUCHPOINT = "load"


class Feedback:
    """The feedback of one process: what waits, and its delivery."""

    def __init__(self, mix: Mix, record: Call, random: np.random.Generator) -> None:
        self._mix, self._record, self._random = mix, record, random
        self._client, self._epoch, self._sequence = f"load-{secrets.token_hex(8)}", time.time_ns() // 1_000_000, 0
        self._waiting: deque[feedback_pb2.FeedbackEvent] = deque()
        self._one_call = asyncio.Lock()

    def answered(self, subject: types_pb2.Subject, answer: decision_pb2.DecideResponse, tally: Tally) -> None:
        """Draw what becomes of an answer."""
        for decision in answer.decisions:
            if decision.slate and self._random.random() < self._mix.expose:
                for event in self._events(decision, answer.receipt):
                    self._add(subject, event, tally)

    async def deliver(self, tally: Tally) -> None:
        """Deliver what waits, ten times a second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.shield(asyncio.ensure_future(self.flush(tally)))

    async def flush(self, tally: Tally) -> None:
        """Deliver what waits now."""
        async with self._one_call:
            left = len(self._waiting)
            while left > 0:  # not until all is gone: what comes meanwhile fills the next batch
                events = list(self._taken())
                left -= len(events)
                await self._send(events, tally)

    def _events(self, decision: decision_pb2.PlacementDecision, receipt: bytes) -> Iterator[feedback_pb2.FeedbackEvent]:
        exposure = feedback_pb2.Exposure(decision_id=decision.decision_id, receipt=receipt)
        yield feedback_pb2.FeedbackEvent(exposure=exposure)
        for outcome in self._mix.outcomes:
            if self._random.random() < outcome.share / self._mix.expose:
                choice = decision.slate[int(self._random.integers(len(decision.slate)))]
                told = feedback_pb2.Outcome(
                    type=outcome.type,
                    item=choice.item,
                    variant=choice.variant,
                    decision_id=decision.decision_id,
                    receipt=receipt,
                )
                yield feedback_pb2.FeedbackEvent(outcome=told)

    def _add(self, subject: types_pb2.Subject, event: feedback_pb2.FeedbackEvent, tally: Tally) -> None:
        if len(self._waiting) >= MOST_WAITING:
            tally.dropped(time.monotonic())
            return
        self._sequence += 1
        event.sequence, event.touchpoint = self._sequence, TOUCHPOINT
        event.subject.CopyFrom(subject)
        self._waiting.append(event)

    def _taken(self) -> Iterator[feedback_pb2.FeedbackEvent]:
        size = 0
        for _ in range(min(MOST_EVENTS, len(self._waiting))):
            size += self._waiting[0].ByteSize() + 8
            if size > MOST_BYTES:
                return
            yield self._waiting.popleft()

    async def _send(self, events: Sequence[feedback_pb2.FeedbackEvent], tally: Tally) -> None:
        batch = feedback_pb2.FeedbackBatch(client=self._client, epoch=self._epoch, events=events)
        began = time.monotonic()
        try:
            answer = await self._record(feedback_pb2.RecordRequest(batch=batch).SerializeToString())
        except Failed as error:
            tally.feedback_failed(began, len(events), error.status, error.message)
            return
        result = feedback_pb2.RecordResponse.FromString(answer).result
        tally.acknowledged(began, time.monotonic(), result.accepted, result.duplicates)
        for one in result.refused:
            tally.refused(began, status_name(one.code), f"{one.field}: {one.message}" if one.field else one.message)

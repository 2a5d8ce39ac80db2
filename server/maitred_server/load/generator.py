"""One process that puts its share of the load on the server.

An open loop: each call has a moment at which it is meant to be sent, whatever became of the others, and its latency
counts from that moment. A stall of the server is felt by every call that it delayed, as its callers would feel it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from multiprocessing.connection import Connection

import msgspec
import numpy as np
from maitred.v1 import decision_pb2

from maitred_server.errors import MaitredError
from maitred_server.load import told
from maitred_server.load.arrivals import moments
from maitred_server.load.asked import Asked, Place, Wire
from maitred_server.load.feedback import Feedback
from maitred_server.load.questions import Question, questions
from maitred_server.load.tally import NOT_SENT, Tally
from maitred_server.load.wire import Call, Calls, Connections, Failed, status_name

WAKE_S = 0.000_1  # what a sleep may be too long by
EVERY_S = 1.0
PR_SET_TIMERSLACK = 29


class Job(msgspec.Struct, frozen=True):
    """All that a process must know."""

    asked: Asked
    wire: Wire
    place: Place
    poisson: bool


def main(job: Job, pipe: Connection) -> None:
    """The whole life of a load process: connect, send what is ordered, tell what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop, and waits for what is under way
    _wake_in_time()
    try:
        # select(2) sleeps to the microsecond; asyncio's other selectors round up to a millisecond.
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
            runner.run(_run(job, pipe))
    except (MaitredError, TimeoutError) as error:
        pipe.send_bytes(told.encode(told.Broken(str(error) or f"no connection to {job.wire.target} in time")))
    except (EOFError, BrokenPipeError):
        pass  # the parent is gone


def _wake_in_time() -> None:
    """Linux lets a sleep be 50 us too long unless it is told not to."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


async def _run(job: Job, pipe: Connection) -> None:
    async with Connections(job.wire) as calls:
        generator = Generator(job, calls, pipe)
        await generator.warm()
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked through again
        pipe.send_bytes(told.encode(told.Ready()))
        await generator.obey()


class Generator:
    """Sends the steps that it is ordered to send."""

    def __init__(self, job: Job, calls: list[Calls], pipe: Connection) -> None:
        self._job, self._pipe = job, pipe
        self._random = np.random.default_rng([job.asked.seed, job.place.number])
        self._questions = questions(job.asked, job.place, self._random)
        batch = job.asked.batch > 1
        self._calls = [one.decide_batch if batch else one.decide for one in calls]
        self._feedback = Feedback(job.asked.mix, calls[0].record, self._random) if job.asked.mix.feedback else None
        self._reads = batch or self._feedback is not None
        self._under_way: set[asyncio.Task[None]] = set()
        self._orders: asyncio.Queue[told.Order] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None

    async def warm(self) -> None:
        """One call on each connection, so that the first that counts finds everything in place."""
        for call, question in zip(self._calls, self._questions, strict=False):
            with contextlib.suppress(Failed):
                await call(question.request)

    async def obey(self) -> None:
        """Send step after step until told to stop."""
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._hear)
        while isinstance(order := await self._orders.get(), told.Go):
            await self._step(order)

    def _hear(self) -> None:
        try:
            order: told.Order = told.read_order(self._pipe.recv_bytes())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            order = told.Stop()
        if isinstance(order, told.Stop) and self._sending:
            self._sending.cancel()
        self._orders.put_nowait(order)

    async def _step(self, go: told.Go) -> None:
        tally = Tally(go)
        beside = [asyncio.create_task(self._telling(tally, go.begin))]
        if self._feedback:
            beside.append(asyncio.create_task(self._feedback.deliver(tally)))
        self._sending = asyncio.create_task(self._send(go, tally))
        with contextlib.suppress(asyncio.CancelledError):
            await self._sending
        seconds = time.monotonic() - go.begin
        await self._settle(tally, beside)
        self._tell(tally)
        self._pipe.send_bytes(told.encode(told.Done(go.number, seconds)))

    async def _settle(self, tally: Tally, beside: list[asyncio.Task[None]]) -> None:
        """Wait for all that is under way; each call ends by its deadline."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        if self._feedback:
            await self._feedback.flush(tally)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)

    async def _telling(self, tally: Tally, begin: float) -> None:
        at = begin
        while True:
            at += EVERY_S
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            self._tell(tally)

    def _tell(self, tally: Tally) -> None:
        for interval in tally.take():
            self._pipe.send_bytes(told.encode(interval))

    async def _send(self, go: told.Go, tally: Tally) -> None:
        calls: Iterator[Call] = cycle(self._calls)
        for at in moments(go.step, self._job.place, self._job.poisson, self._random):
            intended = go.begin + at
            await _until(intended)
            self._start(next(calls), intended, tally)

    def _start(self, call: Call, intended: float, tally: Tally) -> None:
        late = time.monotonic() - intended
        if late > self._job.wire.deadline_s or len(self._under_way) >= self._job.wire.most_under_way:
            tally.failed(intended, NOT_SENT, "the generator could not send it in time")
            return
        task = asyncio.create_task(self._ask(call, next(self._questions), intended, tally))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _ask(self, call: Call, question: Question, intended: float, tally: Tally) -> None:
        tally.sent(intended, time.monotonic())
        try:
            answer = await call(question.request)
            now = time.monotonic()
            if self._reads:
                self._read(question, answer, tally)
        except Failed as error:
            tally.failed(intended, error.status, error.message)
        else:
            tally.answered(intended, now)

    def _read(self, question: Question, answer: bytes, tally: Tally) -> None:
        """Take feedback from an answer. Raises Failed for the first failure inside of a batch."""
        decided = list(_decided(answer, self._job.asked.batch))
        if self._feedback:
            for subject, one in zip(question.subjects, decided, strict=True):
                self._feedback.answered(subject, one, tally)


def _decided(answer: bytes, batch: int) -> Iterator[decision_pb2.DecideResponse]:
    if batch == 1:
        yield decision_pb2.DecideResponse.FromString(answer)
        return
    for result in islice(decision_pb2.DecideBatchResponse.FromString(answer).results, batch):
        if result.HasField("error"):
            raise Failed(status_name(result.error.code), f"in a batch: {result.error.message}")
        yield result.response


async def _until(moment: float) -> None:
    """Wait for a moment, and let others work in any case. Sleeps end a little late: the last bit is waited for."""
    early = moment - time.monotonic()
    await asyncio.sleep(early - WAKE_S if early > WAKE_S else 0)
    while time.monotonic() < moment:
        await asyncio.sleep(0)

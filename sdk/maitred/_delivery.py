"""Brings feedback to the server: in batches over a stream, again after every break, never in a hot loop.

`Courier.step` does what can be done now and says when to call it again. It holds all the logic, on an injected clock;
`Delivery` only calls it from a thread.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue

from google.protobuf.message import DecodeError

from ._calls import CODES
from ._channel import Receiver, Stream, Transport
from ._draft import Batch
from ._outbox import SYNC_PAUSE, Outbox
from ._wire import BATCH_IN_REQUEST, field
from .config import OutboxConfig
from .errors import CallFailed
from .v1 import feedback_pb2

log = logging.getLogger("maitred")

STREAM = "/maitred.v1.FeedbackService/Stream"
RECORD = "/maitred.v1.FeedbackService/Record"

BATCH_EVENTS = 500
BATCH_BYTES = 1_000_000  # a little under the limit of 1 MiB: the frame counts, too
FIRST_PAUSE = 0.5  # seconds; doubles with each failure: eight tries in the first minute
LONGEST_PAUSE = 30.0
HURRIED_PAUSE = 1.0  # the least, when somebody waits
SOON = 0.2  # seconds at most
SPREAD = 0.2  # pauses differ by this share either way, so that many clients do not come at once


class Backoff:
    """When to try again: later and later until something succeeds."""

    def __init__(self, spread: Callable[[float, float], float] = random.uniform) -> None:
        self._spread = spread
        self.failures = 0  # in a row
        self.next_try = 0.0

    def failed(self, now: float) -> None:
        pause = min(FIRST_PAUSE * 2**self.failures, LONGEST_PAUSE)
        self.failures = min(self.failures + 1, 16)
        self.next_try = now + pause * self._spread(1 - SPREAD, 1 + SPREAD)

    def broke(self, now: float) -> None:
        """What worked has ended, as connections do now and then: the first try comes soon."""
        self.failures = 1
        self.next_try = now + self._spread(0, SOON)

    def succeeded(self) -> None:
        self.failures = 0
        self.next_try = 0.0


class Courier:
    """The state of delivery: one stream, what is under way on it, and what comes back. Used by one thread at a time."""

    def __init__(
        self,
        outbox: Outbox,
        transport: Transport,
        config: OutboxConfig,
        wake: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._config = config
        self._wake = wake
        self._clock = clock
        self._backoff = Backoff()
        self._stream: Stream | None = None
        self._arrivals: SimpleQueue[tuple[int, bytes | CallFailed]] = SimpleQueue()
        self._under_way: deque[Batch] = deque()
        self._heard_at = 0.0
        self._gather_until: float | None = None
        self._tried_at = float("-inf")
        self._silent = True
        self.hurry = False
        self.deaf = False
        """No news of more events is needed: the thread is to wake by itself."""
        self.streams = 0
        self.retries = 0
        self.errors: Counter[str] = Counter()

    def step(self) -> float | None:
        """Do what can be done now. Gives the seconds until there is more to do; None: when something new comes."""
        now = self._clock()
        self.deaf = False
        tidy_in = self._outbox.tidy(now)
        self._read_arrivals(now)
        if self._under_way and now - self._heard_at >= self._config.ack_timeout:
            self._fail(CallFailed("DEADLINE_EXCEEDED", "no acknowledgement came"), now)
        return _sooner(tidy_in, self._send(now))

    def _send(self, now: float) -> float | None:
        if not self._outbox.waiting:
            self._gather_until = None
            return self._ack_wait(now)
        if self._stream is None and now < self._backoff.next_try:
            return self._sleep(self._backoff.next_try - now)
        gather = self._gathering(now)
        if gather > 0:
            return self._sleep(gather)
        if self._stream is None and not self._open(now):
            return self._backoff.next_try - now
        while len(self._under_way) < self._config.batches_in_flight and self._send_batch(now):
            pass
        self._gather_until = None
        wait = self._ack_wait(now)
        return self._sleep(wait) if self._outbox.waiting and wait is not None else wait

    def _sleep(self, wait: float) -> float:
        """More events make no difference for so long; only their file may need a hand."""
        self.deaf = True
        return min(wait, SYNC_PAUSE) if self._outbox.in_file else wait

    def _ack_wait(self, now: float) -> float | None:
        return self._heard_at + self._config.ack_timeout - now if self._under_way else None

    def _gathering(self, now: float) -> float:
        """Seconds to wait for more events to share the batch."""
        if self.hurry or self._outbox.waiting >= BATCH_EVENTS:
            return 0.0
        if self._gather_until is None:
            self._gather_until = now + self._config.linger
        return self._gather_until - now

    def _open(self, now: float) -> bool:
        self.streams += 1
        self._tried_at = now
        try:
            self._stream = self._transport.stream(STREAM, self._receiver(self.streams))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is an outage: feedback waits
            self._fail(CallFailed("INTERNAL", type(error).__name__), now)
            return False
        self._heard_at = now
        return True

    def _receiver(self, number: int) -> Receiver:
        def receive(arrival: bytes | CallFailed) -> None:
            self._arrivals.put((number, arrival))
            self._wake()

        return receive

    def _send_batch(self, now: float) -> bool:
        batch = self._outbox.take(BATCH_EVENTS, BATCH_BYTES)
        if batch is None or self._stream is None:
            return False
        self.retries += batch.resent
        if not self._under_way:
            self._heard_at = now
        self._under_way.append(batch)
        self._stream.send(field(BATCH_IN_REQUEST, batch.message))
        return True

    # --- what comes back

    def _read_arrivals(self, now: float) -> None:
        while True:
            try:
                number, arrival = self._arrivals.get_nowait()
            except Empty:
                return
            if number == self.streams and self._stream is not None:  # else of a stream that was given up
                self._hear(arrival, now)

    def _hear(self, arrival: bytes | CallFailed, now: float) -> None:
        if isinstance(arrival, CallFailed):
            self._fail(arrival, now)
            return
        try:
            response = feedback_pb2.StreamResponse.FromString(arrival)
        except DecodeError:
            self._fail(CallFailed("INTERNAL", "the acknowledgement cannot be read"), now)
            return
        if response.client == self._outbox.client:
            self._settle(response, now)

    def _settle(self, response: feedback_pb2.StreamResponse, now: float) -> None:
        done = 0
        while self._under_way and _covers(response, self._under_way[0]):
            self._under_way.popleft()
            done += 1
        self._outbox.settle(
            response.epoch, response.acknowledged_through, _refused(response.result), response.result.duplicates
        )
        if done:
            self._heard_at = now
            self._succeed()
        elif response.HasField("result"):
            self._fail(CallFailed("INTERNAL", "a batch was answered and not acknowledged"), now)

    def _succeed(self) -> None:
        self._backoff.succeeded()
        if not self._silent:
            log.info("feedback is being delivered again")
        self._silent = True

    def _fail(self, failure: CallFailed, now: float) -> None:
        self.errors[failure.code] += 1
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._under_way.clear()
        self._outbox.rewind()
        self._backoff.failed(now)
        # A server closes its connections now and then, so that they spread; only a second failure is worth a word.
        if self._silent and self._outbox.waiting and self._backoff.failures > 1:
            log.warning("feedback waits: %s", failure.code)
            self._silent = False

    def deliver_rest(self, until: float) -> None:
        """Deliver by single calls what is left, for a process that ends and may start no more threads."""
        self._outbox.rewind()
        while (left := until - self._clock()) > 0:
            batch = self._outbox.take(BATCH_EVENTS, BATCH_BYTES)
            if batch is None or not self._deliver(batch, left):
                return

    def _deliver(self, batch: Batch, timeout: float) -> bool:
        try:
            answer = self._transport.unary(RECORD, field(BATCH_IN_REQUEST, batch.message), timeout)
            result = feedback_pb2.RecordResponse.FromString(answer).result
        except CallFailed as failure:
            self.errors[failure.code] += 1
            return False
        except DecodeError:
            return False
        self._outbox.settle(batch.epoch, batch.last, _refused(result), result.duplicates)
        return True

    def hurry_up(self) -> None:
        """Somebody waits: send without gathering, and end a pause between tries."""
        self.hurry = True
        if self._clock() - self._tried_at >= HURRIED_PAUSE:
            self._backoff.next_try = 0.0

    def end(self) -> None:
        """Give the stream up."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _covers(response: feedback_pb2.StreamResponse, batch: Batch) -> bool:
    return response.epoch == batch.epoch and response.acknowledged_through >= batch.last


def _refused(result: feedback_pb2.BatchResult) -> Mapping[int, str]:
    return {one.sequence: CODES[one.code] if one.code < len(CODES) else "UNKNOWN" for one in result.refused}


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((wait for wait in (one, other) if wait is not None), default=None)


class Delivery:
    """A courier on a thread of its own, which starts with the first event and ends with `close`."""

    def __init__(self, outbox: Outbox, transport: Transport, config: OutboxConfig) -> None:
        self._outbox = outbox
        self._transport = transport
        self._config = config
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._abandoned = False
        self.courier = Courier(outbox, transport, config, self._wake.set, time.monotonic)
        if len(outbox):
            self.poke()

    def poke(self) -> None:
        """There is something new. Cheap; starts the thread when there is none."""
        if (not self.courier.deaf or self._outbox.behind) and not self._wake.is_set():
            self._wake.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None or self._stopping:
                return
            thread = threading.Thread(target=self._run, name="maitred-delivery", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the process is ending: `close` delivers
                return
            self._thread = thread
        LIVE.add(self)

    def _run(self) -> None:
        while True:
            wait = self._step()
            if self._stopping:
                return
            if self._abandoned and not len(self._outbox):
                self._let_go()
                return
            self._wake.wait(wait)
            self._wake.clear()

    def _step(self) -> float | None:
        try:
            return self.courier.step()
        except Exception as error:  # noqa: BLE001 - delivery never ends: it says what went wrong and goes on
            log.error("delivery met a defect: %s", type(error).__name__)
            return 1.0

    def flush(self, timeout: float, *, once: bool = False) -> bool:
        """Wait until everything recorded before is settled. False: not within `timeout` seconds.

        `once`: do not wait for another try when one fails.
        """
        if not len(self._outbox):
            return True
        failures = self.courier.errors.total()
        self.courier.hurry_up()
        self.poke()
        self._wake.set()
        try:
            return self._outbox.wait(timeout, lambda: once and self.courier.errors.total() > failures)
        finally:
            self.courier.hurry = False

    def close(self, timeout: float) -> None:
        """Flush for at most `timeout` seconds, then end. What is left stays in the file or is counted as dropped."""
        if self._stopping:
            return
        until = time.monotonic() + timeout
        if self._running():
            self.flush(timeout / 2, once=True)
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(max(0.05, until - time.monotonic()))
        if len(self._outbox) and not self._running():
            self.courier.deliver_rest(until)
        self._let_go()

    def _running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _let_go(self) -> None:
        self._stopping = True
        self.courier.end()
        self._outbox.close()
        self._transport.close()
        LIVE.discard(self)

    def abandon(self) -> None:
        """The client is gone without `close`: end once all is delivered, or with the process."""
        self._abandoned = True
        self._wake.set()


LIVE: set[Delivery] = set()


def close_all() -> None:
    """At the end of the process: deliver, or leave in the file, what clients that were not closed still hold."""
    for delivery in list(LIVE):
        delivery.close(delivery._config.close_timeout)


def forget_all() -> None:
    """In a forked child: deliveries are the parent's."""
    _LEFT_TO_PARENT.extend(LIVE)
    LIVE.clear()


_LEFT_TO_PARENT: list[object] = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_all)

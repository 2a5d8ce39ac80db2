"""Hears what must go from the cache: over one stream, opened again after every break, never in a hot loop.

What comes is applied on whatever thread brings it; the thread here only opens the stream, and notices silence.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable

from google.protobuf.message import DecodeError

from ._cache import Cache
from ._calls import REFUSALS
from ._channel import Receiver, Stream, Transport
from ._delivery import Backoff
from ._drops import Drops
from .errors import CallFailed
from .v1 import decision_pb2

log = logging.getLogger("maitred")

WATCH = "/maitred.v1.DecisionService/Watch"

SILENCE = 40.0  # seconds after which a stream is taken to be dead: the server speaks every 15
LOOK_BACK = 4.0  # seconds of which the first message of all tells, too
HURRIED = 5.0  # seconds between two tries when the server is known to answer
# The server answers, and will not watch for this client: it must do without.
_WITHOUT = REFUSALS | {"UNIMPLEMENTED", "RESOURCE_EXHAUSTED"}
_JOIN = 0.5  # seconds that `close` waits for the thread


class Watcher:
    """Keeps one stream while its cache is alive. Thread-safe; starts nothing before `start`."""

    def __init__(self, cache: Cache, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = weakref.ref(cache)  # kept answers hold their client
        self._transport = transport
        self._clock = clock
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._backoff = Backoff()
        self._stream: Stream | None = None
        self._number = 0  # of the stream in use
        self._since = 0
        self._catalogue = ""
        self._heard_at = self._tried_at = float("-inf")
        self._thread: threading.Thread | None = None
        self._stopping = False
        self.connected = False
        """The stream in use has spoken."""

    def start(self) -> None:
        """Open the stream, unless that was begun. What a transport answers at once is heard before this returns."""
        if self._thread is None and not self._stopping:
            with self._lock:
                if self._thread is None and not self._stopping:
                    self._begin()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="maitred-watch", daemon=True)
        self.step()
        try:
            self._thread.start()
        except RuntimeError:  # the process is ending
            self._stopping = True

    def _run(self) -> None:
        while not self._stopping and self._cache() is not None:
            self._wake.wait(self.step())
            self._wake.clear()

    def step(self) -> float:
        """Do what is due. Gives the seconds until there is more to do."""
        with self._lock:
            now = self._clock()
            if self._stream is not None:
                if now - self._heard_at < SILENCE:
                    return self._heard_at + SILENCE - now
                self._fail(CallFailed("DEADLINE_EXCEEDED", "nothing was heard"))
            if now >= self._backoff.next_try:
                self._open(now)
            return max(0.05, (self._backoff.next_try if self._stream is None else now + SILENCE) - now)

    def _open(self, now: float) -> None:
        self._number += 1
        self._heard_at = self._tried_at = now
        request = decision_pb2.WatchRequest(since=self._since, catalogue=self._catalogue).SerializeToString()
        try:
            self._stream = self._transport.stream(WATCH, self._receiver(self._number))
            self._stream.send(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is an outage
            self._fail(CallFailed("INTERNAL", type(error).__name__))

    def _receiver(self, number: int) -> Receiver:
        def receive(arrival: bytes | CallFailed) -> None:
            with self._lock:
                if number == self._number and not self._stopping:
                    self._hear(arrival)

        return receive

    def _hear(self, arrival: bytes | CallFailed) -> None:
        if isinstance(arrival, CallFailed):
            self._fail(arrival)
            return
        try:
            told = decision_pb2.WatchResponse.FromString(arrival)
        except DecodeError:
            self._fail(CallFailed("INTERNAL", "what was said cannot be read"))
            return
        self._heard_at = self._clock()
        self._backoff.succeeded()
        cache = self._cache()
        if cache is not None:
            self._obey(cache, told)
        self._since, self._catalogue, self.connected = told.position, told.catalogue, True

    def _obey(self, cache: Cache, told: decision_pb2.WatchResponse) -> None:
        drops = Drops.of(told)
        if drops.any:
            cache.apply(drops)
        if not self.connected:
            if not self._since:
                cache.drop_unchecked(LOOK_BACK, told.catalogue)
            cache.trust()

    def _fail(self, failure: CallFailed) -> None:
        stream, self._stream = self._stream, None
        self._number += 1
        worked, self.connected = self.connected, False
        now, cache = self._clock(), self._cache()
        if failure.code in _WITHOUT:
            self._do_without(cache, worked)
        elif worked and cache is not None:
            cache.distrust()
        if worked and failure.code not in _WITHOUT:
            self._backoff.broke(now)
        else:
            self._backoff.failed(now)
        if stream is not None:
            stream.close()
        self._wake.set()

    def _do_without(self, cache: Cache | None, worked: bool) -> None:
        """Nobody will say what must go: answers are kept as long as they say themselves."""
        self._backoff.failures = 16
        if cache is not None and (worked or self._since):
            cache.drop_unchecked(float("-inf"), None)
            cache.trust()
        self._since = 0

    def hurry(self) -> None:
        """The server has answered something: try again before long."""
        if self.connected or self._thread is None:
            return
        with self._lock:
            now = self._clock()
            if self._stream is None and now - self._tried_at >= HURRIED and self._backoff.next_try > now:
                self._backoff.next_try = now
                self._wake.set()

    def close(self) -> None:
        """End the stream. No more is heard."""
        with self._lock:
            self._stopping = True
            stream, self._stream, self.connected = self._stream, None, False
        if stream is not None:
            stream.close()
        self._wake.set()
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(_JOIN)

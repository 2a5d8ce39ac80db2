"""The `Watch` streams of a `FakeTransport`: they hear what a test announces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from hashlib import blake2b

from ._channel import Receiver
from .errors import CallFailed
from .v1 import decision_pb2


def tag(subject: str) -> bytes:
    """What names a subject to clients."""
    return blake2b(subject.encode(), digest_size=8).digest()


class FakeWatches:
    """All streams, and all that was announced. `trouble` says what befalls a new one: a failure, or True: silence."""

    def __init__(self, trouble: Callable[[], CallFailed | bool]) -> None:
        self._trouble = trouble
        self._lock = threading.Lock()
        self._streams: list[FakeWatch] = []
        self._announced: list[decision_pb2.WatchResponse] = []
        self.catalogue = "fake"
        self.opened = 0

    def open(self, receiver: Receiver) -> FakeWatch:
        self.opened += 1
        return FakeWatch(self, receiver)

    def begin(self, stream: FakeWatch, request: bytes) -> bytes | CallFailed | None:
        """What a stream hears first; None: nothing."""
        trouble = self._trouble()
        if isinstance(trouble, CallFailed):
            return trouble
        with self._lock:
            self._streams.append(stream)
            return None if trouble else self._since(decision_pb2.WatchRequest.FromString(request))

    def _since(self, request: decision_pb2.WatchRequest) -> bytes:
        """Everything since a position as one message."""
        position = len(self._announced) + 1
        missed = self._announced[request.since - 1 :] if request.since else []
        told = decision_pb2.WatchResponse()
        for one in missed:
            told.MergeFrom(one)
        told.everything |= request.since > position or bool(request.catalogue and request.catalogue != self.catalogue)
        told.position, told.catalogue = position, self.catalogue
        return told.SerializeToString()

    def announce(self, everything: bool, items: Iterable[str], groups: Iterable[str], subjects: Iterable[str]) -> None:
        told = decision_pb2.WatchResponse(
            everything=everything, items=items, groups=groups, subjects=[tag(one) for one in subjects]
        )
        with self._lock:
            self._announced.append(told)
            if everything:
                self.catalogue = f"fake-{len(self._announced)}"
            told.position, told.catalogue = len(self._announced) + 1, self.catalogue
            streams = list(self._streams)
        for stream in streams:
            stream.receiver(told.SerializeToString())

    def end(self, failure: CallFailed, only: FakeWatch | None = None) -> None:
        """End all streams, or one."""
        with self._lock:
            ending = [one for one in self._streams if only in (None, one)]
            self._streams = [one for one in self._streams if one not in ending]
        for stream in ending:
            stream.receiver(failure)


class FakeWatch:
    """One stream."""

    def __init__(self, watches: FakeWatches, receiver: Receiver) -> None:
        self._watches = watches
        self.receiver = receiver

    def send(self, message: bytes) -> None:
        first = self._watches.begin(self, message)
        if first is not None:
            self.receiver(first)

    def close(self) -> None:
        self._watches.end(CallFailed("CANCELLED"), self)

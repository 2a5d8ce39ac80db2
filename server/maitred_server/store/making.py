"""Batches that are made into what a transaction takes: by the writer, or while it waits for the disk by a maker.

Two threads that compute at the same time only take turns at the interpreter, and pay for each turn. So the maker works
only while the writer is in a commit, where it computes nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from maitred_server.model import Entry
from maitred_server.store.group import Batch, prepared
from maitred_server.store.results import Commit


class Making:
    """Entries that are made when their turn has come, once, by whoever comes first."""

    def __init__(self, make: Callable[[], Sequence[Entry]], size: int) -> None:
        self.future: Future[Commit] = Future()
        self.size = max(1, size)
        self._make: Callable[[], Sequence[Entry]] | None = make
        self._made: Batch | Exception | None = None
        self._lock = threading.Lock()

    def made(self) -> Batch:
        """The batch. Raises what making it raises."""
        with self._lock:
            if self._made is None:
                self._made = self._try()
            if isinstance(self._made, Exception):
                raise self._made
            return self._made

    def _try(self) -> Batch | Exception:
        make, self._make = self._make, None
        try:
            return prepared(make() if make else ())
        except Exception as error:  # noqa: BLE001  (whatever it is, it costs this batch alone)
            return error


class Maker:
    """A thread that makes what waits while the writer is in a commit."""

    def __init__(self) -> None:
        self._waiting: deque[Making] = deque()
        self._idle = threading.Event()  # the writer computes nothing
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-maker", daemon=True)
        self._thread.start()

    def add(self, job: Making) -> None:
        """A batch that waits; in the order in which the writer will want them."""
        self._waiting.append(job)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The writer begins and ends a transaction; it computes nothing but in `computing`."""
        self._go_on()
        try:
            yield
        finally:
            self._idle.clear()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """The writer computes: the maker stops after the batch that it is at."""
        self._idle.clear()
        try:
            yield
        finally:
            self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._idle.set()

    def taken(self, job: Making) -> None:
        """The writer takes a batch: the oldest there is."""
        if self._waiting and self._waiting[0] is job:
            self._waiting.popleft()

    def close(self) -> None:
        self._closing = True
        self._idle.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._idle.wait()
            for job in list(self._waiting):
                if self._closing or not self._idle.is_set():
                    break
                _make(job)
            else:
                self._idle.clear()


def _make(job: Making) -> None:
    with suppress(Exception):  # the writer meets it again, and tells who waits
        job.made()

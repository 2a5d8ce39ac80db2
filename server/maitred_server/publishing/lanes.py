"""A process beside the worker that does one job after the other."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Final, TypeVar

from maitred_server.errors import StoreBroken
from maitred_server.processes import end_with_parent, spawn

IDLE_S: Final = 60.0
MOST_JOBS: Final = 5_000  # then the process is replaced: what its libraries hoard is given back

T = TypeVar("T")


class Lane:
    """Starts its process for the first job and keeps it warm for the next ones; ends it when none came for a while.

    Safe between threads.
    """

    def __init__(self, niceness: int = 0, idle_s: float = IDLE_S) -> None:
        """`niceness`: how far the process steps back behind others, 0 to 19. `idle_s`: how long it waits for a job."""
        self._niceness = niceness
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._pool = self._fresh()
        self._waiting = self._done = 0
        self._rest: threading.Timer | None = None

    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Do a job there. Its future fails with StoreBroken when the process ended in the middle."""
        answer: Future[T] = Future()
        with self._lock:
            if self._rest is not None:
                self._rest.cancel()
            self._waiting += 1
            job = self._submitted(function, *arguments)
        answer.add_done_callback(lambda _: job.cancel() if answer.cancelled() else None)
        job.add_done_callback(partial(self._ended, answer))
        return answer

    def _submitted(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        try:
            return self._pool.submit(function, *arguments)
        except BrokenProcessPool:  # it was killed while it had nothing to do
            self._pool = self._fresh()
            return self._pool.submit(function, *arguments)

    def close(self) -> None:
        """Wait for the job under way; the others are not begun."""
        with self._lock:
            if self._rest is not None:
                self._rest.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _fresh(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin, initargs=(self._niceness,))

    def _ended(self, answer: Future[Any], job: Future[Any]) -> None:
        error = None if job.cancelled() else job.exception()
        with self._lock:
            self._waiting -= 1
            self._done += 1
            if isinstance(error, BrokenProcessPool) or (self._done >= MOST_JOBS and not self._waiting):
                self._replace()
            elif not self._waiting:
                self._rest = threading.Timer(self._idle_s, self._end_idle)
                self._rest.daemon = True
                self._rest.start()
        _hand_on(answer, job, error)

    def _end_idle(self) -> None:
        with self._lock:
            if not self._waiting:
                self._replace()

    def _replace(self) -> None:
        """The next job gets a process of its own."""
        self._pool.shutdown(wait=False)
        self._pool = self._fresh()
        self._done = 0


def _hand_on(answer: Future[Any], job: Future[Any], error: BaseException | None) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    if job.cancelled() or isinstance(error, BrokenProcessPool):
        answer.set_exception(StoreBroken("the building process ended; nothing was changed: try again"))
    elif error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(job.result())


def _begin(niceness: int) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to everybody; the main process decides
    os.nice(niceness)

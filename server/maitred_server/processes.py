"""Child processes: started, watched over, started again, and ended with the main process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.context import SpawnProcess

import structlog

RESTART_S = 1.0
STOPPING = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()
spawn = multiprocessing.get_context("spawn")  # never fork: gRPC and LMDB do not survive it


def end_with_parent() -> None:
    """A child must not outlive the main process, not even one that was killed with -9."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # a parent inside Envoy has them blocked
    end_with(parent.sentinel)


def end_with(sentinel: int) -> None:
    """End this process when the one that a file descriptor stands for has gone."""

    def wait() -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


class Child:
    """A process that is started again when it ends by itself."""

    def __init__(self, name: str, make: Callable[[], SpawnProcess]) -> None:
        self.name = name
        self._make = make
        self.process = make()
        self.process.start()

    def restart(self) -> None:
        log.error("child_ended", child=self.name, exit_code=self.process.exitcode)
        self.process.join()
        self.process = self._make()
        self.process.start()


class Nursery:
    """Watches over children, on a thread of its own."""

    def __init__(self, children: list[Child]) -> None:
        self._children = children
        self._to_come: list[Callable[[], Child]] = []
        self._stopping = threading.Event()
        self._wake_reader, self._wake_writer = spawn.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._watch, name="nursery", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            woken = connection.wait([self._wake_reader, *(child.process.sentinel for child in self._children)])
            if self._wake_reader in woken:
                self._wake_reader.recv()
            while self._to_come and not self._stopping.is_set():
                self._children.append(self._to_come.pop(0)())
            for child in self._children:
                if not self._stopping.is_set() and not child.process.is_alive():
                    self._stopping.wait(RESTART_S)
                    child.restart()

    def add(self, child: Callable[[], Child]) -> None:
        """One more child. Its process is started on the nursery's thread: whoever adds it does not wait."""
        self._to_come.append(child)
        self._wake_writer.send(None)

    def stop(self, patience_s: float) -> None:
        """Tell every child to end; kill what has not ended in time.

        By signal: a shared event would hang when a child was killed while it waited for it.
        """
        self._stopping.set()
        self._wake_writer.send(None)
        self._thread.join()
        for child in self._children:
            child.process.terminate()
        until = time.monotonic() + patience_s
        for child in self._children:
            child.process.join(max(0.0, until - time.monotonic()))
            if child.process.is_alive():
                log.error("child_killed", child=child.name)
                child.process.kill()
                child.process.join()

"""A byte that all processes with an environment open can see, and a lock that says that they have.

The byte only says "look closer": that the environment is being rewritten, or was. Reading it costs nothing, so that a
decision can look each time. What is true stands in the environment itself.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maitred_server.errors import StoreRefused

NAME = "flag"


class Flag:
    """Of one environment, held open by one process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.byte = mmap.mmap(descriptor, 1)  # not 0: it is raised; for who looks at every decision

    @classmethod
    def open(cls, folder: Path) -> Flag:
        """Raises StoreRefused."""
        try:
            descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if not os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, 1)
        except OSError as error:
            raise StoreRefused(f"the store cannot be opened: {error.strerror}") from error
        return cls(descriptor)

    def put(self, raised: bool) -> None:
        """Raise it, or take it down."""
        self.byte[0] = raised

    def close(self) -> None:
        """Closing twice is no error."""
        if self._descriptor >= 0:
            self.byte.close()
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Whether no process has the environment of a folder open, held that way."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)

"""The outbox's file: an sqlite3 database in which feedback outlives the process.

Several processes may use one file. Each opening numbers its events in an epoch of its own and holds a lock on it; what
an epoch without a living owner left behind is adopted, with its numbers, by the next to open the file.

`put` writes on the caller's thread: once it returned True, the event survives the process. It never waits for another
writer. `sync`, on the delivery thread, makes what was written survive a power cut, too.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import OutboxUnavailable

try:
    import fcntl
except ImportError:  # Windows: one process a file
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("maitred")

FORMAT = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS identity (client TEXT NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    epoch INTEGER, sequence INTEGER, rank INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (epoch, sequence)
) WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
COMMIT;
"""
_INSERT = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)"
_STEP = 100  # changes in one transaction: while it lasts, `put` cannot write
_DELETE = "DELETE FROM events WHERE epoch = ? AND sequence = ?"


class Row(NamedTuple):
    """One event as the file holds it."""

    epoch: int
    sequence: int
    rank: int
    kind: str
    subject: str
    data: bytes


class EpochLocks:
    """Locks on the epochs of one file: between processes a byte each of a lock file, inside the process a set.

    Such a lock ends when its process closes any descriptor of the file, so a process shares one.
    """

    _of_path: dict[str, EpochLocks] = {}  # noqa: RUF012 - one table a process, emptied in a forked child

    def __init__(self, path: str) -> None:
        self._path = path
        self._held: set[int] = set()
        self._descriptor = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)

    @classmethod
    def of(cls, path: str) -> EpochLocks:
        real = os.path.realpath(path)
        if real not in cls._of_path:
            cls._of_path[real] = cls(real)
        return cls._of_path[real]

    @classmethod
    def forget_all(cls) -> None:
        """In a forked child: locks are the parent's."""
        cls._of_path.clear()

    def take(self, epoch: int) -> bool:
        if epoch in self._held or not self._lock(epoch):
            return False
        self._held.add(epoch)
        return True

    def _lock(self, epoch: int) -> bool:
        if fcntl is None:
            return True
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, epoch)
        except OSError:
            return False
        return True

    def release(self, epochs: Iterable[int]) -> None:
        for epoch in epochs:
            self._held.discard(epoch)
            if fcntl is not None:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, epoch)


class OutboxFile:
    """An open outbox file. `client` and `epoch` number the events of this opening."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises OutboxUnavailable. A damaged file is set aside under another name and a new one begun."""
        self._path = os.fspath(path)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise OutboxUnavailable(f"the outbox file cannot be opened: {error}") from None
            self._set_aside()
            self._open()

    def _open(self) -> None:
        self._thread = self._connect(timeout=2.0)
        try:
            self._check_format()
            self._thread.execute("PRAGMA journal_mode = WAL")
            self._thread.executescript(_SCHEMA)
            self._locks = self._epoch_locks()
            self.client, self.epoch = self._identify()
            self._caller = self._connect(timeout=0.0)
        except BaseException:
            self._thread.close()
            raise
        self._owned = {self.epoch}

    def _connect(self, timeout: float) -> sqlite3.Connection:
        create = not os.path.exists(self._path)
        connection = sqlite3.connect(self._path, timeout=timeout, isolation_level=None, check_same_thread=False)
        if create and os.path.exists(self._path):
            Path(self._path).chmod(0o600)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_format(self) -> None:
        (found,) = self._thread.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise OutboxUnavailable("the outbox file was written by a newer version")

    def _epoch_locks(self) -> EpochLocks:
        try:
            return EpochLocks.of(self._path)
        except OSError as error:
            raise OutboxUnavailable(f"the outbox's lock file cannot be opened: {error.strerror}") from None

    def _identify(self) -> tuple[str, int]:
        with _transaction(self._thread):
            found = self._thread.execute("SELECT client, epoch FROM identity").fetchone()
            client, last = found or (secrets.token_hex(16), 0)
            epoch = max(time.time_ns() // 1_000_000, last + 1)
            while not self._locks.take(epoch):
                epoch += 1
            self._thread.execute("DELETE FROM identity")
            self._thread.execute("INSERT INTO identity VALUES (?, ?)", (client, epoch))
        return client, epoch

    def _set_aside(self) -> None:
        aside = f"{self._path}.damaged-{time.time_ns() // 1_000_000}"
        os.replace(self._path, aside)
        for suffix in ("-wal", "-shm"):
            Path(self._path + suffix).unlink(missing_ok=True)
        log.error("the outbox file was damaged; it was set aside under a name that ends in .damaged and the time")

    def adopt(self) -> list[Row]:
        """What earlier openings left, oldest first, as far as no living process owns it."""
        epochs = [epoch for (epoch,) in self._thread.execute("SELECT DISTINCT epoch FROM events ORDER BY epoch")]
        adopted = [epoch for epoch in epochs if self._locks.take(epoch)]
        self._owned.update(adopted)
        rows: list[Row] = []
        for epoch in adopted:
            found = self._thread.execute("SELECT * FROM events WHERE epoch = ? ORDER BY sequence", (epoch,))
            rows.extend(Row(*row) for row in found)
        return rows

    def put(self, row: Row) -> bool:
        """Write one event. False: not now; give it to `tidy`."""
        try:
            self._caller.execute(_INSERT, row)
        except sqlite3.Error:
            return False
        return True

    def tidy(self, rows: Sequence[Row], gone: Sequence[tuple[int, int]]) -> None:
        """Write these events, delete those, both again and again if need be. Raises sqlite3.Error."""
        for statement, parameters in ((_INSERT, rows), (_DELETE, gone)):
            for start in range(0, len(parameters), _STEP):
                with _transaction(self._thread):
                    self._thread.executemany(statement, parameters[start : start + _STEP])

    def sync(self) -> None:
        """Make all that was written so far survive a power cut. Raises sqlite3.Error."""
        self._thread.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close the file. What it holds is for the next to open it."""
        self._caller.close()
        self._thread.close()
        self._locks.release(self._owned)


class _transaction:  # noqa: N801 - used as a statement
    """A transaction that begins as a writer, so that it cannot fail half-way for want of the lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")

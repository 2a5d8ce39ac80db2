"""The ledger of erasures: a file beside the store, so that a backup from before an erasure cannot bring anybody back.

One line for each subject key that was erased, appended and synced inside the transaction that erases. The store
remembers how much of the ledger it knows; what stands beyond (after a restore, or when the power failed before the
commit) is erased again before the store is used. The file names subjects by their pseudonyms only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import structlog

from maitred_server.errors import RecordDamaged, StoreError
from maitred_server.model import SubjectKey
from maitred_server.store.env import Environment, Txn
from maitred_server.store.journal import framed, unframed
from maitred_server.store.published import sync_folder, write_file

LEDGER = "erasures.ledger"

_KNOWN = b"ledger"
_HEADER = b"maitred erasures "
_ID_BYTES = 16
_FIRST_LINE = len(_HEADER) + 2 * _ID_BYTES + 1

log = structlog.get_logger(__name__)


class Erased(NamedTuple):
    """One line: a key that was erased, at what journal sequence and when (ms)."""

    sequence: int
    at_ms: int
    subject: SubjectKey


class Ledger:
    """Of one data directory."""

    def __init__(self, data: Path) -> None:
        self._path = data / LEDGER

    def append(self, env: Environment, txn: Txn, erased: Iterable[Erased]) -> None:
        """Write down and sync, and remember it in the store with the transaction. Raises StoreError."""
        try:
            self._append(erased)
        except OSError as error:
            raise StoreError(f"the ledger of erasures cannot be written: {error.strerror}") from error
        self.know(env, txn)

    def _append(self, erased: Iterable[Erased]) -> None:
        self._make()
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            cut = os.pread(descriptor, 1, size - 1) != b"\n"  # the power failed in the middle of a line
            os.write(descriptor, b"\n" * cut + b"".join(map(_line, erased)))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make(self) -> None:
        if not self._path.exists():
            write_file(self._path, [_HEADER + os.urandom(_ID_BYTES).hex().encode() + b"\n"])

    def know(self, env: Environment, txn: Txn) -> None:
        """Remember in the store that all of the ledger is done in it."""
        txn.put(_KNOWN, framed(_KNOWN, self._mark()), db=env.databases.meta)

    def is_known(self, env: Environment, txn: Txn) -> bool:
        """Whether the store knows all of the ledger: one small read of each."""
        return _known(env, txn) == self._mark()

    def _mark(self) -> bytes:
        """The ledger's id and size; nothing for one that is not there."""
        try:
            with self._path.open("rb") as file:
                return file.read(_FIRST_LINE) + os.fstat(file.fileno()).st_size.to_bytes(8, "big")
        except FileNotFoundError:
            return b""

    def read(self) -> list[Erased]:
        """All lines in their order; damaged ones are passed over and logged. Raises OSError."""
        return read_ledger(self._path)

    def merge(self, others: Sequence[Path]) -> None:
        """Add the lines of other ledgers. What results is a new ledger, so that a store goes through all of it."""
        lines = dict.fromkeys(one for path in (self._path, *others) for one in read_ledger(path))
        head = _HEADER + os.urandom(_ID_BYTES).hex().encode() + b"\n"
        write_file(self._path, [head, *map(_line, lines)])
        sync_folder(self._path.parent)


def read_ledger(path: Path) -> list[Erased]:
    """The lines of a ledger; none when there is no file. Raises OSError."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    parsed = [_parsed(line) for line in lines if line and not line.startswith(_HEADER)]
    if damaged := parsed.count(None):
        log.error("ledger_damaged", lines=damaged)
    return [one for one in parsed if one is not None]


def _known(env: Environment, txn: Txn) -> bytes:
    stored = txn.get(_KNOWN, db=env.databases.meta)
    try:
        return b"" if stored is None else unframed(_KNOWN, stored)
    except RecordDamaged:
        return b"damaged"


def _line(erased: Erased) -> bytes:
    text = f"{erased.sequence} {erased.at_ms} {erased.subject.hex()}".encode()
    return b"%s %08x\n" % (text, crc32(text))


def _parsed(line: bytes) -> Erased | None:
    text, _, checksum = line.rpartition(b" ")
    if b"%08x" % crc32(text) != checksum:
        return None
    sequence, at_ms, subject = text.split(b" ")
    return Erased(int(sequence), int(at_ms), bytes.fromhex(subject.decode()))

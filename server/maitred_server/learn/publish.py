"""What the learner leaves on disk: a policy snapshot for each brand, and one cursor file over all of them.

Snapshots first, the cursor after them. So every brand's sums hold all its records up to the cursor file, and perhaps
some beyond: up to the cursor in its own snapshot. Whoever starts again reads from the cursor file and passes over, for
each brand, what its snapshot has. The same goes for what was forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from maitred_server.errors import RecordDamaged
from maitred_server.policy.snapshot import SUFFIX, Column, PolicySnapshot, open_snapshot
from maitred_server.store.published import (
    LEARNER_CURSOR,
    POLICY,
    brand_folder,
    brand_folders,
    current,
    numbers_of,
    prune,
    switch,
    withdraw,
    write_file,
)

CURSOR: Final = LEARNER_CURSOR
KEEP: Final = 3  # snapshots of a brand, the newest
_CHECKSUM_BYTES: Final = 16


class Reached(NamedTuple):
    """How far sums go: they hold every journal record up to a sequence, and nothing that was forgotten up to a note."""

    through: int = 0
    forgotten: int = 0

    def further(self, other: Reached) -> Reached:
        """What is known when both are: that the further one holds includes the other."""
        return Reached(max(self.through, other.through), max(self.forgotten, other.forgotten))

    @property
    def version(self) -> str:
        """What a snapshot of this is called: the sequence, and the note behind a dash when there is one."""
        return f"{self.through}-{self.forgotten}" if self.forgotten else str(self.through)

    @classmethod
    def of(cls, version: str) -> Reached | None:
        """How far the snapshot of a version goes; None: it is no such version."""
        numbers = numbers_of(version)
        return cls(*numbers) if 1 <= len(numbers) <= 2 else None


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    """`through`, `forgotten`: what all brands have reached. `brands`: those that have a snapshot."""

    through: int
    brands: list[str]
    forgotten: int = 0


class Resumed(NamedTuple):
    """Where to go on, and what each brand has already."""

    reached: Reached
    snapshots: dict[str, PolicySnapshot]


def policy_folder(data: Path, brand: str) -> Path:
    """Where the snapshots of a brand are."""
    return brand_folder(data, brand) / POLICY


def publish_snapshot(data: Path, brand: str, reached: Reached, columns: Mapping[int, Column]) -> str:
    """Writes a snapshot and puts it in force. Raises OSError."""
    folder = policy_folder(data, brand)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    version = reached.version
    PolicySnapshot(version, reached.through, columns, reached.forgotten).save(folder / f"{version}{SUFFIX}")
    switch(folder, version)
    prune(folder, KEEP, SUFFIX)
    return version


def save_cursor(data: Path, reached: Reached, brands: list[str]) -> None:
    """Remembers what the snapshots of all these brands have reached. Raises OSError."""
    content = msgspec.msgpack.encode(_Cursor(reached.through, sorted(brands), reached.forgotten))
    write_file(data / CURSOR, [_checksum(content), content])


def learned_through(data: Path) -> int:
    """The journal sequence up to which every brand's snapshot is complete; 0 when nothing is known. Raises OSError."""
    return _cursor(data).through


def forgotten_through(data: Path) -> int:
    """The note up to which no brand's snapshot holds what was forgotten (see `store.forgotten`). Raises OSError."""
    return _cursor(data).forgotten


def reached_by_all(data: Path) -> Reached:
    """How far every brand's snapshot goes at least. Raises OSError."""
    cursor = _cursor(data)
    return Reached(cursor.through, cursor.forgotten)


def resume(data: Path) -> Resumed:
    """What the last learner left. A brand whose snapshot is lost or damaged means reading from the beginning again.

    Raises OSError.
    """
    cursor = _cursor(data)
    snapshots = {}
    for folder in brand_folders(data):
        snapshot = _last_snapshot(folder / POLICY)
        if snapshot is not None:
            snapshots[folder.name] = snapshot
    whole = all(brand in snapshots for brand in cursor.brands)
    return Resumed(Reached(cursor.through, cursor.forgotten) if whole else Reached(), snapshots)


def forget(data: Path) -> None:
    """Takes all snapshots out of force and removes them; who has one open keeps it until there is another.

    Raises OSError.
    """
    save_cursor(data, Reached(), [])
    for folder in brand_folders(data):
        withdraw(folder / POLICY)
        for path in (folder / POLICY).glob(f"*{SUFFIX}"):
            path.unlink(missing_ok=True)


def _last_snapshot(folder: Path) -> PolicySnapshot | None:
    version = current(folder)
    try:
        return open_snapshot(folder, version) if version else None
    except (RecordDamaged, FileNotFoundError):
        return None


def _cursor(data: Path) -> _Cursor:
    """What the cursor file says; the beginning when it is not there or damaged: that costs time, not truth."""
    try:
        stored = (data / CURSOR).read_bytes()
    except FileNotFoundError:
        return _Cursor(0, [])
    checksum, content = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
    if checksum != _checksum(content):
        return _Cursor(0, [])
    return msgspec.msgpack.decode(content, type=_Cursor)


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM_BYTES, person=b"maitred.cursor").digest()

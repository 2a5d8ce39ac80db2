"""What the learner leaves on disk: a policy snapshot for each brand, and one cursor file over all of them.

Snapshots first, the cursor after them. So every brand's sums hold all its records up to the cursor file, and perhaps
some beyond: up to the cursor in its own snapshot. Whoever starts again reads from the cursor file and passes over, for
each brand, what its snapshot has. The same goes for what was forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from maitred_server.errors import RecordDamaged
from maitred_server.learn.orders import holds, pinned
from maitred_server.learn.reached import Reached
from maitred_server.policy.fitted import Fitted, Stamp
from maitred_server.policy.snapshot import SUFFIX, Column, PolicySnapshot, open_snapshot
from maitred_server.store.published import (
    LEARNER_CURSOR,
    POLICY,
    brand_folder,
    brand_folders,
    current,
    ordered,
    switch,
    withdraw,
    write_file,
)

CURSOR: Final = LEARNER_CURSOR
KEEP: Final = 3  # snapshots of a brand, the newest
HOUR_S: Final = 3_600
HOURS, DAYS = 24, 14  # of which one snapshot with models each is kept
_CHECKSUM_BYTES: Final = 16


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    """`through`, `forgotten`: what all brands' counts have reached. `brands`: those that have a snapshot.

    `settled`: the note that counts and models are past; None: there are no models.
    """

    through: int
    brands: list[str]
    forgotten: int = 0
    settled: int | None = None


class Resumed(NamedTuple):
    """Where to go on, and what each brand has already."""

    reached: Reached
    snapshots: dict[str, PolicySnapshot]


def policy_folder(data: Path, brand: str) -> Path:
    """Where the snapshots of a brand are."""
    return brand_folder(data, brand) / POLICY


def publish_snapshot(
    data: Path,
    brand: str,
    reached: Reached,
    columns: Mapping[int, Column],
    models: Mapping[str, Fitted] = MappingProxyType({}),
    stamp: Stamp | None = None,
) -> str:
    """Writes a snapshot and puts it in force; its version. Raises OSError."""
    folder = policy_folder(data, brand)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    version = reached.version if stamp is None else f"{reached.through}-{reached.forgotten}{stamp.suffix}"
    snapshot = PolicySnapshot(version, reached.through, columns, reached.forgotten, models)
    snapshot.save(folder / f"{version}{SUFFIX}")
    switch(folder, version)
    prune(folder)
    return version


def prune(folder: Path) -> None:
    """Removes snapshots, but for the newest, those in force and pinned, and of those with models one an hour and a day:
    what people may want to go back to. Raises OSError.
    """
    there = ordered(folder, SUFFIX)
    kept = {current(folder), pinned(folder), *there[-KEEP:]}
    with_models = [version for version in there if Stamp.of(version)]
    written = {version: _written(folder, version) for version in with_models}
    kept |= {*_one_each(written, HOUR_S, HOURS), *_one_each(written, 24 * HOUR_S, DAYS)}
    for version in there:
        if version not in kept:
            (folder / f"{version}{SUFFIX}").unlink(missing_ok=True)


def _written(folder: Path, version: str) -> float:
    try:
        return (folder / f"{version}{SUFFIX}").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _one_each(written: Mapping[str, float], length_s: int, most: int) -> list[str]:
    """The first version of each of the last periods."""
    first: dict[int, str] = {}
    for version, at in written.items():
        first.setdefault(int(at // length_s), version)
    return [first[number] for number in sorted(first)[-most:]]


def save_cursor(data: Path, reached: Reached, brands: list[str], settled: int | None = None) -> None:
    """Remembers what the snapshots of all these brands have reached. Raises OSError."""
    content = msgspec.msgpack.encode(_Cursor(reached.through, sorted(brands), reached.forgotten, settled))
    write_file(data / CURSOR, [_checksum(content), content])


def learned_through(data: Path) -> int:
    """The journal sequence up to which every brand's snapshot is complete; 0 when nothing is known. Raises OSError."""
    return _cursor(data).through


def forgotten_through(data: Path) -> int:
    """The note up to which no snapshot and no check-point holds what was forgotten (see `store.forgotten`).

    Raises OSError.
    """
    cursor = _cursor(data)
    return cursor.forgotten if cursor.settled is None else min(cursor.forgotten, cursor.settled)


def reached_by_all(data: Path) -> Reached:
    """How far every brand's snapshot goes at least. Raises OSError."""
    cursor = _cursor(data)
    return Reached(cursor.through, cursor.forgotten)


def held_back(data: Path) -> int:
    """How many placements have a model that is held back. Raises OSError."""
    return sum(not one.until for folder in brand_folders(data) for one in holds(folder / POLICY))


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

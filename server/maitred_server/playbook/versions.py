"""The history of a brand's catalogue: every version that was ever published, and which of them are kept.

`HISTORY` has a line for each publish: the checksum of what follows, a space, and the edition as JSON without its files.
It is only ever added to. A line that fails its checksum (the last one, after a power cut) is passed over; the version's
own folder says the same as long as it is kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from maitred_server.errors import RecordDamaged, UnknownName
from maitred_server.playbook.editions import Edition, edition_of
from maitred_server.store.published import HISTORY, current, numbered, sync_folder

KEEP: Final = 20  # versions, the newest, whatever else is said
LONGEST_LINE: Final = 8 * 1024  # author, note and their escapes


class Version(NamedTuple):
    """A version that was published. `kept`: with what it was made from, so that it can be brought back."""

    edition: Edition
    in_force: bool
    kept: bool


class Keeping(NamedTuple):
    """What versions are kept beside the newest."""

    journal_ms: int | None = None  # how long a record may name a version that is no longer in force; None: for ever
    most: int = 0  # versions in all, at least `KEEP`; 0: any number


def append(folder: Path, edition: Edition) -> None:
    """Adds a line to the history, durably. Raises OSError."""
    text = msgspec.json.encode(msgspec.structs.replace(edition, files={}))
    is_new = not (folder / HISTORY).exists()
    descriptor = os.open(folder / HISTORY, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with open(descriptor, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.write(b"\n" * _is_torn(file.fileno(), end) + _checksum(text) + b" " + text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(folder)


def _is_torn(descriptor: int, end: int) -> bool:
    return end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"


def _checksum(text: bytes) -> bytes:
    return blake2b(text, digest_size=8).hexdigest().encode()


def published(folder: Path, limit: int | None = None) -> list[Version]:
    """The versions, newest first, at most `limit`. Reads no more than that takes. Raises OSError."""
    held = current(folder)
    there = set(map(str, numbered(folder))) if folder.is_dir() else set()
    told = {one.version: one for one in _lines(folder / HISTORY, limit)}
    names = sorted(there | set(told), key=int, reverse=True)[:limit]
    return [_version(folder, told.get(name), name, name in there, name == held) for name in names]


def _version(folder: Path, told: Edition | None, name: str, is_there: bool, in_force: bool) -> Version:
    edition = told or _said(folder, name)
    if edition is None:
        return Version(Edition(name), in_force, kept=False)
    return Version(edition, in_force, kept=is_there)


def _said(folder: Path, version: str) -> Edition | None:
    """By the version's own folder."""
    try:
        return edition_of(folder, version)
    except (RecordDamaged, OSError, msgspec.MsgspecError):
        return None


def _lines(path: Path, limit: int | None) -> Iterator[Edition]:
    try:
        with path.open("rb") as file:
            if limit is not None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - limit * LONGEST_LINE))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        checksum, _, text = line.partition(b" ")
        if text and checksum == _checksum(text):
            yield msgspec.json.decode(text, type=Edition)


def find(folder: Path, version: str) -> Version:
    """A version that can be brought back. Raises UnknownName, which says what can be."""
    every = published(folder)
    for one in every:
        if one.edition.version == version:
            if not one.kept:
                raise UnknownName(_not_kept(one.edition, every), "version")
            return one
    raise UnknownName(f"there is no version `{version}`; {_choice(every)}", "version")


def _not_kept(edition: Edition, every: Iterable[Version]) -> str:
    if not edition.published_at:
        return f"version `{edition.version}` is of an older server, which kept no playbook; {_choice(every)}"
    return f"version `{edition.version}` is not kept any more; {_choice(every)}"


def _choice(every: Iterable[Version]) -> str:
    names = [one.edition.version for one in every if one.kept]
    if not names:
        return "none is kept"
    return f"kept are {', '.join(names[:KEEP])}{f' and {len(names) - KEEP:,} older' if len(names) > KEEP else ''}"


def prune(folder: Path, keeping: Keeping, now_ms: int) -> list[str]:
    """Removes versions that no record can name any more, but never the newest and the one in force; says which.

    Who has one open keeps it. Raises OSError.
    """
    if keeping == Keeping():
        return []
    held = current(folder)
    there = numbered(folder)
    ended = _ends(folder)
    old = there[: max(0, len(there) - KEEP)]
    over = len(there) - max(KEEP, keeping.most) if keeping.most else 0
    gone = [version for at, version in enumerate(old) if at < over or _is_past(ended.get(version), keeping, now_ms)]
    for version in gone:
        if str(version) != held:
            shutil.rmtree(folder / str(version), ignore_errors=True)
    return [str(version) for version in gone if str(version) != held]


def _ends(folder: Path) -> dict[int, int]:
    """When each version was followed by the next, ms; of what nobody wrote down, when the first known one came."""
    ends: dict[int, int] = {}
    after: int | None = None
    for edition, _, _ in published(folder):  # newest first
        if after is not None:
            ends[int(edition.version)] = after
        after = edition.published_at or after
    return ends


def _is_past(ended: int | None, keeping: Keeping, now_ms: int) -> bool:
    return ended is not None and keeping.journal_ms is not None and ended + keeping.journal_ms < now_ms

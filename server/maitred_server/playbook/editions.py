"""What is kept with a catalogue version beside the catalogue: who published it, and the files that it was made from.

Each file is compressed by itself, so that a version shares on disk what its predecessor had alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from maitred_server.errors import RecordDamaged, UnknownName
from maitred_server.model import Item
from maitred_server.playbook.columns import read_file

EDITION: Final = "edition.json"
IMPORTED: Final = "kept-items"  # the items that were imported at that time
_QUICK: Final = 1  # zlib's level: twice the speed of the usual one for a fifth more bytes


class Edition(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who put which version in force, when and why. `key`: the access key's name; "": there was none."""

    version: str
    published_at: int = 0  # ms; 0: unknown
    author: str = ""
    note: str = ""
    rollback_of: str = ""
    key: str = ""
    items: int = 0
    files: dict[str, str] = {}  # by path in the playbook's folder: where its content is kept


class Publication(NamedTuple):
    """What is to be kept of a publish."""

    files: Mapping[str, bytes]
    published_at: int  # ms
    author: str = ""
    note: str = ""
    rollback_of: str = ""
    key: str = ""


class Kept(NamedTuple):
    """What was kept of a publish: enough to do it again."""

    edition: Edition
    files: dict[str, bytes]
    imported: tuple[Item, ...]


def edition(version: str, publication: Publication, items: int) -> Edition:
    """The edition of a version. `items`: how many its catalogue has."""
    return Edition(
        version=version,
        published_at=publication.published_at,
        author=publication.author,
        note=publication.note,
        rollback_of=publication.rollback_of,
        key=publication.key,
        items=items,
        files={path: _place(path) for path in sorted(publication.files)},
    )


def packed(of: Edition, publication: Publication, imported: Iterable[Item]) -> dict[str, bytes]:
    """The files to write beside a version's columns, by name."""
    ordered = sorted(imported, key=lambda item: item.id)
    return {
        EDITION: msgspec.json.encode(of),
        IMPORTED: zlib.compress(msgspec.msgpack.encode(ordered), _QUICK),
        **{of.files[path]: zlib.compress(content, _QUICK) for path, content in publication.files.items()},
    }


def _place(path: str) -> str:
    """A path may hold anything; the name under which its content is kept does not."""
    return f"kept-{blake2b(path.encode(), digest_size=8).hexdigest()}"


def edition_of(folder: Path, version: str) -> Edition | None:
    """Who put a version in force; None: its folder does not say, or is gone. Raises RecordDamaged, OSError."""
    content = read_file(folder / version, EDITION)
    return None if content is None else msgspec.json.decode(content, type=Edition)


def kept(folder: Path, version: str) -> Kept:
    """What a version was made from. Raises UnknownName when nothing is kept, RecordDamaged, OSError."""
    found = edition_of(folder, version)
    if found is None:
        raise UnknownName(f"version `{version}` was published by an older server, which kept no playbook", "version")
    files = {path: _unpacked(folder / version, place) for path, place in found.files.items()}
    imported = msgspec.msgpack.decode(_unpacked(folder / version, IMPORTED), type=tuple[Item, ...])
    return Kept(found, files, imported)


def _unpacked(folder: Path, name: str) -> bytes:
    content = read_file(folder, name)
    if content is None:
        raise RecordDamaged(f"catalogue version {folder.name} has lost what it was made from")
    return zlib.decompress(content)

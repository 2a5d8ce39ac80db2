"""The files of one catalogue version: numpy columns, the playbook's frozen nouns, and a manifest that vouches for them.

The manifest's first line is the checksum of its second, which names every file with its size and checksum.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from maitred_server.errors import RecordDamaged
from maitred_server.model import Dimensions, Layer
from maitred_server.playbook.control import Control
from maitred_server.store.published import sync_folder, write_synced

FORMAT: Final = 3
MANIFEST: Final = "manifest"
PLAYBOOK: Final = "playbook.msgpack"

# What `number_kinds` says.
NUMBER: Final = 1
FLAG: Final = 2
MOMENT: Final = 3

Array: TypeAlias = npt.NDArray[Any]

# Every column with its type and shape: n actions, k items, g groups; those without a shape are cut up by offsets.
COLUMNS: Final[dict[str, str]] = {
    "action_keys": "<u8",  # [n]
    "item_keys": "<u8",  # [n] key of the action's item
    "item_index": "<i4",  # [n] the action's item
    "variant_index": "<i4",  # [n] into Frozen.variants
    "content_type_index": "<i4",  # [n] into Frozen.content_types
    "content_offsets": "<i8",  # [n+1] into contents
    "contents": "|u1",
    "fit_index": "<i4",  # [n] into Frozen.fits
    "template_index": "<i4",  # [n] into Frozen.plains; -1: the content is no template
    "action_lookup": "<u8",  # [n] action keys, sorted
    "action_lookup_index": "<i4",  # [n]
    "item_actions": "<i4",  # [k+1] the first action of each item
    "item_id_offsets": "<i8",  # [k+1] into item_ids
    "item_ids": "|u1",
    "item_lookup": "<u8",  # [k] item keys, sorted
    "item_lookup_index": "<i4",  # [k]
    "item_group_offsets": "<i8",  # [k+1] into item_groups
    "item_groups": "<i4",  # into Frozen.groups
    "group_keys": "<u8",  # [g]
    "placement_actions": "<i4",  # cut up by Frozen.placements
    "numbers": "<f8",  # [columns, k] attributes that are numbers, flags or moments; NaN: missing
    "number_kinds": "|u1",  # [columns, k] which of these they are; 0: missing
    "lists": "<i4",  # attributes that are lists of texts, one after the other, into Frozen.texts
    "list_offsets": "<i8",  # [columns, k+1] into lists
    "list_present": "|u1",  # [columns, k] 0: missing
    "texts": "<i4",  # [columns, k] attributes that are texts, into Frozen.texts; -1: missing
}


class FrozenPlacement(msgspec.Struct, frozen=True, array_like=True):
    """A placement without its arrays. `cuts`: ends of candidates, order and fallback in `placement_actions`."""

    name: str
    slots: int
    policy: str
    baseline: str
    counts: str
    ttl_ms: int
    stale_ms: int
    automation: str
    cuts: tuple[int, int, int, int]


class Fit(msgspec.Struct, frozen=True, array_like=True, order=True):
    """What a variant is for; empty: for all."""

    devices: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()


class Frozen(msgspec.Struct, frozen=True, array_like=True):
    """What is no column: the playbook's nouns, and the dictionaries of the coded columns."""

    name: str
    description: str
    placements: tuple[FrozenPlacement, ...]
    layers: tuple[Layer, ...]
    groups: tuple[str, ...]
    variants: tuple[str, ...]
    content_types: tuple[str, ...]
    number_names: tuple[str, ...]
    text_names: tuple[str, ...]
    texts: tuple[str, ...]
    dimensions: Dimensions = Dimensions()
    control: Control = Control()
    fits: tuple[Fit, ...] = ()
    plains: tuple[bytes, ...] = ()  # what stands in for each template
    list_names: tuple[str, ...] = ()


def write(
    folder: Path,
    frozen: Frozen,
    columns: Mapping[str, Array],
    beside: Mapping[str, bytes] = {},
    before: Path | None = None,
) -> None:
    """Writes all files of a version into a folder and waits until they are on disk. Raises OSError.

    `beside`: more files to keep with it. `before`: the folder of an earlier version; what it has alike is linked, so
    that it takes no room a second time.
    """
    files: dict[str, bytes] = {PLAYBOOK: msgspec.msgpack.encode(frozen), **beside}
    files.update({f"{name}.npy": _npy(np.ascontiguousarray(columns[name], kind)) for name, kind in COLUMNS.items()})
    listed = {name: {"bytes": len(content), "checksum": _checksum(content)} for name, content in sorted(files.items())}
    for name, content in files.items():
        if before is None or not _linked(before / name, folder / name, content):
            write_synced(folder / name, [content])
    listing = json.dumps({"format": FORMAT, "files": listed}, separators=(",", ":")).encode()
    write_synced(folder / MANIFEST, [_checksum(listing).encode() + b"\n" + listing])
    sync_folder(folder)


def _linked(before: Path, path: Path, content: bytes) -> bool:
    """Whether an earlier file has this very content and could be given a second name."""
    try:
        if before.stat().st_size != len(content) or before.read_bytes() != content:
            return False
        os.link(before, path)
    except OSError:  # there is none, or it has as many names as a file may have
        return False
    return True


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def read_file(folder: Path, name: str) -> bytes | None:
    """A file that was written `beside` a version's columns; None: the version has none. Raises RecordDamaged, OSError.

    What an older format wrote has none either.
    """
    try:
        listed = _listing((folder / MANIFEST).read_bytes())["files"].get(name)
        if listed is not None:
            _check(folder / name, listed, whole=True)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise RecordDamaged(f"catalogue version {folder.name} cannot be read: {type(error).__name__}") from error
    return None if listed is None else (folder / name).read_bytes()


def _checksum(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def open_version(folder: Path, whole: bool = False) -> tuple[Frozen, dict[str, Array]]:
    """Maps a version's columns, read-only. Raises RecordDamaged.

    The manifest and the nouns are compared with their checksums, columns with their sizes; with `whole` every byte is.
    """
    try:
        files = _manifest((folder / MANIFEST).read_bytes())
        for name, listed in files.items():
            _check(folder / name, listed, whole or name == PLAYBOOK)
        frozen = msgspec.msgpack.decode((folder / PLAYBOOK).read_bytes(), type=Frozen)
        return frozen, {name: _mapped(folder / f"{name}.npy", kind) for name, kind in COLUMNS.items()}
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:  # what json, numpy and msgspec raise
        raise RecordDamaged(f"catalogue version {folder.name} cannot be opened: {type(error).__name__}") from error


def _manifest(content: bytes) -> dict[str, dict[str, Any]]:
    manifest = _listing(content)
    if manifest["format"] != FORMAT:
        raise RecordDamaged(f"the catalogue has format {manifest['format']}; this server reads format {FORMAT}")
    files: dict[str, dict[str, Any]] = manifest["files"]
    return files


def _listing(content: bytes) -> dict[str, Any]:
    """A manifest of any format."""
    checksum, _, listing = content.partition(b"\n")
    if checksum.decode("ascii", "replace") != _checksum(listing):
        raise RecordDamaged("the catalogue's manifest fails its checksum")
    manifest: dict[str, Any] = json.loads(listing)
    return manifest


def _check(path: Path, listed: dict[str, Any], whole: bool) -> None:
    if os.stat(path).st_size != listed["bytes"]:
        raise RecordDamaged(f"the catalogue's {path.name} has another size than its manifest says")
    if whole and _checksum(path.read_bytes()) != listed["checksum"]:
        raise RecordDamaged(f"the catalogue's {path.name} fails its checksum")


def _mapped(path: Path, kind: str) -> Array:
    column: Array = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    if column.dtype != np.dtype(kind):
        raise RecordDamaged(f"the catalogue's {path.name} has another type than this server reads")
    return column

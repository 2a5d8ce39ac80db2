"""What the learner knows, frozen: how often each thing happened, over all subjects of a brand, and its models.

The file: a header (magic, format, length of the directory, checksum), the directory (msgpack, padded to 8 bytes), then
for each counter type its sorted keys (uint64) and their counts (int64), then the arrays of each model (see `fitted`).
The checksum covers the length and all that follows the header. The file is mapped, not read. Files without models
have format 1, those with models format 2.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from maitred_server.errors import RecordDamaged
from maitred_server.policy import fitted
from maitred_server.policy.fitted import Fitted, Shape
from maitred_server.policy.linear import Model
from maitred_server.store import keys as names
from maitred_server.store.published import SNAPSHOT, write_file

Keys: TypeAlias = npt.NDArray[np.uint64]
Counts: TypeAlias = npt.NDArray[np.int64]

SUFFIX: Final = SNAPSHOT
_MAGIC: Final = b"maitredP"
_COUNTS_ALONE: Final = 1
_WITH_MODELS: Final = 2
_HEADER: Final = struct.Struct("<8sII16s")  # magic, format, bytes of the directory, checksum
_ALIGNMENT: Final = 8


class Column(NamedTuple):
    """One counter type: `counts[i]` is the number for `keys[i]`; keys rise and are distinct."""

    keys: Keys
    counts: Counts


class _Directory(msgspec.Struct, frozen=True, array_like=True):
    version: str
    cursor: int
    types: list[tuple[int, int]]  # (type code, rows) in the order of the columns
    forgotten: int = 0
    models: list[Shape] = []


class PolicySnapshot:
    """Immutable. Keys are those of actions, items and groups (see `store.keys`): one row for each that was counted."""

    def __init__(
        self,
        version: str,
        cursor: int,
        columns: Mapping[int, Column],
        forgotten: int = 0,
        models: Mapping[str, Fitted] = MappingProxyType({}),
    ) -> None:
        """`columns`: a column for each type code (`store.keys.type_code`). They are kept as they are, not copied.

        `cursor`: the sequence of the last journal record in it; `forgotten`: the note (see `store.forgotten`) up to
        which all that was forgotten is taken out. `models`: by placement.
        """
        self.version = version
        self.cursor = cursor
        self.forgotten = forgotten
        self.columns: Mapping[int, Column] = dict(columns)
        self.models: Mapping[str, Fitted] = dict(models)

    def model(self, placement: str, space: str = "", responses: tuple[str, ...] = ()) -> Model | None:
        """What was learned in a placement; None: nothing yet. `space`, `responses`: only when it is of these very
        features, and of these outcome types in this order.
        """
        found = self.models.get(placement)
        if found is None or space not in ("", found.space) or responses not in ((), found.responses):
            return None
        return found.model

    def counts(self, counter_type: str, keys: Keys) -> Counts:
        """How often each of `keys` (uint64[n], any order) was counted: int64[n], 0 for what never was."""
        column = self.columns.get(names.type_code(counter_type))
        if column is None or not len(column.keys):
            return np.zeros(len(keys), np.int64)
        places = np.searchsorted(column.keys, keys)
        places[places == len(column.keys)] = 0
        return np.where(column.keys[places] == keys, column.counts[places], 0)

    def save(self, path: Path) -> None:
        """Writes the file, whole and durable or not at all. Raises OSError."""
        columns = sorted(self.columns.items())
        types = [(code, len(column.keys)) for code, column in columns]
        shapes = [fitted.shape_of(placement, one) for placement, one in self.models.items()]
        directory = msgspec.msgpack.encode(_Directory(self.version, self.cursor, types, self.forgotten, shapes))
        parts: list[bytes | memoryview] = [directory + bytes(-len(directory) % _ALIGNMENT)]
        for _, column in columns:
            parts += [
                _bytes_of(column.keys.astype("<u8", copy=False)),
                _bytes_of(column.counts.astype("<i8", copy=False)),
            ]
        for one in self.models.values():
            parts += map(_bytes_of, fitted.arrays_of(one.model))
        kind = _WITH_MODELS if shapes else _COUNTS_ALONE
        write_file(path, [_HEADER.pack(_MAGIC, kind, len(directory), _checksum(len(directory), parts)), *parts])

    @classmethod
    def open(cls, path: Path) -> PolicySnapshot:
        """Maps a file. Raises RecordDamaged when it is not what was saved, OSError when it cannot be read."""
        content = _mapped(path)
        if len(content) < _HEADER.size:
            raise RecordDamaged("the policy snapshot is cut short")
        magic, version, length, checksum = _HEADER.unpack_from(content)
        body = content[_HEADER.size :]
        if magic != _MAGIC or version not in (_COUNTS_ALONE, _WITH_MODELS):
            raise RecordDamaged("the policy snapshot has an unknown format")
        if checksum != _checksum(length, [body]) or length > len(body):
            raise RecordDamaged("the policy snapshot fails its checksum")
        return cls._read(body, length)

    @classmethod
    def _read(cls, body: memoryview, length: int) -> PolicySnapshot:
        try:
            directory = msgspec.msgpack.decode(body[:length], type=_Directory)
        except msgspec.MsgspecError as error:
            raise RecordDamaged("the policy snapshot's directory cannot be read") from error
        data = body[length + -length % _ALIGNMENT :]
        size = sum(rows for _, rows in directory.types) * 16
        columns = _columns(data[:size], directory.types)
        models = fitted.mapped(directory.models, data[size:])
        return cls(directory.version, directory.cursor, columns, directory.forgotten, models)


class Remade(NamedTuple):
    """A snapshot of the past. `note` "": it is the very one; else what differs, in words."""

    snapshot: PolicySnapshot
    note: str = ""


def _columns(data: memoryview, types: list[tuple[int, int]]) -> dict[int, Column]:
    if len(data) != sum(rows for _, rows in types) * 16:
        raise RecordDamaged("the policy snapshot's columns have another size than its directory says")
    columns = {}
    at = 0
    for code, rows in types:
        keys = np.frombuffer(data, "<u8", rows, at)
        counts = np.frombuffer(data, "<i8", rows, at + rows * 8)
        columns[code] = Column(keys, counts)
        at += rows * 16
    return columns


def _checksum(length: int, parts: list[bytes | memoryview]) -> bytes:
    digest = blake2b(length.to_bytes(4, "little"), digest_size=16, person=b"maitred.policy")
    for part in parts:
        digest.update(part)
    return digest.digest()


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError as error:  # a file of no bytes cannot be mapped
            raise RecordDamaged("the policy snapshot is empty") from error


def open_snapshot(folder: Path, version: str) -> PolicySnapshot:
    """The snapshot of a version in a folder: what a `Follower` needs. Raises as `PolicySnapshot.open`."""
    return PolicySnapshot.open(folder / f"{version}{SUFFIX}")

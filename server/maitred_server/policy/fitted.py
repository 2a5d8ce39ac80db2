"""Models as they lie in a snapshot file: arrays one after the other, and in the directory what they are.

Arrays are mapped, not read: float64 and uint64, little-endian, in the order of the fields of `Model` and `Deltas`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from maitred_server.errors import RecordDamaged
from maitred_server.policy.linear import Deltas, Model
from maitred_server.store.published import numbers_of

_BYTES = 8  # of a number


class Stamp(NamedTuple):
    """What models were made from: with the journal and the catalogue it gives them again, bit for bit.

    `through`: the last record in their items and variants; `base`: the last one in what is wider, and in what has not
    been touched since; `day`: since 1970, by which old exposures fade; `catalogue`: the version.
    """

    through: int
    base: int
    day: int
    catalogue: int

    @property
    def suffix(self) -> str:
        """What stands behind the counts' version in the name of a snapshot."""
        return f"-{self.through}-{self.base}-{self.day}-{self.catalogue}"

    @classmethod
    def of(cls, version: str) -> Stamp | None:
        """The stamp in the name of a snapshot; None: it has no models."""
        numbers = numbers_of(version)
        return cls(*numbers[2:]) if len(numbers) == 6 else None


class Fitted(NamedTuple):
    """The model of one placement. `space`: the name of its features; `responses`: the outcome types, in its order."""

    space: str
    responses: tuple[str, ...]
    model: Model
    stamp: Stamp

    @property
    def exposures(self) -> float:
        """How many it knows of, decayed: those of its items, which may be ahead of its base."""
        items = self.model.levels[1]
        return float(items.exposures.sum()) if len(items.keys) else self.model.exposures


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """What a directory says of one model. `rows`: how many keys each level has."""

    placement: str
    space: str
    responses: tuple[str, ...]
    stamp: tuple[int, int, int, int]
    width: int
    exposures: float
    penalties: tuple[float, float, float, float]
    columns: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    rows: tuple[int, int, int]


def shape_of(placement: str, fitted: Fitted) -> Shape:
    """What the directory says of a model."""
    model = fitted.model
    groups, items, variants = (tuple(columns.tolist()) for columns in model.columns)
    rows = (len(model.levels[0].keys), len(model.levels[1].keys), len(model.levels[2].keys))
    return Shape(
        placement,
        fitted.space,
        fitted.responses,
        fitted.stamp,
        model.wide.shape[1],
        model.exposures,
        model.penalties,
        (groups, items, variants),
        rows,
    )


def arrays_of(model: Model) -> Iterator[npt.NDArray[Any]]:
    """Its arrays as they are stored."""
    yield from (one.astype("<f8", copy=False) for one in (model.wide, model.wide_inverse, model.means))
    for level in model.levels:
        yield level.keys.astype("<u8", copy=False)
        yield from (one.astype("<f8", copy=False) for one in (level.values, level.inverses, level.exposures))


def mapped(shapes: list[Shape], data: memoryview) -> dict[str, Fitted]:
    """The models by placement. Raises RecordDamaged when the data have another size than the shapes say."""
    reader = _Reader(data)
    try:
        found = {shape.placement: _fitted(shape, reader) for shape in shapes}
    except ValueError as error:
        raise RecordDamaged("the policy snapshot's models are cut short") from error
    if reader.at != len(data):
        raise RecordDamaged("the policy snapshot's models have another size than its directory says")
    return found


class _Reader:
    """Takes arrays off a block of memory."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 0

    def floats(self, *shape: int) -> npt.NDArray[np.float64]:
        return self._next("<f8", *shape)

    def keys(self, size: int) -> npt.NDArray[np.uint64]:
        return self._next("<u8", size)

    def _next(self, kind: str, *shape: int) -> npt.NDArray[Any]:
        size = int(np.prod(shape))
        found = np.frombuffer(self._data, kind, size, self.at) if size else np.zeros(0, kind)
        self.at += size * _BYTES
        return found.reshape(shape)


def _fitted(shape: Shape, reader: _Reader) -> Fitted:
    types, width = len(shape.responses), shape.width
    wide, inverse, means = reader.floats(types, width), reader.floats(width, width), reader.floats(types)
    groups, items, variants = (
        _deltas(reader, rows, types, len(columns)) for rows, columns in zip(shape.rows, shape.columns, strict=True)
    )
    of_groups, of_items, of_variants = (np.array(columns, np.int32) for columns in shape.columns)
    model = Model(
        wide,
        inverse,
        shape.exposures,
        means,
        (of_groups, of_items, of_variants),
        (groups, items, variants),
        shape.penalties,
    )
    return Fitted(shape.space, shape.responses, model, Stamp(*shape.stamp))


def _deltas(reader: _Reader, rows: int, types: int, width: int) -> Deltas:
    return Deltas(
        reader.keys(rows), reader.floats(rows, types, width), reader.floats(rows, width, width), reader.floats(rows)
    )

"""The sums of a ridge regression over levels, of one placement: exact integers that can be added and taken away.

An exposure with features f (d of them) and responses r adds f f' and r f at each level: to the placement, to each group
of its item, to the item and to its variant. A narrower level has weights for some features only (its rows of f f'), but
keeps their products with all, so that what the wider levels explain can be taken out when weights are made.

Sums are apart by period (a day; older ones a week or a month), so that what is old can weigh less, or go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from maitred_server.errors import RecordDamaged
from maitred_server.learn.fixed import Fixed, Sum
from maitred_server.policy.base import Keys, Positions

Days: TypeAlias = npt.NDArray[np.int32]
_Exact: TypeAlias = npt.NDArray[np.float64]  # of whole numbers

_EXACT_ROWS: Final = 1 << 22  # so many products of 2^30 are exact in float64, where a matrix product is fast
_MAGIC: Final = b"maitredS"


class Level(IntEnum):
    """From wide to narrow."""

    PLACEMENT = 0
    GROUP = 1
    ITEM = 2
    VARIANT = 3


PLACEMENT_KEY: Final = 0  # there is one placement


class Space(NamedTuple):
    """Which of the d features have weights of their own at each level. int32, rising; empty: the level has none."""

    width: int  # d
    group: Positions
    item: Positions
    variant: Positions

    @classmethod
    def of(
        cls,
        width: int,
        group: list[int] | None = None,
        item: list[int] | None = None,
        variant: list[int] | None = None,
    ) -> Space:
        """None: all of them."""
        every = list(range(width))
        chosen = (np.array(every if one is None else one, np.int32) for one in (group, item, variant))
        return cls(width, *chosen)

    def rows(self, level: Level) -> Positions:
        """The features that a level has."""
        if level is Level.PLACEMENT:
            return np.arange(self.width, dtype=np.int32)
        return (self.group, self.item, self.variant)[level - 1]


class Shown(NamedTuple):
    """n exposed choices. Group i of the ragged `groups` belongs to the choice `group_owner[i]`."""

    days: Days  # int32[n]
    items: Keys  # uint64[n]
    variants: Keys  # uint64[n]
    groups: Keys
    group_owner: Positions
    features: Fixed  # int16[n, d]
    responses: npt.NDArray[np.int32]  # int32[n, t]: of each type, in fixed point


class Block(NamedTuple):
    """What is summed of one key in one period. `products`: int64[k, d]; `answers`: int64[t, k]."""

    number: int
    products: Sum
    answers: Sum


class Sums:
    """All levels of one placement."""

    def __init__(self, space: Space, types: int) -> None:
        """`types`: how many outcome types have a response."""
        self.space = space
        self.types = types
        self._levels = {level: _Table(space.rows(level), space.width, types) for level in Level}

    def add(self, shown: Shown) -> None:
        """Adds exposures with the responses that are known by now."""
        self._apply(shown, 1, features=True)

    def subtract(self, shown: Shown) -> None:
        """Takes away what was added before, with the same responses."""
        self._apply(shown, -1, features=True)

    def correct(self, shown: Shown) -> None:
        """Adds differences of responses to exposures that are in already: what a late outcome changes."""
        self._apply(shown, 1, features=False)

    def _apply(self, shown: Shown, sign: int, *, features: bool) -> None:
        if not len(shown.days):
            return
        everything = np.full(len(shown.days), PLACEMENT_KEY, np.uint64)
        for level, keys in (
            (Level.PLACEMENT, everything),
            (Level.ITEM, shown.items),
            (Level.VARIANT, shown.variants),
        ):
            self._levels[level].add(keys, shown.days, shown.features, shown.responses, sign, features)
        owner = shown.group_owner
        self._levels[Level.GROUP].add(
            shown.groups, shown.days[owner], shown.features[owner], shown.responses[owner], sign, features
        )

    def merge(self, other: Sums) -> None:
        """Adds the sums of another shard."""
        for level, table in self._levels.items():
            table.merge(other._levels[level])

    def roll(self, period_of: Mapping[int, int]) -> None:
        """Joins periods: `period_of` maps the days that are joined to the day that stands for all of them."""
        for table in self._levels.values():
            table.roll(period_of)

    def drop(self, before: int) -> None:
        """Forgets the periods before a day."""
        for table in self._levels.values():
            table.drop(before)

    def blocks(self, level: Level) -> Iterator[tuple[int, int, Block]]:
        """Key, period and sums."""
        return self._levels[level].blocks()

    def stacked(self, level: Level, keys: Keys | None = None) -> Stacked:
        """The blocks of a level as arrays; with `keys`, of those keys alone: it takes no longer the more others."""
        return self._levels[level].stacked(keys)

    def days(self) -> list[int]:
        """The periods that there are."""
        return sorted({day for _, day, _ in self._levels[Level.PLACEMENT].blocks()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sums) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """The sums in a form that is the same for equal sums, however they came about."""
        levels = [self._levels[level].frozen() for level in Level]
        space = [self.space.rows(level).tolist() for level in Level]
        content = msgspec.msgpack.encode((self.types, self.space.width, space, levels))
        return _MAGIC + _checksum(content) + content

    @classmethod
    def from_bytes(cls, data: bytes) -> Sums:
        """Raises RecordDamaged for what `to_bytes` did not make."""
        content = data[len(_MAGIC) + 16 :]
        if not data.startswith(_MAGIC) or data[len(_MAGIC) : len(_MAGIC) + 16] != _checksum(content):
            raise RecordDamaged("the sums fail their checksum")
        types, width, rows, levels = msgspec.msgpack.decode(
            content, type=tuple[int, int, list[list[int]], list[_Frozen]]
        )
        sums = cls(Space.of(width, *rows[1:]), types)
        for level, frozen in zip(Level, levels, strict=True):
            sums._levels[level].thaw(frozen)
        return sums


class Stacked(NamedTuple):
    """Blocks of a level, m of them, in no useful order."""

    keys: Keys  # uint64[m]
    days: Days  # int32[m]
    numbers: Sum  # int64[m]
    products: Sum  # int64[m, k, d]
    answers: Sum  # int64[m, t, k]


class _Frozen(msgspec.Struct, frozen=True, array_like=True):
    keys: bytes
    days: bytes
    numbers: bytes
    products: bytes
    answers: bytes


class _Table:
    """The blocks of one level: rows of arrays that grow, found by key and period."""

    def __init__(self, rows: Positions, width: int, types: int) -> None:
        self._rows = rows
        self._width = width
        self._types = types
        self._at: dict[tuple[int, int], int] = {}
        self._days_of: dict[int, list[int]] = {}
        self._numbers: Sum = np.zeros(0, np.int64)
        self._products: Sum = np.zeros((0, len(rows), width), np.int64)
        self._answers: Sum = np.zeros((0, types, len(rows)), np.int64)

    def add(
        self,
        keys: Keys,
        days: Days,
        features: Fixed,
        responses: npt.NDArray[np.int32],
        sign: int,
        counts: bool,
    ) -> None:
        """`counts`: the exposures themselves too, not only their responses."""
        if not len(self._rows) or not len(keys):
            return
        at = self._places(keys, days)
        order = np.argsort(at, kind="stable")
        begins = np.flatnonzero(np.diff(at[order], prepend=-1))
        ends = np.append(begins[1:], len(order))
        wide, came = features[order].astype(np.float64), responses[order].astype(np.float64)
        narrow = wide[:, self._rows]
        for place, begin, end in zip(at[order[begins]].tolist(), begins.tolist(), ends.tolist(), strict=True):
            self._add_block(place, narrow[begin:end], wide[begin:end], came[begin:end], sign, counts)

    def _add_block(self, at: int, narrow: _Exact, features: _Exact, responses: _Exact, sign: int, counts: bool) -> None:
        self._answers[at] += sign * _product(responses, narrow)
        if counts:
            self._products[at] += sign * _product(narrow, features)
            self._numbers[at] += sign * len(features)

    def _places(self, keys: Keys, days: Days) -> npt.NDArray[np.int64]:
        found = []
        for key in zip(keys.tolist(), days.tolist(), strict=True):
            at = self._at.get(key)
            found.append(self._place(key) if at is None else at)
        self._grow(len(self._at))
        return np.array(found, np.int64)

    def _place(self, key: tuple[int, int]) -> int:
        at = self._at[key] = len(self._at)
        self._days_of.setdefault(key[0], []).append(key[1])
        return at

    def _grow(self, size: int) -> None:
        if size <= len(self._numbers):
            return
        more = max(size, 2 * len(self._numbers), 8) - len(self._numbers)
        self._numbers = _longer(self._numbers, more)
        self._products = _longer(self._products, more)
        self._answers = _longer(self._answers, more)

    def merge(self, other: _Table) -> None:
        for (key, day), theirs in other._at.items():
            at = int(self._places(np.array([key], np.uint64), np.array([day], np.int32))[0])
            self._numbers[at] += other._numbers[theirs]
            self._products[at] += other._products[theirs]
            self._answers[at] += other._answers[theirs]

    def roll(self, period_of: Mapping[int, int]) -> None:
        fresh = _Table(self._rows, self._width, self._types)
        for (key, day), at in self._at.items():
            to = int(fresh._places(np.array([key], np.uint64), np.array([period_of.get(day, day)], np.int32))[0])
            fresh._numbers[to] += self._numbers[at]
            fresh._products[to] += self._products[at]
            fresh._answers[to] += self._answers[at]
        self._take(fresh)

    def drop(self, before: int) -> None:
        kept = [key for key in self._at if key[1] >= before]
        fresh = _Table(self._rows, self._width, self._types)
        fresh._grow(len(kept))
        for to, key in enumerate(kept):
            at = self._at[key]
            fresh._place(key)
            fresh._numbers[to], fresh._products[to] = self._numbers[at], self._products[at]
            fresh._answers[to] = self._answers[at]
        self._take(fresh)

    def _take(self, fresh: _Table) -> None:
        self._at, self._days_of, self._numbers = fresh._at, fresh._days_of, fresh._numbers
        self._products, self._answers = fresh._products, fresh._answers

    def blocks(self) -> Iterator[tuple[int, int, Block]]:
        for (key, day), at in self._at.items():
            yield key, day, Block(int(self._numbers[at]), self._products[at], self._answers[at])

    def stacked(self, asked: Keys | None = None) -> Stacked:
        pairs = list(self._at) if asked is None else self._pairs(asked)
        keys = np.array([key for key, _ in pairs], np.uint64)
        days = np.array([day for _, day in pairs], np.int32)
        at = slice(len(pairs)) if asked is None else np.array([self._at[pair] for pair in pairs], np.int64)
        return Stacked(keys, days, self._numbers[at], self._products[at], self._answers[at])

    def _pairs(self, asked: Keys) -> list[tuple[int, int]]:
        return [(key, day) for key in asked.tolist() for day in self._days_of.get(key, ())]

    def frozen(self) -> _Frozen:
        """Without blocks that are all zero, in the order of key and period."""
        size = len(self._at)
        whole = self.stacked()
        kept = whole.numbers.astype(np.bool_) | whole.products.any((1, 2)) | whole.answers.any((1, 2))
        order = np.lexsort((whole.days, whole.keys)) if size else np.zeros(0, np.int64)
        order = order[kept[order]]
        columns = (
            whole.keys.astype("<u8"),
            whole.days.astype("<i4"),
            whole.numbers.astype("<i8"),
            whole.products.astype("<i8"),
            whole.answers.astype("<i8"),
        )
        return _Frozen(*(np.ascontiguousarray(column[order]).tobytes() for column in columns))

    def thaw(self, frozen: _Frozen) -> None:
        keys, days = np.frombuffer(frozen.keys, "<u8"), np.frombuffer(frozen.days, "<i4")
        self._places(keys.astype(np.uint64), days.astype(np.int32))
        size, narrow = len(keys), len(self._rows)
        self._numbers[:size] = np.frombuffer(frozen.numbers, "<i8")
        self._products[:size] = np.frombuffer(frozen.products, "<i8").reshape(size, narrow, self._width)
        self._answers[:size] = np.frombuffer(frozen.answers, "<i8").reshape(size, self._types, narrow)


def _product(left: _Exact, right: _Exact) -> Sum:
    """left' right, exactly: int64[k, d] of [n, k] and [n, d]. In float64 as far as that is exact, for its speed."""
    if len(left) <= _EXACT_ROWS:
        return (left.T @ right).astype(np.int64)
    total = np.zeros((left.shape[1], right.shape[1]), np.int64)
    for begin in range(0, len(left), _EXACT_ROWS):
        part = slice(begin, begin + _EXACT_ROWS)
        total += (left[part].T @ right[part]).astype(np.int64)
    return total


def _longer(column: Sum, more: int) -> Sum:
    return np.concatenate([column, np.zeros((more, *column.shape[1:]), np.int64)])


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=16, person=b"maitred.sums").digest()

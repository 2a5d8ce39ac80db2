"""What many literals about one value come to, looked up instead of worked out: bits of everything that follows.

Of a text, a flag, a number or a list of names each table gives the OR of some bits: those of the literals that are so
`when` the value is what it is. What a value decides is worked out once, when the table is made.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

# The bits that follow from a value; None stands for an error.
Lookup = Callable[[Any], int]


class Effect(NamedTuple):
    """The bits of one literal: `met` when it holds, `unmet` when it does not."""

    met: int
    unmet: int

    def bits(self, holds: bool) -> int:
        """The one or the other."""
        return self.met if holds else self.unmet


class Texts(NamedTuple):
    """Bits by value, of texts and flags. The key None is an error."""

    entries: Mapping[Any, int]
    other: int

    def bits(self, value: Any) -> int:
        """The bits of a value."""
        return self.entries.get(value, self.other)


class Cuts(NamedTuple):
    """Bits by where a number lies among `cuts`, rising: before the first, at it, between it and the second, ..."""

    cuts: Sequence[Any]
    entries: Sequence[int]
    nan: int
    error: int

    def bits(self, value: Any) -> int:
        """The bits of a value."""
        if value is None:
            return self.error
        if value != value:
            return self.nan
        return self.entries[bisect_left(self.cuts, value) + bisect_right(self.cuts, value)]


class Names(NamedTuple):
    """Bits by which of some names a list holds."""

    numbers: Mapping[str, int]  # of each name its bit
    tables: Sequence[Sequence[int]]
    error: int

    def bits(self, value: Sequence[str] | None) -> int:
        """The bits of a list."""
        if value is None:
            return self.error
        held = 0
        for name in value:
            held |= self.numbers.get(name, 0)
        return of_bytes(self.tables, held)


def byte_tables(effects: Sequence[tuple[int, int]]) -> list[list[int]]:
    """For each eight of some flags a table by their byte. effects: what follows from each flag, when set and not."""
    return [_table(effects[at : at + 8]) for at in range(0, len(effects), 8)]


def _table(effects: Iterable[tuple[int, int]]) -> list[int]:
    table = [0]
    for met, unmet in effects:
        table = [bits | unmet for bits in table] + [bits | met for bits in table]
    return table


def of_bytes(tables: Sequence[Sequence[int]], flags: int) -> int:
    """The OR of what follows from flags. `tables`: as `byte_tables` makes them."""
    bits = 0
    for table, byte in zip(tables, flags.to_bytes(len(tables), "little"), strict=True):
        bits |= table[byte]
    return bits

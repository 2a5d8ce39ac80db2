"""Rows as bits of one Python integer, bit i of row i: at a thousand rows an OR of two takes less than calling numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np

from maitred_server.playbook.rules.columns import Bools, Coded

# Rows as bits, or as they are.
Kept: TypeAlias = int | tuple[int, ...]
FEW: Final = 4  # rows that take less room as they are,
MANY: Final = 256  # where there are more than this


def pack(rows: Bools) -> int:
    """bool[m] as bits."""
    return int.from_bytes(np.packbits(rows, bitorder="little").tobytes(), "little")


def unpack(bits: int, size: int) -> Bools:
    """Bits as bool[size]."""
    octets = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), np.uint8)
    return np.unpackbits(octets, count=size, bitorder="little").view(np.bool_)


def bits_of(rows: Sequence[int], size: int) -> int:
    """Rows by their numbers as bits."""
    if len(rows) > 16:
        flags = np.zeros(size, np.bool_)
        flags[rows] = True
        return pack(flags)
    bits = 0
    for row in rows:
        bits |= 1 << row
    return bits


def kept(rows: Sequence[int], size: int) -> Kept:
    """Rows in the form that takes less room."""
    return tuple(rows) if len(rows) <= FEW and size > MANY else bits_of(rows, size)


def unfolded(rows: Kept) -> int:
    """What was kept as bits."""
    return rows if isinstance(rows, int) else sum(1 << row for row in rows)


def union(entries: Mapping[Any, Kept], names: Iterable[Any]) -> int:
    """The rows of any of some names."""
    bits = 0
    for name in names:
        rows = entries.get(name)
        if rows is not None:
            bits |= rows if isinstance(rows, int) else unfolded(rows)
    return bits


def grouped(coded: Coded) -> list[list[int]]:
    """The rows of each distinct value, by its number."""
    order = np.argsort(coded.codes, kind="stable")
    ends = np.searchsorted(coded.codes[order], np.arange(len(coded.values) + 1))
    return [order[begin:end].tolist() for begin, end in pairwise(ends.tolist())]


def by_value(coded: Coded, size: int) -> dict[Any, Kept]:
    """The rows of each value."""
    return {value: kept(rows, size) for value, rows in zip(coded.values, grouped(coded), strict=True)}


def by_element(coded: Coded, size: int) -> dict[Any, Kept]:
    """Of lists: the rows whose list holds an element."""
    found: dict[Any, list[int]] = {}
    for values, rows in zip(coded.values, grouped(coded), strict=True):
        for element in set(values):
            found.setdefault(element, []).extend(rows)
    return {element: kept(rows, size) for element, rows in found.items()}

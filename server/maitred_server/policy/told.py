"""Traits and context as features: each name with its value is one of a fixed number of columns, by a hash.

Feature hashing (Weinberger et al. 2009): any number of names and values fit into a fixed width; two that meet in a
column share its weights. A second hash gives the sign, so that what meets there by chance evens out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

TOLD_WIDTH: Final = 16
_WHOLE: Final = 64  # whole numbers below it are values of their own, others go by powers of two


def told(said: Mapping[str, object], names: Sequence[str], width: int = TOLD_WIDTH) -> list[float]:
    """`width` columns of what is said of `names`; what is not said adds nothing."""
    out = [0.0] * width
    for name in names:
        value = said.get(name)
        if value is not None:
            found = places if isinstance(value, list) else _places
            for column, sign in found(name, value, width):
                out[column] += sign
    return out


def places(name: str, value: object, width: int) -> tuple[tuple[int, float], ...]:
    """Columns and signs of a value; a list is as many values as it has."""
    return tuple([place(name, one, width) for one in values(value)])


_places = lru_cache(maxsize=16_384, typed=True)(places)  # of values that are equal and of different types


def values(value: object) -> tuple[str, ...]:
    """The texts that a value stands for."""
    if isinstance(value, list | tuple):
        return tuple(str(one) for one in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (_number(float(value)),)
    return (str(value),)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "none"
    if value.is_integer() and 0 <= value < _WHOLE:
        return str(int(value))
    return f"{'-' if value < 0 else ''}2^{math.frexp(value)[1]}"


@lru_cache(maxsize=65_536)
def place(name: str, value: str, width: int = TOLD_WIDTH) -> tuple[int, float]:
    """Column, of so many, and sign of a value."""
    digest = blake2b(f"{len(name)}:{name}{value}".encode(), digest_size=8, person=b"maitred.told").digest()
    return int.from_bytes(digest[:7], "big") % width, 1.0 if digest[7] & 1 else -1.0


def collisions(said: Iterable[tuple[str, str]], width: int = TOLD_WIDTH) -> list[tuple[tuple[str, str], ...]]:
    """The pairs of name and value that share a column, of some; for lint."""
    pairs = list(dict.fromkeys(said))
    counts = Counter(place(*pair, width)[0] for pair in pairs)
    shared = (column for column, number in sorted(counts.items()) if number > 1)
    return [tuple(pair for pair in pairs if place(*pair, width)[0] == column) for column in shared]

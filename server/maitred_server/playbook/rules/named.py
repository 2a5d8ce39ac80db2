"""From bits to the names they stand for: eight at a time, since a subject may be in a hundred segments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

MOST_KEPT: Final = 1_024
_EIGHT: Final = 8


class Named:
    """Names by bit: bit i is names[i]. Immutable but for what was worked out once."""

    def __init__(self, names: Sequence[str]) -> None:
        parts = [tuple(names[at : at + _EIGHT]) for at in range(0, len(names), _EIGHT)]
        self._tables = [_Table(part) for part in parts]
        self.of = lru_cache(MOST_KEPT)(self._of)  # many subjects are in the same segments

    def _of(self, bits: int) -> tuple[str, ...]:
        """The names of bits, in their order."""
        found: list[str] = []
        for table, byte in zip(self._tables, bits.to_bytes(len(self._tables), "little"), strict=True):
            if byte:
                found += table[byte]
        return tuple(found)


class _Table(dict[int, tuple[str, ...]]):
    """Names by byte; each is made when it is first met."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, byte: int) -> tuple[str, ...]:
        found = self[byte] = tuple(name for at, name in enumerate(self._names) if byte >> at & 1)
        return found

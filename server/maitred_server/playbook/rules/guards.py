"""The rows that failing rules close: many ORs of long bits, a few look-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from maitred_server.playbook.rules.bits import unpack
from maitred_server.playbook.rules.columns import Bools
from maitred_server.playbook.rules.tables import byte_tables, of_bytes

MOST_BYTES: Final = 4 << 20  # of the tables
MOST_KEPT: Final = 256


class Guards:
    """Bits of rows by number of a formula. Immutable.

    Tables by eight formulas at once where they are small, by four at once where they are not, else none.
    """

    def __init__(self, guarded: Mapping[int, int], size: int, whole: int) -> None:
        """`guarded`: formula -> the rows that need it to hold; `size`: how many rows there are; `whole`: those of them
        that are open when all formulas hold.
        """
        self.closed = lru_cache(MOST_KEPT)(self._closed)  # many subjects meet the same formulas
        self._size, self._whole = size, whole
        self._guarded = dict(guarded)
        self._mask = sum(1 << number for number in guarded)
        count = max(guarded, default=-1) + 1
        effects = [(self._guarded.get(number, 0), 0) for number in range(count)]
        self._octets: list[list[int]] = []
        self._halves: list[tuple[list[int], list[int]]] = []
        table_bytes = -(-count // 8) * 256 * size // 8
        if table_bytes <= MOST_BYTES:
            self._octets = byte_tables(effects)
        elif table_bytes // 8 <= MOST_BYTES:
            self._halves = [_halves(effects[at : at + 8]) for at in range(0, count, 8)]

    def bits(self, failing: int) -> int:
        """The rows that are left, as bits. `failing`: formulas as bits."""
        return self._whole & ~self.closed(failing)

    def open(self, failing: int, closed: int) -> Bools | None:
        """bool[m]: the rows that are left; None: all of them. `closed`: rows that are closed beside, as bits."""
        left = self._whole & ~(self.closed(failing) | closed)
        return None if left == (1 << self._size) - 1 else unpack(left, self._size)

    def _closed(self, failing: int) -> int:
        """The rows that need a formula that fails. `failing`: formulas as bits."""
        failing &= self._mask
        if not failing:
            return 0
        if self._octets:
            return of_bytes(self._octets, failing)
        return self._of_halves(failing) if self._halves else self._one_by_one(failing)

    def _of_halves(self, failing: int) -> int:
        bits = 0
        for (low, high), byte in zip(self._halves, failing.to_bytes(len(self._halves), "little"), strict=True):
            if byte:
                bits |= low[byte & 15] | high[byte >> 4]
        return bits

    def _one_by_one(self, failing: int) -> int:
        bits = 0
        while failing:
            lowest = failing & -failing
            bits |= self._guarded[lowest.bit_length() - 1]
            failing ^= lowest
        return bits


def _halves(effects: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    whole = [*effects, *([(0, 0)] * (8 - len(effects)))]
    (low,), (high,) = byte_tables(whole[:4]), byte_tables(whole[4:])
    return low, high

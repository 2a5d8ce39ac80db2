"""Numbers, moments and durations of rows in their order, so that a comparison with any value is a search."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any, Final

from maitred_server.playbook.rules.bits import bits_of, grouped, pack
from maitred_server.playbook.rules.columns import Coded


class Sorted:
    """The rows with the smallest 0, `step`, 2 * `step` ... distinct values as bits. NaN is in no order."""

    def __init__(self, coded: Coded, size: int, step: int) -> None:
        rows = grouped(coded)
        numbers = [number for number, value in enumerate(coded.values) if value == value]
        numbers.sort(key=coded.values.__getitem__)
        self.cuts = [coded.values[number] for number in numbers]
        self._rows = [rows[number] for number in numbers]
        self._size = size
        self._step = step
        self.present = pack(coded.codes >= 0)
        self._kept = [0]
        for at in range(0, len(numbers), step):
            self._kept.append(self._kept[-1] | self._between(at, at + step))
        self.ordered = self._kept[-1]

    def _between(self, begin: int, end: int) -> int:
        return bits_of([row for rows in self._rows[begin:end] for row in rows], self._size)

    def first(self, count: int) -> int:
        """The rows with the smallest values, of so many."""
        at, rest = divmod(count, self._step)
        return self._kept[at] | self._between(count - rest, count) if rest else self._kept[at]

    def below(self, value: Any) -> int:
        """Rows with a smaller value."""
        return self.first(bisect_left(self.cuts, value)) if value == value else 0

    def up_to(self, value: Any) -> int:
        """Rows with a smaller value, or this one."""
        return self.first(bisect_right(self.cuts, value)) if value == value else 0

    def above(self, value: Any) -> int:
        """Rows with a greater value."""
        return self.ordered ^ self.up_to(value) if value == value else 0

    def from_on(self, value: Any) -> int:
        """Rows with a greater value, or this one."""
        return self.ordered ^ self.below(value) if value == value else 0

    def at(self, value: Any) -> int:
        """Rows with this value."""
        return self.below(value) ^ self.up_to(value)

    def not_at(self, value: Any) -> int:
        """Rows with another value, or NaN."""
        return self.present ^ self.at(value)


COMPARISONS: Final[dict[str, Callable[[Sorted, Any], int]]] = {
    "less": Sorted.below,
    "less_equals": Sorted.up_to,
    "greater": Sorted.above,
    "greater_equals": Sorted.from_on,
    "equals": Sorted.at,
    "not_equals": Sorted.not_at,
}

"""Numbers, moments and durations of rows in their order, so that a comparison with any value is a search."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

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
        if self._step == 1:
            return self._kept[count]
        at, rest = divmod(count, self._step)
        return self._kept[at] | self._between(count - rest, count) if rest else self._kept[at]

    def looked_up(self, name: str) -> Callable[[Any], int]:
        """One of COMPARISONS, for values that are not NaN, in as few steps as can be."""
        if self._step > 1 or name not in _FINDS:
            compare = COMPARISONS[name]
            return lambda value: compare(self, value, None)
        (find, falling), cuts, kept, ordered = _FINDS[name], self.cuts, self._kept, self.ordered
        if falling:
            return lambda value: ordered ^ kept[find(cuts, value)]
        return lambda value: kept[find(cuts, value)]


# What becomes of a value before it is compared, rising with it; None: the value itself.
Key: TypeAlias = Callable[[Any], Any] | None


def _below(order: Sorted, value: Any, key: Key) -> int:
    return order.first(bisect_left(order.cuts, value, key=key))


def _up_to(order: Sorted, value: Any, key: Key) -> int:
    return order.first(bisect_right(order.cuts, value, key=key))


def _above(order: Sorted, value: Any, key: Key) -> int:
    return order.ordered ^ order.first(bisect_right(order.cuts, value, key=key))


def _from_on(order: Sorted, value: Any, key: Key) -> int:
    return order.ordered ^ order.first(bisect_left(order.cuts, value, key=key))


def _at(order: Sorted, value: Any, key: Key) -> int:
    return _below(order, value, key) ^ _up_to(order, value, key)


def _not_at(order: Sorted, value: Any, key: Key) -> int:
    return order.present ^ _at(order, value, key)


# The rows whose values compare so with a value that is not NaN.
COMPARISONS: Final[dict[str, Callable[[Sorted, Any, Key], int]]] = {
    "less": _below,
    "less_equals": _up_to,
    "greater": _above,
    "greater_equals": _from_on,
    "equals": _at,
    "not_equals": _not_at,
}
_FINDS: Final[dict[str, tuple[Callable[[Sequence[Any], Any], int], bool]]] = {
    "less": (bisect_left, False),
    "less_equals": (bisect_right, False),
    "greater": (bisect_right, True),
    "greater_equals": (bisect_left, True),
}


def with_nan(order: Sorted, name: str) -> int:
    """The rows whose values compare so with NaN."""
    return order.present if name == "not_equals" else 0

"""Comparisons of what becomes of an item's number in a few steps, like `now - item.launched < duration("720h")`.

Each step goes one way: of a greater number it makes a greater one, or the same, or of each a smaller one. So the rows
are in the order of what they become, and a search finds where it passes the bound. Rounding does not change that.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from operator import neg
from typing import Any, Final, NamedTuple, TypeAlias

from maitred_server.playbook.rules import times
from maitred_server.playbook.rules.closures import Evaluate, Frame, closure
from maitred_server.playbook.rules.logic import asks_items, asks_items_alone
from maitred_server.playbook.rules.sorting import COMPARISONS, Sorted, with_nan
from maitred_server.playbook.rules.tree import FLIPPED, Call, Node

_BOUNDS: Final = {
    "int": (-(2**63), 2**63 - 1),
    "timestamp": (times.FIRST, times.LAST),
    "duration": (-(2**63), 2**63 - 1),
}

_GREATEST: Final = 1.7e308

Key: TypeAlias = Callable[[Any], Any]
# Of the other side's value: what becomes of a number, and whether a greater one becomes greater.
Form: TypeAlias = Callable[[Any], tuple[Key, bool]]


class Unsteady(Exception):
    """With these values the steps do not go one way, or some of them fail."""


def _times(by: Any) -> tuple[Key, bool]:
    if by == 0:
        raise Unsteady
    return lambda value: value * by, by > 0


def _divided(by: Any) -> tuple[Key, bool]:
    if by == 0:
        raise Unsteady
    return lambda value: value / by, by > 0


# By the word of the operation: when the item is on the left, and when it is on the right.
_FORMS: Final[dict[str, tuple[Form | None, Form | None]]] = {
    "add": (lambda by: (lambda value: value + by, True), lambda by: (lambda value: by + value, True)),
    "subtract": (lambda by: (lambda value: value - by, True), lambda by: (lambda value: by - value, False)),
    "multiply": (_times, _times),
    "divide": (_divided, None),
}


class Step(NamedTuple):
    """One operation. `other`: its other side."""

    other: Evaluate
    form: Form
    type: str


def chain(node: Node) -> tuple[Node, list[Step]] | None:
    """What asks the item alone, and the steps from there to the node. None when it is more than such steps."""
    if asks_items_alone(node):
        return node, []
    if not isinstance(node, Call) or len(node.args) != 2:
        return None
    left, right = node.args
    on_left, on_right = _FORMS.get(node.overload.partition("_")[0], (None, None))
    inner, other, form = (right, left, on_right) if asks_items(right) else (left, right, on_left)
    whole_division = node.overload == "divide_int_int"
    if form is None or whole_division or asks_items(other) or node.type not in (*_BOUNDS, "double"):
        return None
    below = chain(inner)
    return None if below is None else (below[0], [*below[1], Step(closure(other), form, node.type)])


class Chained:
    """The numbers of rows in order, and the steps that they go through."""

    def __init__(self, order: Sorted, steps: list[Step]) -> None:
        self.order = order
        self._steps = steps

    def compare(self, name: str, value: Any, frame: Frame) -> int:
        """The rows that compare so with a value. Raises Failure, and Unsteady."""
        keys, rising = self._keys(frame)
        if value != value:
            return with_nan(self.order, name)
        if rising:
            return COMPARISONS[name](self.order, value, _composed(keys))
        return COMPARISONS[FLIPPED.get(name, name)](self.order, -value, _composed([*keys, neg]))

    def _keys(self, frame: Frame) -> tuple[list[Key], bool]:
        keys, rising = [], True
        cuts = self.order.cuts
        ends = (cuts[0], cuts[-1]) if cuts else ()
        for step in self._steps:
            other = step.other(frame)
            if not isfinite(other):
                raise Unsteady
            key, same_way = step.form(other)
            keys.append(key)
            rising = rising is same_way
            ends = tuple(key(end) for end in ends)
            least, most = _BOUNDS.get(step.type, (-_GREATEST, _GREATEST))
            if not all(least <= end <= most for end in ends):
                raise Unsteady
        return keys, rising


def _composed(keys: list[Key]) -> Key:
    if len(keys) == 1:
        return keys[0]

    def composed(number: Any) -> Any:
        for key in keys:
            number = key(number)
        return number

    return composed

"""Atoms that ask both the item and the subject, prepared for some rows: a decision looks up, it compares nothing."""

from __future__ import annotations

from typing import Final, Protocol, TypeAlias

import numpy as np

from maitred_server.playbook.rules.bits import by_element, by_value, pack, unfolded, union
from maitred_server.playbook.rules.closures import Evaluate, Frame, closure
from maitred_server.playbook.rules.columns import Coded
from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.logic import asks_items, asks_items_alone
from maitred_server.playbook.rules.rows import Rows
from maitred_server.playbook.rules.sorting import COMPARISONS, Sorted
from maitred_server.playbook.rules.tree import FLIPPED, NUMERIC, Call, Local, Macro, Node, comparison

# Rows of which an atom is true, and rows of which it is not an error.
Bits: TypeAlias = tuple[int, int]

MOST_BYTES: Final = 2 << 20  # of an index, about
MOST_STEP: Final = 16  # values between two that have bits of their own
_ERROR: Final[Bits] = (0, 0)


class Index(Protocol):
    """An atom, prepared."""

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        ...


def index(atom: Node, rows: Rows) -> Index:
    """The atom as the quickest index that fits."""
    found: Index | None = None
    if isinstance(atom, Call) and len(atom.args) == 2:
        found = _of_membership(atom, rows) if atom.overload == "in_list" else _of_comparison(atom, rows)
    elif isinstance(atom, Macro) and atom.kind == "exists":
        found = _of_meeting(atom, rows)
    return found or Direct(atom, rows)


def _of_membership(atom: Call, rows: Rows) -> Index | None:
    value, values = atom.args
    if value.type == "string" and not asks_items(value) and asks_items_alone(values):
        return Holding(closure(value), rows.coded(values), rows.size)
    if value.type == "string" and asks_items_alone(value) and not asks_items(values):
        return Among(closure(values), rows.coded(value), rows.size)
    return None


def _of_comparison(atom: Call, rows: Rows) -> Index | None:
    name, (left, right) = comparison(atom), atom.args
    if not asks_items(left):
        left, right, name = right, left, FLIPPED.get(name, name)
    if not asks_items_alone(left) or asks_items(right):
        return None
    if name in ("equals", "not_equals") and left.type in ("string", "bool"):
        return Equal(closure(right), rows.coded(left), rows.size, name == "equals")
    if left.type in NUMERIC and name in COMPARISONS:
        return _of_order(closure(right), rows.coded(left), rows.size, name)
    return None


def _of_order(value: Evaluate, coded: Coded, size: int, name: str) -> Index | None:
    """None when it would take too much room."""
    step = max(1, -(-len(coded.values) * size // (8 * MOST_BYTES + 1)))
    return Compared(value, Sorted(coded, size, step), name) if step <= MOST_STEP else None


def _of_meeting(atom: Macro, rows: Rows) -> Index | None:
    """`LIST.exists(x, x in OTHER)`, of which one is the item's."""
    over, test = atom.over, atom.test
    if not (isinstance(test, Call) and test.overload == "in_list" and test.args[0] == Local(atom.slot, "string")):
        return None
    other = test.args[1]
    if not asks_items(over) and asks_items_alone(other):
        return Meeting(closure(over), rows.coded(other), rows.size, items_first=False)
    if asks_items_alone(over) and not asks_items(other):
        return Meeting(closure(other), rows.coded(over), rows.size, items_first=True)
    return None


class Direct:
    """No index: the columns are gone through at each decision."""

    def __init__(self, atom: Node, rows: Rows) -> None:
        self._atom = atom
        self._rows = rows

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        truth = self._rows.truth(self._atom, frame)
        true = pack(truth.true)
        return true, true | pack(truth.false)


class Equal:
    """An item's text or flag against the subject's."""

    def __init__(self, value: Evaluate, coded: Coded, size: int, wanted: bool) -> None:
        self._value = value
        self._wanted = wanted
        self._present = pack(coded.codes >= 0)
        self._entries = by_value(coded, size)

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            equal = unfolded(self._entries.get(self._value(frame), 0))
        except Failure:
            return _ERROR
        return equal if self._wanted else self._present ^ equal, self._present


class Among:
    """Whether an item's text is in a list of the subject's."""

    def __init__(self, values: Evaluate, coded: Coded, size: int) -> None:
        self._values = values
        self._present = pack(coded.codes >= 0)
        self._entries = by_value(coded, size)

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            return union(self._entries, self._values(frame)), self._present
        except Failure:
            return _ERROR


class Holding:
    """Whether an item's list holds a text of the subject's."""

    def __init__(self, value: Evaluate, coded: Coded, size: int) -> None:
        self._value = value
        self._present = pack(coded.codes >= 0)
        self._entries = by_element(coded, size)

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            return unfolded(self._entries.get(self._value(frame), 0)), self._present
        except Failure:
            return _ERROR


class Compared:
    """An item's number, moment or duration against the subject's."""

    def __init__(self, value: Evaluate, order: Sorted, name: str) -> None:
        self._value = value
        self._order = order
        self._compare = COMPARISONS[name]

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            return self._compare(self._order, self._value(frame)), self._order.present
        except Failure:
            return _ERROR


class Meeting:
    """Whether an item's list and one of the subject's have something in common.

    `items_first`: the item's is gone through, and looked up in the subject's. An empty list that is gone through has
    nothing in common with the other, even when that is absent.
    """

    def __init__(self, values: Evaluate, coded: Coded, size: int, items_first: bool) -> None:
        self._values = values
        self._items_first = items_first
        self._present = pack(coded.codes >= 0)
        self._all = (1 << size) - 1
        self._empty = pack(np.isin(coded.codes, [number for number, value in enumerate(coded.values) if not value]))
        self._entries = by_element(coded, size)

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            values = self._values(frame)
        except Failure:
            return 0, self._empty if self._items_first else 0
        if self._items_first or values:
            return union(self._entries, values), self._present
        return 0, self._all

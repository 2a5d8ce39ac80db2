"""Atoms that ask both the item and the subject, prepared for some rows: a decision looks up, it compares nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_, or_
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np

from maitred_server.playbook.rules.bits import Kept, by_element, by_value, pack, unfolded, union
from maitred_server.playbook.rules.chains import Chained, Unsteady, chain
from maitred_server.playbook.rules.closures import Evaluate, Frame, closure, frame, slots
from maitred_server.playbook.rules.columns import Bools, Coded
from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.logic import All, Formula, Literal, asks_items, asks_items_alone
from maitred_server.playbook.rules.rows import Rows
from maitred_server.playbook.rules.sorting import COMPARISONS, Sorted, with_nan
from maitred_server.playbook.rules.tree import FLIPPED, NUMERIC, Call, Local, Macro, Node, comparison
from maitred_server.playbook.rules.vectors import NotNumeric, Step, vector

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
    return found or Numbers.of(atom, rows)


def of_items(of: Formula, rows: Rows) -> int:
    """The rows of which a formula holds that asks items alone."""
    if isinstance(of, Literal):
        true, known = _once(of.atom, rows).bits(frame({}, {}, {}, 0, slots(of.atom)))
        return true if of.wanted else true ^ known
    parts = [of_items(part, rows) for part in of.parts]
    if isinstance(of, All):
        return reduce(and_, parts, (1 << rows.size) - 1)
    return reduce(or_, parts, 0)


def _once(atom: Node, rows: Rows) -> Index:
    """For an atom that is asked once: numbers are not put in order for that."""
    numbers = isinstance(atom, Call) and atom.args[0].type in NUMERIC
    return Numbers.of(atom, rows) if numbers else index(atom, rows)


def _of_membership(atom: Call, rows: Rows) -> Index | None:
    value, values = atom.args
    if value.type == "string" and not asks_items(value) and asks_items_alone(values):
        return Holding(closure(value), Lists.of(values, rows))
    if value.type == "string" and asks_items_alone(value) and not asks_items(values):
        return Among(closure(values), Values.of(value, rows))
    return None


def _of_comparison(atom: Call, rows: Rows) -> Index | None:
    name, (left, right) = comparison(atom), atom.args
    if not asks_items(left):
        left, right, name = right, left, FLIPPED.get(name, name)
    if asks_items(right):
        return None
    if name in ("equals", "not_equals") and left.type in ("string", "bool") and asks_items_alone(left):
        return Equal(closure(right), Values.of(left, rows), name == "equals")
    if left.type in NUMERIC and name in COMPARISONS:
        return _of_order(atom, left, right, rows, name)
    return None


def _of_order(atom: Node, left: Node, right: Node, rows: Rows, name: str) -> Index | None:
    """None when it would take too much room, or when the item's number goes other ways than `chains` knows."""
    found = chain(left)
    if found is None:
        return None
    of_item, steps = found
    coded = rows.coded(of_item)
    step = max(1, -(-len(coded.values) * rows.size // (8 * MOST_BYTES + 1)))
    if step > MOST_STEP:
        return None
    order = rows.once(b"sorted", of_item, lambda: Sorted(coded, rows.size, step))
    if steps:
        return Becoming(Chained(order, steps), closure(right), name, atom, rows)
    return Compared(right, order, name)


def _of_meeting(atom: Macro, rows: Rows) -> Index | None:
    """`LIST.exists(x, x in OTHER)`, of which one is the item's."""
    over, test = atom.over, atom.test
    if not (isinstance(test, Call) and test.overload == "in_list" and test.args[0] == Local(atom.slot, "string")):
        return None
    other = test.args[1]
    if not asks_items(over) and asks_items_alone(other):
        return Meeting(closure(over), Lists.of(other, rows), items_first=False)
    if asks_items_alone(over) and not asks_items(other):
        return Meeting(closure(other), Lists.of(over, rows), items_first=True)
    return None


class Values(NamedTuple):
    """The rows of each value of an item's text or flag, and of those that have one."""

    entries: Mapping[Any, Kept]
    present: int

    @classmethod
    def of(cls, node: Node, rows: Rows) -> Values:
        """Made once for a node."""
        coded = rows.coded(node)
        return rows.once(b"values", node, lambda: cls(by_value(coded, rows.size), pack(coded.codes >= 0)))


class Lists(NamedTuple):
    """The rows of each text that an item's list may hold, of those that have a list, of those with an empty one."""

    entries: Mapping[Any, Kept]
    present: int
    empty: int
    all: int

    @classmethod
    def of(cls, node: Node, rows: Rows) -> Lists:
        """Made once for a node."""
        return rows.once(b"lists", node, lambda: cls._made(rows.coded(node), rows.size))

    @classmethod
    def _made(cls, coded: Coded, size: int) -> Lists:
        empty = np.isin(coded.codes, [number for number, value in enumerate(coded.values) if not value])
        return cls(by_element(coded, size), pack(coded.codes >= 0), pack(empty), (1 << size) - 1)


class Direct:
    """No index: distinct values of items are gone through at each decision."""

    def __init__(self, atom: Node, rows: Rows) -> None:
        self._truth = rows.atom(atom)

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        truth = self._truth(frame)
        true = pack(truth.true)
        return true, true | pack(truth.false)


class Numbers:
    """No index: columns of numbers are gone through at each decision."""

    def __init__(self, step: Step, present: Bools, otherwise: Direct) -> None:
        self._step = step
        self._present = pack(present)
        self._otherwise = otherwise

    @classmethod
    def of(cls, atom: Node, rows: Rows) -> Index:
        """Direct, when the atom is not one of numbers."""
        direct = Direct(atom, rows)
        try:
            step, present = vector(atom, rows)
        except NotNumeric:
            return direct
        return cls(step, present, direct)

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        failed: list[Bools] = []
        try:
            with np.errstate(all="ignore"):
                true = self._step(frame, failed).values
        except NotNumeric:
            return self._otherwise.bits(frame)
        except Failure:
            return _ERROR
        known = self._present
        for rows in failed:
            known ^= known & pack(rows)
        return pack(true) & known, known


class Equal:
    """An item's text or flag against the subject's."""

    def __init__(self, value: Evaluate, values: Values, wanted: bool) -> None:
        self._value = value
        self._wanted = wanted
        self._entries, self._present = values

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            equal = unfolded(self._entries.get(self._value(frame), 0))
        except Failure:
            return _ERROR
        return equal if self._wanted else self._present ^ equal, self._present


class Among:
    """Whether an item's text is in a list of the subject's."""

    def __init__(self, listed: Evaluate, values: Values) -> None:
        self._listed = listed
        self._entries, self._present = values

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            return union(self._entries, self._listed(frame)), self._present
        except Failure:
            return _ERROR


class Holding:
    """Whether an item's list holds a text of the subject's."""

    def __init__(self, value: Evaluate, lists: Lists) -> None:
        self._value = value
        self._entries, self._present = lists.entries, lists.present

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            return unfolded(self._entries.get(self._value(frame), 0)), self._present
        except Failure:
            return _ERROR


class Compared:
    """An item's number, moment or duration against the subject's."""

    def __init__(self, value: Node, order: Sorted, name: str) -> None:
        self.value = value
        self._value = closure(value)
        self._order = order
        self._present = order.present
        self._nan = with_nan(order, name), order.present
        self._compare = COMPARISONS[name]
        self._name = name

    def looked_up(self) -> Callable[[Any], int]:
        """The rows of which it is true, by the subject's value: in few steps, for there may be many of these."""
        nan, find = self._nan[0], self._order.looked_up(self._name)
        return lambda value: find(value) if value == value else nan

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            value = self._value(frame)
        except Failure:
            return _ERROR
        return (self._compare(self._order, value, None), self._present) if value == value else self._nan


class Becoming:
    """What becomes of an item's number, together with the subject's, against another of the subject's."""

    def __init__(self, chained: Chained, value: Evaluate, name: str, atom: Node, rows: Rows) -> None:
        self._chained = chained
        self._value = value
        self._name = name
        self._present = chained.order.present
        self._otherwise = Numbers.of(atom, rows)

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            return self._chained.compare(self._name, self._value(frame), frame), self._present
        except Unsteady:
            return self._otherwise.bits(frame)
        except Failure:
            return _ERROR


class Meeting:
    """Whether an item's list and one of the subject's have something in common.

    `items_first`: the item's is gone through, and looked up in the subject's. An empty list that is gone through has
    nothing in common with the other, even when that is absent.
    """

    def __init__(self, listed: Evaluate, lists: Lists, items_first: bool) -> None:
        self._listed = listed
        self._lists = lists
        self._items_first = items_first

    def bits(self, frame: Frame) -> Bits:
        """What it says to the rows."""
        try:
            values = self._listed(frame)
        except Failure:
            return 0, self._lists.empty if self._items_first else 0
        if self._items_first or values:
            return union(self._lists.entries, values), self._lists.present
        return 0, self._lists.all

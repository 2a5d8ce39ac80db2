"""What atoms that ask items say to each of some rows: over columns of numbers, or once for each distinct value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from maitred_server.playbook.rules.closures import LOCALS, Evaluate, Frame, closure, frame, slots
from maitred_server.playbook.rules.columns import Bools, Coded, Codes, ItemColumns, Numeric
from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.logic import All, Formula, Literal, asks_items, asks_items_alone
from maitred_server.playbook.rules.times import MILLISECOND
from maitred_server.playbook.rules.tree import Const, Field, Given, Has, Node, key, with_children
from maitred_server.playbook.rules.vectors import NotNumeric, is_operation, vector

ERROR: Final = Failure("the value of an item's attributes is an error")
Made = TypeVar("Made")


class Truth(NamedTuple):
    """bool[m] each: the rows of which an atom is true, and those of which it is false. Of others it is an error."""

    true: Bools
    false: Bools


# An atom, prepared for some rows.
Atom: TypeAlias = Callable[[Frame], Truth]


class Rows:
    """Some rows, each an item. What depends on items alone is worked out once and kept. For any thread."""

    def __init__(self, columns: ItemColumns, item_index: Codes, kept: dict[bytes, Any] | None = None) -> None:
        self.columns = columns
        self.item_index = item_index
        self.size = len(item_index)
        self._kept: dict[bytes, Any] = kept or {}

    def with_columns(self, columns: ItemColumns, changed: str) -> Rows:
        """The same rows after one attribute changed."""
        kept = {name: one for name, one in self._kept.items() if changed.encode() not in name}
        return Rows(columns, self.item_index, kept)

    def once(self, word: bytes, node: Node, make: Callable[[], Made]) -> Made:
        """What is made of a node, the first time it is asked for."""
        name = word + key(node)
        found: Made | None = self._kept.get(name)
        if found is None:
            found = self._kept[name] = make()
        return found

    def holds(self, of: Formula, frame: Frame) -> Bools:
        """bool[m]: the rows of which a formula holds."""
        if isinstance(of, Literal):
            truth = self.atom(of.atom)(frame)
            return truth.true if of.wanted else truth.false
        whole = isinstance(of, All)
        found: Bools = np.full(self.size, whole)
        for part in of.parts:
            found = found & self.holds(part, frame) if whole else found | self.holds(part, frame)
        return found

    def atom(self, atom: Node) -> Atom:
        """What an atom says to each row."""
        if not asks_items(atom):
            return self._alike(atom)
        by_value = self._by_value(atom)
        try:
            step, present = vector(atom, self)
        except NotNumeric:
            return by_value

        def truth(frame: Frame) -> Truth:
            failed: list[Bools] = []
            try:
                with np.errstate(all="ignore"):
                    values = step(frame, failed).values
            except NotNumeric:
                return by_value(frame)
            except Failure:
                return self._nowhere()
            known = present
            for rows in failed:
                known = known & ~rows
            return Truth(values & known, ~values & known)

        return truth

    def _nowhere(self) -> Truth:
        return Truth(np.zeros(self.size, np.bool_), np.zeros(self.size, np.bool_))

    def _alike(self, atom: Node) -> Atom:
        evaluate = closure(atom)

        def truth(frame: Frame) -> Truth:
            value = _value(evaluate, frame)
            return (
                self._nowhere()
                if value is ERROR
                else Truth(*(np.full(self.size, value is one) for one in (True, False)))
            )

        return truth

    def _by_value(self, atom: Node) -> Atom:
        distinct = self._distinct(atom)

        def truth(frame: Frame) -> Truth:
            codes, found = distinct(frame)
            return Truth(*(np.array([one is flag for one in found], np.bool_)[codes] for flag in (True, False)))

        return truth

    def numeric(self, field: Field) -> Numeric:
        """A number of each row; moments in milliseconds."""
        values, present = self.columns.numeric(field.name, field.type)
        return Numeric(values[self.item_index], present[self.item_index])

    def coded(self, node: Node) -> Coded:
        """A node that asks the item alone: the rows' distinct values as closures give them; -1 for an error."""
        return self.once(b"coded", node, lambda: self._field(node) if isinstance(node, Field) else self._computed(node))

    def _field(self, field: Field) -> Coded:
        codes, values = self.columns.coded(field.name, field.type)
        used, placed = np.unique(codes[self.item_index], return_inverse=True)
        first = int(len(used) > 0 and used[0] < 0)  # the code of those that have none
        values = [values[code] for code in used[first:].tolist()]
        if field.type == "timestamp":
            values = [value * MILLISECOND for value in values]
        return Coded(placed.astype(np.int32) - first, values)

    def _computed(self, node: Node) -> Coded:
        if node.type == "double" and is_operation(node):
            try:
                return self._computed_numbers(node)
            except NotNumeric:
                pass
        codes, values = self._distinct(node)(frame({}, {}, {}, 0, slots(node)))
        numbers: dict[Any, int] = {}
        distinct: list[Any] = []
        placed = []
        for value in values:
            number = -1 if value is ERROR else numbers.setdefault(_identity(value), len(numbers))
            placed.append(number)
            if number == len(distinct):
                distinct.append(value)
        return Coded(np.array(placed, np.int32)[codes], distinct)

    def _computed_numbers(self, node: Node) -> Coded:
        """As columns. Numbers that differ in a bit are told apart: of a zero the sign tells. Raises NotNumeric."""
        step, present = vector(node, self)
        failed: list[Bools] = []
        with np.errstate(all="ignore"):
            values = step(frame({}, {}, {}, 0, 0), failed).values
        for rows in failed:
            present = present & ~rows
        distinct, codes = np.unique(values[present].view(np.int64), return_inverse=True)
        placed = np.full(self.size, -1, np.int32)
        placed[present] = codes
        return Coded(placed, distinct.view(np.float64).tolist())

    def _distinct(self, node: Node) -> Callable[[Frame], tuple[Codes, list[Any]]]:
        """The node once for each combination of what it takes from items: numbers by row, and the values."""
        parts = _Parts(node)

        def distinct(frame: Frame) -> tuple[Codes, list[Any]]:
            codes, given = self.once(b"given", node, lambda: self._given(parts.taken))
            local = [*frame[:LOCALS], *([None] * (parts.first + len(parts.taken)))]
            values = []
            for values_given in given:
                local[LOCALS + parts.first :] = values_given
                values.append(_value(parts.evaluate, local))
            return codes, values

        return distinct

    def _given(self, taken: Sequence[Node]) -> tuple[Codes, list[list[Any]]]:
        """Distinct combinations of the values of some nodes: numbers by row, and the values."""
        coded = [self._part(part) for part in taken]
        codes, firsts = _combined([one.codes for one in coded], self.size)
        columns = [[ERROR if code < 0 else one.values[code] for code in one.codes[firsts].tolist()] for one in coded]
        return codes, [list(values) for values in zip(*columns, strict=True)]

    def _part(self, node: Node) -> Coded:
        if isinstance(node, Has):
            present = self.columns.coded(node.name, node.of).codes[self.item_index] >= 0
            return Coded(present.astype(np.int32), (False, True))
        return self.coded(node)


def _value(evaluate: Evaluate, frame: Frame) -> Any:
    try:
        return evaluate(frame)
    except Failure:
        return ERROR


class _Parts:
    """A node, with what it takes from items put in from outside."""

    def __init__(self, node: Node) -> None:
        self.first = slots(node)
        self.taken: list[Node] = []
        self._numbers: dict[bytes, int] = {}
        self._whole = node
        self.evaluate = closure(self._replaced(node))

    def _replaced(self, node: Node) -> Node:
        if isinstance(node, Const):
            return node
        leaf = isinstance(node, Field | Has) and node.root == "item"
        if leaf or (node is not self._whole and asks_items_alone(node)):
            return Given(self.first + self._number(node), node.type)
        return with_children(node, self._replaced)

    def _number(self, node: Node) -> int:
        name = key(node)
        if name not in self._numbers:
            self._numbers[name] = len(self.taken)
            self.taken.append(node)
        return self._numbers[name]


def _combined(columns: Sequence[Codes], rows: int) -> tuple[Codes, npt.NDArray[np.int64]]:
    """The rows' distinct combinations of codes: their numbers by row, and the first row of each."""
    numbers = np.zeros(rows, np.int64)
    firsts = np.zeros(min(rows, 1), np.int64)
    for codes in columns:
        width = int(codes.max(initial=-1)) + 2
        _, firsts, numbers = np.unique(numbers * width + codes + 1, return_index=True, return_inverse=True)
    return numbers.astype(np.int32), firsts


def _identity(value: Any) -> Any:
    """What is the same value, down to the sign of a zero."""
    return value if isinstance(value, str | int) else repr(value)

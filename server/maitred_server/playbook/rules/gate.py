"""The rules that guard some candidates: which rows are open is looked up, joined and unpacked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import xor
from typing import Any, Final, NamedTuple, TypeAlias

from maitred_server.playbook.rules.answers import Answers
from maitred_server.playbook.rules.bits import bits_of
from maitred_server.playbook.rules.closures import Evaluate, Frame, closure
from maitred_server.playbook.rules.columns import PRICE, Bools, Codes, ItemColumns
from maitred_server.playbook.rules.errors import Failure, RuleFailure
from maitred_server.playbook.rules.indexes import Bits, Compared, Index, index, of_items
from maitred_server.playbook.rules.logic import Formula, Literal, as_node
from maitred_server.playbook.rules.rows import Rows
from maitred_server.playbook.rules.rule import Rule
from maitred_server.playbook.rules.split import Joined, OfBoth, OfItems, OfSubject, Split, atoms
from maitred_server.playbook.rules.tree import Node, key

try:
    from maitred_server.compiled.filters import Guards
except ImportError:  # nothing was compiled here
    from maitred_server.playbook.rules.guards import Guards  # type: ignore[assignment]


class Asked:
    """One decision's answers so far."""

    def __init__(self, failing: int, frame: Frame, indexes: Sequence[Index]) -> None:
        self.failing = failing
        self.frame = frame
        self._indexes = indexes
        self._known: dict[int, Bits] = {}

    def bits(self, number: int) -> Bits:
        """What an index says, once."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = self._indexes[number].bits(self.frame)
        return found


MOST_VALUES: Final = 256  # that are remembered of what items are compared with

# The rows of which a part of a rule holds, as bits.
Part: TypeAlias = Callable[[Asked], int]


class OfValue:
    """All that compares items with one value of the subject. Filled before it is asked."""

    def __init__(self, evaluate: Evaluate) -> None:
        self.compared: list[tuple[int, Callable[[Any], int]]] = []  # rows that are guarded, and those that hold
        self._evaluate = evaluate
        self._kept: dict[Any, int] = {}  # by value: an age is that of many

    def closed(self, frame: Frame) -> int:
        """The rows of which one does not hold."""
        try:
            value = self._evaluate(frame)
        except Failure:
            return self._closed(lambda look_up: 0)
        closed = self._kept.get(value)
        if closed is None:
            if len(self._kept) >= MOST_VALUES:
                self._kept.clear()
            closed = self._kept[value] = self._closed(lambda look_up: look_up(value))
        return closed

    def _closed(self, holds: Callable[[Callable[[Any], int]], int]) -> int:
        closed = 0
        for guarded, look_up in self.compared:
            closed |= guarded & ~holds(look_up)
        return closed


class Guarded(NamedTuple):
    """What guards rows. `guards`: the number of a rule and int32[], the rows that need it to match.

    `splits`: of each rule; one object for rules that are alike. `names`: of segments as bits.
    """

    rules: Sequence[Rule]
    splits: Sequence[Split]
    guards: Sequence[tuple[int, Codes]]
    names: Callable[[int], tuple[str, ...]]


class Gate:
    """Which rows are open. Immutable; for any thread."""

    def __init__(self, guarded: Guarded, rows: Rows, known: dict[bytes, Any]) -> None:
        """Use `Program.gate`. `known`: what another gate of these rows has worked out, and is still so."""
        self._guarded = guarded
        self._rows = rows
        self._all = (1 << rows.size) - 1
        self._known = known
        self._indexes: list[Index] = []
        self._numbers: dict[bytes, int] = {}
        self._closed = 0
        self._of_subject: dict[int, int] = {}
        self._of_both: list[tuple[int, Part]] = []
        self._of_values: dict[bytes, OfValue] = {}
        by_split = list(self._by_split())
        self._uses = Counter(key(atom) for split, _ in by_split for atom in atoms(split))
        for split, bits in by_split:
            self._add(split, bits)
        self._guards = Guards(self._of_subject, rows.size, self._all ^ self._closed)

    def with_columns(self, columns: ItemColumns) -> Gate:
        """The same gate after prices changed (`ItemColumns.with_price`)."""
        known = {name: one for name, one in self._known.items() if PRICE.encode() not in name}
        return Gate(self._guarded, self._rows.with_columns(columns, PRICE), known)

    def open(self, answers: Answers) -> Bools | None:
        """bool[m]: the rows whose rules all match; None: all rows."""
        closed = 0
        for of_value in self._of_values.values():
            closed |= of_value.closed(answers.frame)
        if self._of_both:
            closed |= self._closed_by_both(answers, closed)
        return self._guards.open(answers.failing, closed)

    def _closed_by_both(self, answers: Answers, closed: int) -> int:
        left = self._guards.bits(answers.failing)
        left ^= left & closed
        whole, asked = left, Asked(answers.failing, answers.frame, self._indexes)
        for guarded, part in self._of_both:
            guarded &= left
            if guarded:
                left ^= guarded ^ (guarded & part(asked))
        return whole ^ left

    def verdicts(self, answers: Answers, row: int) -> list[tuple[int, bool | RuleFailure]]:
        """What each rule that guards a row says to it, by the rule's number. For explanations: it takes its time."""
        subject = {**answers.subject, "segments": self._guarded.names(answers.segments)}
        found = []
        for number in sorted({number for number, rows in self._guarded.guards if (rows == row).any()}):
            rule = self._guarded.rules[number]
            item = self._rows.columns.row(int(self._rows.item_index[row]), rule.item_types)
            found.append((number, rule.result(subject, answers.context, answers.now, item)))
        return found

    def _by_split(self) -> Iterable[tuple[Split, int]]:
        """Each distinct rule with the rows that it guards."""
        found: dict[int, tuple[Split, int]] = {}
        for number, rows in self._guarded.guards:
            split = self._guarded.splits[number]
            _, before = found.get(id(split), (split, 0))
            found[id(split)] = split, before | bits_of(rows.tolist(), self._rows.size)
        return found.values()

    def _add(self, split: Split, guarded: int) -> None:
        if isinstance(split, OfSubject):
            self._of_subject[split.number] = self._of_subject.get(split.number, 0) | guarded
        elif isinstance(split, OfItems):
            self._closed |= guarded ^ (guarded & self._of_items(split.of))
        elif isinstance(split, Joined) and split.every:
            for part in split.parts:
                self._add(part, guarded)
        elif isinstance(split, OfBoth) and isinstance(found := self._index(split.literal), Compared):
            name = key(found.value)
            if name not in self._of_values:
                self._of_values[name] = OfValue(closure(found.value))
            self._of_values[name].compared.append((guarded, found.looked_up()))
        elif isinstance(split, Joined) and any(isinstance(part, OfItems) for part in split.parts):
            self._add_other(split, guarded)
        else:
            self._of_both.append((guarded, self._part(split)))

    def _add_other(self, split: Joined, guarded: int) -> None:
        """Of alternatives those that ask items alone are settled: the others need only guard the rows they leave."""
        others = []
        for part in split.parts:
            if isinstance(part, OfItems):
                guarded ^= guarded & self._of_items(part.of)
            else:
                others.append(part)
        if not others:
            self._closed |= guarded
        elif guarded:
            self._add(others[0] if len(others) == 1 else Joined(False, tuple(others)), guarded)

    def _part(self, split: Split) -> Part:
        if isinstance(split, OfSubject):
            bit, whole = 1 << split.number, self._all
            return lambda asked: 0 if asked.failing & bit else whole
        if isinstance(split, OfItems):
            bits = self._of_items(split.of)
            return lambda asked: bits
        if isinstance(split, OfBoth):
            return self._literal(split.literal)
        parts = [self._part(part) for part in split.parts]
        return _every(parts) if split.every else _some(parts)

    def _literal(self, literal: Literal) -> Part:
        number = self._number(literal.atom)
        if self._uses[key(literal.atom)] > 1:
            return _kept_literal(number, literal.wanted)
        return _literal_alone(self._indexes[number].bits, literal.wanted)

    def _index(self, literal: Literal) -> Index | None:
        """Of an atom that has to be true."""
        return self._indexes[self._number(literal.atom)] if literal.wanted else None

    def _number(self, atom: Node) -> int:
        name = key(atom)
        if name not in self._numbers:
            self._numbers[name] = len(self._indexes)
            if name not in self._known:
                self._known[name] = index(atom, self._rows)
            self._indexes.append(self._known[name])
        return self._numbers[name]

    def _of_items(self, of: Formula) -> int:
        name = b"items" + key(as_node(of))
        if name not in self._known:
            self._known[name] = of_items(of, self._rows)
        bits: int = self._known[name]
        return bits


def _kept_literal(number: int, wanted: bool) -> Part:
    """An atom that several rules ask."""
    if wanted:
        return lambda asked: asked.bits(number)[0]
    return lambda asked: xor(*asked.bits(number))


def _literal_alone(bits: Callable[[Frame], Bits], wanted: bool) -> Part:
    """An atom that one rule asks."""
    if wanted:
        return lambda asked: bits(asked.frame)[0]
    return lambda asked: xor(*bits(asked.frame))


def _every(parts: Sequence[Part]) -> Part:
    first, *rest = parts

    def every(asked: Asked) -> int:
        bits = first(asked)
        for part in rest:
            if not bits:
                return 0
            bits &= part(asked)
        return bits

    return every


def _some(parts: Sequence[Part]) -> Part:
    def some(asked: Asked) -> int:
        bits = 0
        for part in parts:
            bits |= part(asked)
        return bits

    return some

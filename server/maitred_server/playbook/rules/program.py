"""All rules and segments of a playbook as one: what repeats runs once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from maitred_server.playbook.rules.answers import Answers
from maitred_server.playbook.rules.closures import Frame
from maitred_server.playbook.rules.columns import Codes, ItemColumns
from maitred_server.playbook.rules.errors import RuleError
from maitred_server.playbook.rules.gate import Gate, Guarded
from maitred_server.playbook.rules.logic import NEVER, Formula, as_node, formula
from maitred_server.playbook.rules.matcher import Matcher
from maitred_server.playbook.rules.named import Named
from maitred_server.playbook.rules.rows import Rows
from maitred_server.playbook.rules.rule import Rule, takes_names
from maitred_server.playbook.rules.split import Split, atoms, split
from maitred_server.playbook.rules.times import MILLISECOND
from maitred_server.playbook.rules.tree import key

_NO_ITEM: Final[Mapping[str, Any]] = {}


class Program:
    """Immutable; for any thread."""

    def __init__(self, segments: Mapping[str, Rule], rules: Sequence[Rule]) -> None:
        """Use `of`."""
        self.segment_names = tuple(segments)
        self.names = Named(self.segment_names).of  # of segments as bits, in the order of `segment_names`
        self.rules = tuple(rules)
        self._every = (1 << len(segments)) - 1
        self._bits = {name: 1 << at for at, name in enumerate(self.segment_names)}
        everything = [*segments.values(), *rules]
        self._locals = [None] * max((rule.slots for rule in everything), default=0)
        self._levels = [self._level(segments, names) for names in levels(segments)]
        self._formulas: dict[bytes, int] = {}
        self._listed: list[Formula] = []
        distinct: dict[bytes, Split] = {}
        self.splits = [self._split(rule, distinct) for rule in self.rules]
        self._matcher = Matcher(self._listed, self.segment_names)
        of_both = (takes_names(atom) for one in distinct.values() for atom in atoms(one))
        self._takes_names = any(matcher.takes_names for matcher in (*self._levels, self._matcher)) or any(of_both)

    @classmethod
    def of(cls, segments: Mapping[str, Rule], rules: Sequence[Rule]) -> Program:
        """Raises RuleError when segments go round in a circle, or one asks for items."""
        return cls(segments, rules)

    def _level(self, segments: Mapping[str, Rule], names: Collection[str]) -> Matcher:
        """Of segments that use none of their own or of later levels; nobody is in the others."""
        found = [formula(rule.tree) if name in names else NEVER for name, rule in segments.items()]
        return Matcher(found, self.segment_names)

    def _split(self, rule: Rule, distinct: dict[bytes, Split]) -> Split:
        name = key(rule.tree)
        if name not in distinct:
            distinct[name] = split(formula(rule.tree), self._number)
        return distinct[name]

    def _number(self, of: Formula) -> int:
        name = key(as_node(of))
        if name not in self._formulas:
            self._formulas[name] = len(self._listed)
            self._listed.append(of)
        return self._formulas[name]

    def segments(
        self, subject: Mapping[str, Any], context: Mapping[str, Any], now: int, only: Collection[str] | None = None
    ) -> int:
        """The segments that the subject is in: bit i is `segment_names[i]`. `only`: of these alone."""
        found = 0
        for matcher in self._levels:
            values = self._frame(subject, context, now, found)
            found |= matcher.failing(subject, context, values, found) ^ self._every
        return found if only is None else found & self.bits(only)

    def bits(self, names: Collection[str]) -> int:
        """Segments as bits; names that are none have none."""
        return sum(self._bits.get(name, 0) for name in set(names))

    def answers(self, subject: Mapping[str, Any], context: Mapping[str, Any], now: int, segment_bits: int) -> Answers:
        """What does not depend on items, once for a decision."""
        values = self._frame(subject, context, now, segment_bits)
        failing = self._matcher.failing(subject, context, values, segment_bits)
        return Answers(subject, context, now, segment_bits, failing, values)

    def _frame(self, subject: Mapping[str, Any], context: Mapping[str, Any], now: int, segments: int) -> Frame:
        if self._takes_names:
            subject = {**subject, "segments": self.names(segments)}
        return [subject, context, _NO_ITEM, now * MILLISECOND, *self._locals]

    def gate(self, guards: Sequence[tuple[int, Codes]], columns: ItemColumns, item_index: Codes) -> Gate:
        """The rules of some candidates. `guards`: the number of a rule and int32[], the rows that need it to match.

        `item_index`: int32[m], the item of each row, a row of `columns`. Takes milliseconds; keep it.
        """
        return Gate(Guarded(self.rules, self.splits, guards, self.names), Rows(columns, item_index), {})


def levels(segments: Mapping[str, Rule]) -> list[tuple[str, ...]]:
    """Names of segments; those of each level use segments of earlier ones alone. Raises RuleError."""
    for name, rule in segments.items():
        if rule.uses.item:
            raise RuleError(f"segment `{name}` asks for items; a segment is of subjects")
    sorter = TopologicalSorter({name: rule.uses.segments & segments.keys() for name, rule in segments.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(f"`{name}`" for name in reversed(error.args[1]))
        raise RuleError(f"segments use each other in a circle: {circle}") from None
    found = []
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        found.append(tuple(sorted(ready)))
    return found

"""All rules and segments of a playbook as one: what repeats runs once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.playbook.rules.columns import Bools, Codes, ItemColumns
from maitred_server.playbook.rules.errors import RuleError, RuleFailure
from maitred_server.playbook.rules.rule import Rule


class Answers(NamedTuple):
    """What a decision's subject, context and moment say to the rules. `subject` has its segments."""

    subject: Mapping[str, Any]
    context: Mapping[str, Any]
    now: int
    passed: npt.NDArray[np.bool_]


class Program:
    """Immutable; for any thread."""

    def __init__(self, segments: Mapping[str, Rule], rules: Sequence[Rule]) -> None:
        """Use `of`."""
        self.segment_names = tuple(segments)
        self.rules = tuple(rules)
        self._order = ordered(segments)
        self._segments = dict(segments)
        self._bits = {name: 1 << at for at, name in enumerate(self.segment_names)}

    @classmethod
    def of(cls, segments: Mapping[str, Rule], rules: Sequence[Rule]) -> Program:
        """Raises RuleError when segments go round in a circle, or one asks for items."""
        return cls(segments, rules)

    def segments(
        self, subject: Mapping[str, Any], context: Mapping[str, Any], now: int, only: Collection[str] | None = None
    ) -> int:
        """The segments that the subject is in: bit i is `segment_names[i]`. `only`: of these alone."""
        bits = 0
        for name in self._order:
            known = {**subject, "segments": self.names(bits)}
            if self._segments[name].matches(known, context, now):
                bits |= self._bits[name]
        return bits if only is None else bits & self.bits(only)

    def bits(self, names: Collection[str]) -> int:
        """Segments as bits; unknown names have none."""
        return sum(self._bits[name] for name in names if name in self._bits)

    def names(self, bits: int) -> tuple[str, ...]:
        """The names of segments as bits, in the order of `segment_names`."""
        return tuple(name for at, name in enumerate(self.segment_names) if bits >> at & 1)

    def answers(self, subject: Mapping[str, Any], context: Mapping[str, Any], now: int, segment_bits: int) -> Answers:
        """What does not depend on items, once for a decision."""
        subject = {**subject, "segments": self.names(segment_bits)}
        passed = [bool(rule.uses.item) or rule.matches(subject, context, now) for rule in self.rules]
        return Answers(subject, context, now, np.array(passed, np.bool_))

    def gate(self, guards: Sequence[tuple[int, Codes]], columns: ItemColumns, item_index: Codes) -> Gate:
        """The rules of some candidates. `guards`: the number of a rule and int32[], the rows that need it to match.

        `item_index`: int32[m], the item of each row, a row of `columns`.
        """
        return Gate(self.rules, guards, columns, item_index)


class Gate:
    """Which rows are open. Immutable; for any thread."""

    def __init__(
        self, rules: Sequence[Rule], guards: Sequence[tuple[int, Codes]], columns: ItemColumns, item_index: Codes
    ) -> None:
        """Use `Program.gate`."""
        self._rules = rules
        self._guards = guards
        self._columns = columns
        self._item_index = item_index

    def with_columns(self, columns: ItemColumns) -> Gate:
        """The same gate after prices changed (`ItemColumns.with_price`)."""
        return Gate(self._rules, self._guards, columns, self._item_index)

    def open(self, answers: Answers) -> Bools | None:
        """bool[m]: the rows whose rules all match; None: all rows."""
        left = np.ones(len(self._item_index), np.bool_)
        for number, rows in self._guards:
            rule = self._rules[number]
            if rule.uses.item:
                mask = rule.mask(answers.subject, answers.context, self._columns, answers.now)
                left[rows] &= mask[self._item_index[rows]]
            else:
                left[rows] &= answers.passed[number]
        return None if left.all() else left

    def verdicts(self, answers: Answers, row: int) -> list[tuple[int, bool | RuleFailure]]:
        """What each rule that guards a row says to it, by the rule's number. For explanations."""
        numbers = sorted({number for number, rows in self._guards if row in rows})
        return [(number, self._verdict(self._rules[number], answers, row)) for number in numbers]

    def _verdict(self, rule: Rule, answers: Answers, row: int) -> bool | RuleFailure:
        item = self._columns.row(int(self._item_index[row]), rule.item_types)
        return rule.result(answers.subject, answers.context, answers.now, item)


def ordered(segments: Mapping[str, Rule]) -> list[str]:
    """Segments after those that they use. Raises RuleError."""
    for name, rule in segments.items():
        if rule.uses.item:
            raise RuleError(f"segment `{name}` asks for items; a segment is of subjects")
    try:
        return list(TopologicalSorter({name: rule.uses.segments for name, rule in segments.items()}).static_order())
    except CycleError as error:
        circle = " -> ".join(f"`{name}`" for name in reversed(error.args[1]))
        raise RuleError(f"segments use each other in a circle: {circle}") from None

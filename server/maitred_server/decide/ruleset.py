"""The rules of one catalogue version: read from their plans, and joined into one program. Made once a version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from maitred_server.decide.overlay import PRICE
from maitred_server.decide.reach import items_in
from maitred_server.decide.timeless import Timeless
from maitred_server.errors import RecordDamaged
from maitred_server.playbook import rules
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Control, Scope
from maitred_server.playbook.control import Rule as Written
from maitred_server.playbook.nouns import Placement
from maitred_server.playbook.rules import Declarations, ItemColumns, Program, Rule
from maitred_server.policy.base import Bools, Positions


class Guard(NamedTuple):
    """A rule that must hold of some of a placement's candidates."""

    written: Written
    number: int  # of the program's rules
    rule: Rule
    rows: Positions  # int32[r], rising

    def is_at(self, channel: str) -> bool:
        """Whether it is asked in a channel."""
        return not self.written.scope.channels or channel in self.written.scope.channels


class Ruleset:
    """Immutable. Rules that are written the same are one."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Raises RecordDamaged when a rule of it cannot be read."""
        control = catalogue.control
        self._catalogue = catalogue
        self._declared = declarations(control)
        self.times = frozenset(_times(self._declared))
        self._reach: dict[tuple[tuple[str, ...], tuple[str, ...]], Bools] = {}
        self._rules: list[Rule] = []
        self._numbers: dict[bytes, int] = {}
        segments = {one.name: self._read(one.name, one.plan, one.expression) for one in control.segments}
        for written in control.rules:
            self._number(written.plan, self._read(written.name, written.plan, written.expression))
        self._scalars = self._conditions(control)
        self.program = Program.of(segments, self._rules) if segments or self._rules else None
        self.timeless = Timeless(control, segments, self.program) if self.program and segments else None
        self.columns = ItemColumns.of(catalogue)
        self.asks_price = any(PRICE in rule.uses.item for rule in self._rules)

    def _conditions(self, control: Control) -> dict[bytes, Rule]:
        """Conditions of pins and weights: those about items are the program's, the others are given back by plan."""
        asked = [(one.name, one.plan, one.expression) for one in control.context_weights]
        asked += [(pin.item, pin.plan, pin.expression) for one in control.slates for pin in one.pins if pin.plan]
        scalars = {}
        for name, plan, expression in asked:
            rule = self._read(name, plan, expression)
            if rule.uses.item:
                self._number(plan, rule)
            else:
                scalars[plan] = rule
        return scalars

    def _read(self, name: str, plan: bytes, expression: str) -> Rule:
        try:
            return Rule.from_plan(plan)
        except (ValueError, msgspec.DecodeError):  # another version of Maitred published it
            pass
        try:
            return rules.compile(expression, self._declared)
        except ValueError as error:
            raise RecordDamaged(f"rule `{name}` cannot be used ({error}); publish the playbook again") from None

    def _number(self, plan: bytes, rule: Rule) -> None:
        if plan not in self._numbers:
            self._numbers[plan] = len(self._rules)
            self._rules.append(rule)

    def number(self, plan: bytes) -> int:
        """The number of a rule in the program."""
        return self._numbers[plan]

    def scalar(self, plan: bytes) -> Rule | None:
        """The rule of a condition that looks at no item; None: it looks at one."""
        return self._scalars.get(plan)

    def items_of(self, placement: Placement) -> Positions:
        """int32[m]: the items of a placement's candidates."""
        return self._catalogue.item_index[placement.candidates]

    def guards(self, placement: Placement) -> list[Guard]:
        """The rules that reach candidates of a placement."""
        items = self.items_of(placement)
        found = []
        for written in self._catalogue.control.rules:
            rows = self._rows(written.scope, placement, items)
            if len(rows):
                number = self._numbers[written.plan]
                found.append(Guard(written, number, self._rules[number], rows))
        return found

    def _rows(self, scope: Scope, placement: Placement, items: Positions) -> Positions:
        if scope.placements and placement.name not in scope.placements:
            return np.zeros(0, np.int32)
        if not scope.items and not scope.groups:
            return np.arange(len(items), dtype=np.int32)
        return np.flatnonzero(self._reached(scope)[items]).astype(np.int32)

    def _reached(self, scope: Scope) -> Bools:
        found = self._reach.get((scope.items, scope.groups))
        if found is None:
            found = items_in(self._catalogue, scope.items, scope.groups)
            self._reach[scope.items, scope.groups] = found
        return found


def declarations(control: Control) -> Declarations:
    """What the rules of a playbook may name. Sensitive traits are declared to none."""
    return Declarations(
        subject={one.name: one.type for one in control.traits if not one.sensitive},
        context={one.name: one.type for one in control.context},
        item=dict(control.item_types),
        segments=tuple(one.name for one in control.segments),
    )


def _times(declared: Declarations) -> Iterator[str]:
    """What is declared as a moment, as `subject.joined`."""
    for root in ("subject", "context", "item"):
        yield from (f"{root}.{name}" for name, kind in declared.of(root).items() if kind == "time")

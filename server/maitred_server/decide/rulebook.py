"""A published playbook's rules and segments, ready to be asked: once a decision, and once a candidate's row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from maitred_server.decide.gates import Gates
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.overlay import PRICE, Overlay
from maitred_server.decide.ruleset import Guard, Ruleset
from maitred_server.decide.view import View
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Layer
from maitred_server.playbook.nouns import Placement
from maitred_server.playbook.rules import Answers, Gate, ItemColumns, Program
from maitred_server.policy.base import Bools, Floats, Positions


class Told(msgspec.Struct, frozen=True, gc=False):
    """What the rules say before any candidate is looked at."""

    segments: tuple[str, ...]
    answers: Answers | None  # None: the playbook has no rules


NOTHING_TOLD = Told((), None)


class Rulebook:
    """The rules of one catalogue version with the live prices of one moment. Immutable."""

    def __init__(
        self, catalogue: Catalogue, overlay: Overlay, before: Rulebook | None = None, rules: Ruleset | None = None
    ) -> None:
        """`before`: of the same catalogue with other live states; what did not change is taken from it.

        `rules`: those of the catalogue; None: they are read. Raises RecordDamaged when they cannot be.
        """
        self.rules: Ruleset = before.rules if before else rules or Ruleset(catalogue)
        self._prices = _live_prices(catalogue, overlay) if self.rules.asks_price else None
        self._columns: ItemColumns = self.rules.columns
        self._of_weights: dict[tuple[bytes, str], Gate]
        if before is not None and _are_equal(before._prices, self._prices):
            self._columns, self._of_weights = before._columns, before._of_weights
            return
        if self._prices is not None:
            self._columns = self._columns.with_price(self._prices)
        self._of_weights = self._made(catalogue) if before is None else self._renewed(before._of_weights)

    def _made(self, catalogue: Catalogue) -> dict[tuple[bytes, str], Gate]:
        """By plan and placement: the weights' conditions that look at items."""
        return {
            (weight.plan, placement.name): self._gate(catalogue, placement, weight.plan)
            for weight in catalogue.control.context_weights
            if self.rules.scalar(weight.plan) is None
            for placement in catalogue.placements.values()
            if not weight.scope.placements or placement.name in weight.scope.placements
        }

    def _gate(self, catalogue: Catalogue, placement: Placement, plan: bytes) -> Gate:
        items = catalogue.item_index[placement.candidates]
        rows = np.arange(len(items), dtype=np.int32)
        return self._program.gate([(self.rules.number(plan), rows)], self._columns, items)

    def _renewed(self, gates: Mapping[tuple[bytes, str], Gate]) -> dict[tuple[bytes, str], Gate]:
        return {key: gate.with_columns(self._columns) for key, gate in gates.items()}

    @property
    def _program(self) -> Program:
        assert self.rules.program is not None, "only asked for rules that there are"
        return self.rules.program

    def ask(self, view: View, now: int) -> Told:
        """Segments and answers for one subject at one moment (ms)."""
        program = self.rules.program
        if program is None:
            return NOTHING_TOLD
        bits = self.rules.timeless.segments(view, now) if self.rules.timeless else 0
        answers = program.answers(view.subject, view.context, now, bits) if program.rules else None
        return Told(program.names(bits), answers)

    def gate(self, placement: Placement) -> Gates | None:
        """The rules that a placement's candidates must meet; None: there are none."""
        guards = self.rules.guards(placement)
        if not guards:
            return None
        items = self.rules.items_of(placement)
        named = {channel for guard in guards for channel in guard.written.scope.channels}
        return Gates(
            tuple(guards),
            self.rules.times,
            self._columns,
            items,
            self._joined([one for one in guards if not one.written.scope.channels], items),
            {
                channel: gate
                for channel in named
                if (gate := self._joined([one for one in guards if one.is_at(channel)], items)) is not None
            },
        )

    def _joined(self, guards: Sequence[Guard], items: Positions) -> Gate | None:
        """One gate; the rows of equal rules together."""
        rows: dict[int, list[Positions]] = {}
        for guard in guards:
            rows.setdefault(guard.number, []).append(guard.rows)
        joined = [(number, np.unique(np.concatenate(some)).astype(np.int32)) for number, some in rows.items()]
        return self._program.gate(joined, self._columns, items) if joined else None

    def gate_of(self, gates: Gates, layer: Layer, channel: str) -> Gate | None:
        """Of one layer's rules alone; None: none is asked there. Made anew each time: for explanations."""
        guards = [one for one in gates.guards if one.written.layer == layer and one.is_at(channel)]
        return self._joined(guards, gates.item_index)

    def renewed(self, gates: Gates | None) -> Gates | None:
        """Those of the rulebook before, with the prices that are in force."""
        return gates if gates is None or gates.columns is self._columns else gates.with_columns(self._columns)

    def holds(self, plan: bytes, moment: Moment) -> bool:
        """Whether a condition that looks at no item holds. An error does not."""
        rule = self.rules.scalar(plan)
        return rule is not None and rule.matches(subject_of(moment), moment.view.context, moment.now)

    def rows(self, plan: bytes, ground: Ground, moment: Moment) -> Bools:
        """bool[m]: the candidates of a placement that the condition of a weight holds of."""
        if self.rules.scalar(plan) is not None:
            return np.full(len(ground.actions), self.holds(plan, moment))
        assert moment.answers is not None, "the condition is one of the program's rules"
        opened = self._of_weights[plan, ground.placement.name].open(moment.answers)
        return np.ones(len(ground.actions), np.bool_) if opened is None else opened


def subject_of(moment: Moment) -> Mapping[str, object]:
    """The subject as rules see it, with its segments."""
    return {**moment.view.subject, "segments": moment.segments}


def _live_prices(catalogue: Catalogue, overlay: Overlay) -> Floats | None:
    """float64[items]; None: as the catalogue says."""
    prices: Floats = overlay.price[catalogue.item_index.searchsorted(np.arange(catalogue.item_count))]
    return None if _are_equal(prices, catalogue.numbers(PRICE)) else prices


def _are_equal(one: Floats | None, other: Floats | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other, equal_nan=True)

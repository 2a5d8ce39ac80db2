"""What arbitration and slots ask of the playbook's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.overlay import Overlay
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.rules import ItemColumns, Rule
from maitred_server.policy.base import Bools


class Conditions(Protocol):
    """Rules by their plans. A rule whose result is an error does not hold."""

    def holds(self, plan: bytes, moment: Moment) -> bool:
        """Whether a rule that looks at no item holds."""

    def rows(self, plan: bytes, ground: Ground, moment: Moment) -> Bools:
        """bool[m]: the candidates of a placement that a rule holds of."""


class PlannedConditions:
    """The rules of a catalogue's context weights and pins."""

    def __init__(self, catalogue: Catalogue, overlay: Overlay) -> None:
        control = catalogue.control
        plans = {
            *(one.plan for one in control.context_weights),
            *(pin.plan for slate in control.slates for pin in slate.pins if pin.plan),
        }
        self._rules: dict[bytes, Rule] = {plan: Rule.from_plan(plan) for plan in plans}
        self._columns = ItemColumns.of(catalogue)
        if any("price" in rule.uses.item for rule in self._rules.values()):
            self._columns = self._columns.with_price(
                overlay.price[np.flatnonzero(np.diff(catalogue.item_index, prepend=-1))]
            )

    def holds(self, plan: bytes, moment: Moment) -> bool:
        """See `Conditions.holds`."""
        return self._rules[plan].matches(_subject(moment), moment.context, moment.now)

    def rows(self, plan: bytes, ground: Ground, moment: Moment) -> Bools:
        """See `Conditions.rows`."""
        rule = self._rules[plan]
        if not rule.uses.item:
            return np.full(len(ground.actions), self.holds(plan, moment))
        mask: Bools = rule.mask(_subject(moment), moment.context, self._columns, moment.now)[ground.item_index]
        return mask


def _subject(moment: Moment) -> Mapping[str, object]:
    return {**moment.view.subject, "segments": moment.segments}

"""What happens to open candidates while the slots of a slate are filled: noted for explanations."""

from __future__ import annotations

import numpy as np

from maitred_server.decide.arbitration import applies
from maitred_server.decide.contact_filter import TooOften
from maitred_server.decide.moment import Moment
from maitred_server.decide.pipeline import Prepared
from maitred_server.decide.slate import Chosen
from maitred_server.decide.turns import NO_ROW, Turn
from maitred_server.policy.base import CLOSED, Bools, Floats


class Beside:
    """One slate while it is filled: what was open for which slot, and what closed the rest."""

    def __init__(self, ready: Prepared, moment: Moment) -> None:
        self._ready = ready
        self._moment = moment
        self._chosen: list[int] = []  # rows
        self._offered = np.zeros(len(ready.priority), np.bool_)
        self._odds = np.zeros(len(ready.priority))

    def saw(self, turn: Turn, chosen: Chosen, offered: Floats) -> None:
        """A slot was filled: see `slate.Watch`."""
        self._chosen.append(chosen.row)
        if turn.pinned != NO_ROW:
            self._offered[chosen.row], self._odds[chosen.row] = True, 1.0
            return
        narrowed = turn.narrowed(offered)
        if narrowed[chosen.row] == CLOSED:  # none of the turn's own rows was open
            narrowed = offered
        fresh = (narrowed > CLOSED) & ~self._offered
        if fresh.any():
            self._odds[fresh] = self._ready.served.policy.probabilities(narrowed)[fresh]
            self._offered |= fresh

    def probability(self, row: int) -> float:
        """That the policy chose a row for the first slot that was open to it; 0: none was."""
        return float(self._odds[row])

    def lost(self) -> Bools:
        """bool[m]: the rows that could not be chosen in the end, whatever they are worth."""
        lost: Bools = (self._ready.priority == CLOSED) | ~self._offered
        return lost

    def why(self, row: int) -> str:
        """Why one that no filter closed is lost, in words."""
        if self._ready.priority[row] == CLOSED:
            return self._same_item(row) or self._full_group(row) or self._used_up(row)
        if self._ready.priority[row] < 0.0 and applies(self._ready.ground, self._ready.served):
            return "its priority is below zero, and others are above it"
        return "no slot was open to it"

    def _same_item(self, row: int) -> str:
        items = self._ready.ground.item_index
        return "the slate shows another variant of it" if items[row] in items[self._chosen] else ""

    def _full_group(self, row: int) -> str:
        plan = self._ready.ground.slots
        if plan is None or plan.limits is None:
            return ""
        shown = [group for chosen in self._chosen for group in plan.groups.of(chosen)]
        for group in plan.groups.of(row):
            most = plan.limits.most.get(group)
            if most is not None and shown.count(group) >= most:
                return f"the slate shows {most} of group `{plan.groups.names[group]}` already, the most it may"
        return ""

    def _used_up(self, row: int) -> str:
        words = TooOften().why(self._ready.ground, self._moment, self._ready.closed, row)
        return "; ".join(words) or "what the slate shows closed it"

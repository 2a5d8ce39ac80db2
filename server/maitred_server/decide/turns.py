"""Whose turn it is: the slots of a slate in the order in which they are filled.

Pins come first, then reserved slots, stretch slots and the rest; each kind by slot number. So what few may fill is
filled before those few are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from maitred_server.decide.conditions import Conditions
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.scoring import Served
from maitred_server.decide.slots import SlotPlan
from maitred_server.policy.base import CLOSED, Bools, Floats

NO_ROW: Final = -1
NO_PINS: Final[Mapping[int, int]] = {}


class Turn(NamedTuple):
    """One slot's turn to be filled."""

    slot: int
    pinned: int = NO_ROW  # the row that is there, whatever the policy thinks
    rows: Bools | None = None  # bool[m]: only these, while one of them is open; None: any
    stretch: bool = False  # `rows` are those outside of the subject's usual groups

    def narrowed(self, offered: Floats) -> Floats:
        """float64[m]: of what is offered the rows of this turn alone."""
        return offered if self.rows is None else np.where(self.rows, offered, CLOSED)


PLAIN: Final = tuple(Turn(slot) for slot in range(256))


def turns(ground: Ground, moment: Moment, served: Served, wanted: int, pins: Mapping[int, int]) -> Sequence[Turn]:
    """The slots of a slate in the order in which they are filled. `pins`: row by slot, see `pinned`."""
    plan = ground.slots
    if plan is None:
        return PLAIN[:wanted]
    free = [slot for slot in range(wanted) if slot not in pins]
    reserved = [slot for slot in free if slot in plan.reserved]
    stretch = [slot for slot in free if slot in plan.stretch and slot not in plan.reserved]
    outside = _outside(plan, ground, moment) if stretch and served.reason is None else None
    if outside is None:
        stretch = []
    return [
        *(Turn(slot, pinned=pins[slot]) for slot in sorted(pins)),
        *(Turn(slot, rows=plan.reserved[slot]) for slot in reserved),
        *(Turn(slot, rows=outside, stretch=True) for slot in stretch),
        *(Turn(slot) for slot in free if slot not in reserved and slot not in stretch),
    ]


def pinned(
    ground: Ground, moment: Moment, conditions: Conditions, open_rows: Bools | None, wanted: int
) -> Mapping[int, int]:
    """Row by slot of the pins that hold now. A pin whose candidate is closed leaves its slot to the others."""
    if ground.slots is None or not ground.slots.pins:
        return NO_PINS
    found: dict[int, int] = {}
    shown: set[int] = set()
    for pin in ground.slots.pins:
        if pin.slot >= wanted or pin.slot in found or (pin.plan and not conditions.holds(pin.plan, moment)):
            continue
        row = next((row for row in pin.rows if open_rows is None or open_rows[row]), NO_ROW)
        if row != NO_ROW and (item := int(ground.item_index[row])) not in shown:
            found[pin.slot] = row
            shown.add(item)
    return found


def _outside(plan: SlotPlan, ground: Ground, moment: Moment) -> Bools | None:
    """bool[m]: candidates outside of the subject's usual groups; None: nothing is usual, or nothing may be known."""
    counted, view = ground.placement.counts, moment.view
    if view.profile is None or not view.may_count(counted):
        return None
    usual = plan.groups.usual(view.profile.counters(counted))
    return plan.groups.outside(usual) if usual else None

"""The slate stage: fill the slots one after the other, each with the probability it was chosen with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from maitred_server.decide import filters
from maitred_server.decide.arbitration import above_nothing, applies
from maitred_server.decide.choice import Choice
from maitred_server.decide.contact_filter import spending
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.scoring import Served, closed_where
from maitred_server.decide.turns import NO_PINS, NO_ROW, Turn, turns
from maitred_server.decide.world import World
from maitred_server.model import Reason
from maitred_server.policy import POLICIES
from maitred_server.policy.base import CLOSED, Floats, Policy, Scores

_MASK = (1 << 64) - 1


def draw(seed: int, step: int) -> float:
    """Uniform in [0, 1) from a 64-bit seed and the slot's place in the page's fill order (SplitMix64, Steele et al.
    2014).

    Every slot's draw can be had without drawing the ones before it, and is the same on every machine.
    """
    z = (seed + (step + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)


class Filled(NamedTuple):
    """A slot, and what was chosen for it."""

    turn: Turn
    row: int
    probability: float
    priority: float  # of the row
    offered: Floats  # float64[m]: what the policy chose from; CLOSED where it could not. Only until the next slot
    stretch: bool = False
    tried: bool = False  # another row had a higher priority


def fill(
    world: World,
    ground: Ground,
    moment: Moment,
    served: Served,
    scores: Scores,
    priority: Floats,
    slots: int,
    seed: int,
    step: int,
    pins: Mapping[int, int] = NO_PINS,
) -> list[Choice]:
    """Choose for up to `slots` slots; in the order in which they were filled. Arguments: see `filling`."""
    steps = filling(ground, moment, served, priority, slots, seed, step, pins)
    return [chosen(world, ground, served, scores, filled) for filled in steps]


def filling(
    ground: Ground,
    moment: Moment,
    served: Served,
    priority: Floats,
    slots: int,
    seed: int,
    step: int,
    pins: Mapping[int, int] = NO_PINS,
) -> Iterator[Filled]:
    """Slot by slot, in the order in which they are filled.

    `priority`: float64[m], changed in place. `step`: how many slots of the page were filled before. `pins`: row by
    slot (see `turns.pinned`).
    """
    if not len(priority):
        return
    limits = ground.slots.limits.begin() if ground.slots and ground.slots.limits else None
    spent = spending(ground, moment)
    guarded = _guarded(ground, served)
    for at, turn in enumerate(turns(ground, moment, served, slots, pins), start=step):
        if spent is not None and turn.pinned != NO_ROW and spent.closed(turn.pinned):
            turn = turn._replace(pinned=NO_ROW)
        filled = _choose(turn, served.policy, priority, guarded, draw(seed, at))
        if filled is None:
            return  # the turns that are left would find nothing either
        yield filled
        row = filled.row
        priority[ground.first_row[row] : ground.end_row[row]] = CLOSED  # no item twice, in whatever variant
        if limits is not None:
            limits.chose(row, priority)
        if spent is not None:
            spent.chose(row, priority)


def _guarded(ground: Ground, served: Served) -> bool:
    """Whether some candidate may cost more than it brings."""
    if ground.learned is not None and served.reason is None and bool((ground.learned.worth < 0.0).any()):
        return True
    return ground.weights is not None and ground.weights.negative and applies(ground, served)


def _choose(turn: Turn, policy: Policy, priority: Floats, guarded: bool, drawn: float) -> Filled | None:
    """From the rows of the turn, while one of them is open; else from all."""
    if turn.pinned != NO_ROW:
        return Filled(turn, turn.pinned, 1.0, float(priority[turn.pinned]), priority)
    offered = above_nothing(priority) if guarded else priority
    if turn.rows is not None:
        narrowed = np.where(turn.rows, offered, CLOSED)
        found = policy.choose(narrowed, drawn)
        if found is not None:
            return _filled(turn, found, narrowed, turn.stretch)
    found = policy.choose(offered, drawn)
    return None if found is None else _filled(turn, found, offered, False)


def _filled(turn: Turn, found: tuple[int, float], offered: Floats, stretch: bool) -> Filled:
    row, probability = found
    return Filled(turn, row, probability, float(offered[row]), offered, stretch, bool(offered[row] < offered.max()))


def chosen(world: World, ground: Ground, served: Served, scores: Scores, filled: Filled) -> Choice:
    """What is answered for a slot."""
    row, catalogue = filled.row, world.catalogue
    action = int(ground.actions[row])
    return Choice(
        slot=filled.turn.slot,
        action=action,
        item=catalogue.item(action),
        variant=catalogue.variant(action),
        reason=_reason(served, scores, filled),
        propensity=None if scores.propensity is None else float(scores.propensity[row]),
        probability=filled.probability,
        priority=filled.priority if filled.priority > CLOSED else 0.0,  # a pin stands where the policy would not choose
        stretch=filled.stretch,
    )


def _reason(served: Served, scores: Scores, filled: Filled) -> Reason:
    if filled.turn.pinned != NO_ROW:
        return Reason.RULE
    if served.reason is not None:
        return served.reason
    found = scores.reason(filled.row)
    return Reason.EXPLORED if found is Reason.LEARNED and filled.tried else found


def fallback(world: World, ground: Ground, moment: Moment, taken: Sequence[int], slots: int) -> list[Choice]:
    """The placement's fallback in its order, without what a filter closes. `ground`: of the fallback's items."""
    served = Served(POLICIES["fixed"], Reason.FALLBACK)
    scores = Scores(-ground.order, None, (Reason.FALLBACK,))
    priority = closed_where(scores.priority, filters.open_rows(ground, moment, taken))
    choices = fill(world, ground, moment, served, scores, priority, slots, 0, 0)
    return [choice._replace(priority=0.0) for choice in choices]

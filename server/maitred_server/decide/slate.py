"""The slate stage: fill the slots one after the other, each with the probability it was chosen with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from maitred_server.decide import filters
from maitred_server.decide.arbitration import above_nothing, applies
from maitred_server.decide.choice import Choice
from maitred_server.decide.contact_filter import Spending, spending
from maitred_server.decide.filling import Filled, draw, tried
from maitred_server.decide.ground import Ground
from maitred_server.decide.learned import Seen
from maitred_server.decide.moment import Moment
from maitred_server.decide.scoring import Served, closed_where
from maitred_server.decide.turns import NO_PINS, NO_ROW, Turn, turns
from maitred_server.decide.world import World
from maitred_server.model import Reason
from maitred_server.policy import POLICIES
from maitred_server.policy.base import CLOSED, Floats, Policy, Scores

try:
    from maitred_server.compiled.slate import choices, choose
    from maitred_server.compiled.slate import fill as alike
except ImportError:  # nothing was compiled here
    from maitred_server.decide.filling import choices, choose
    from maitred_server.decide.filling import fill as alike


class Chosen(NamedTuple):
    """A row for a slot, and the probability that it had."""

    row: int
    probability: float
    stretch: bool = False
    tried: bool = False  # another row had a higher priority


class Watch(Protocol):
    """Told of each slot before the next one is filled; explanations bring one."""

    def __call__(self, turn: Turn, chosen: Chosen, offered: Floats) -> None:
        """`offered`: float64[m]: what there was to choose from, CLOSED where it could not be; not to be kept."""


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
    watch: Watch | None = None,
    seen: Seen | None = None,
) -> list[Choice]:
    """Choose for up to `slots` slots; in the order in which they were filled.

    `priority`: float64[m], changed in place. `step`: how many slots of the page were filled before. `pins`: row by
    slot (see `turns.pinned`). `seen`: what the choices were scored by; None: nothing is learned from them.
    """
    if not len(priority):
        return []
    spent, guarded = spending(ground, moment, slots), _guarded(ground, served)
    if ground.slots is None and spent is None and watch is None:
        filled = alike(priority, served.policy, slots, seed, step, ground.first_row, ground.end_row, guarded)
    else:
        order = turns(ground, moment, served, slots, pins)
        filled = _turn_by_turn(ground, served, order, priority, guarded, spent, seed, step, watch)
    rows = [one[1] for one in filled]
    if spent is None and moment.contacts is not None:
        moment.contacts.chose(ground, rows, ground.channel(moment.ask.context))
    features = met = None
    if seen is not None and filled:
        features, met = seen.sealed(rows, [one[0] for one in filled])
    return choices(Choice, filled, ground.actions, world.catalogue.names_of, served.reason, scores, features, met)


def _turn_by_turn(
    ground: Ground,
    served: Served,
    order: Sequence[Turn],
    priority: Floats,
    guarded: bool,
    spent: Spending | None,
    seed: int,
    step: int,
    watch: Watch | None,
) -> list[Filled]:
    """Where slots differ, and where what fills one closes more than its own item."""
    filled: list[Filled] = []
    limits = ground.slots.limits.begin() if ground.slots and ground.slots.limits else None
    for turn in order:
        if spent is not None and turn.pinned != NO_ROW and spent.closed(turn.pinned):
            turn = turn._replace(pinned=NO_ROW)
        offered = above_nothing(priority) if guarded else priority
        chosen = _choose(turn, served.policy, offered, draw(seed, step + len(filled)))
        if chosen is None:
            break  # the turns that are left would find nothing either
        if watch is not None:
            watch(turn, chosen, offered)
        row, probability, stretch, tried = chosen
        pinned = turn.pinned != NO_ROW
        filled.append((turn.slot, row, probability, float(priority[row]), tried, stretch, pinned))
        priority[ground.first_row[row] : ground.end_row[row]] = CLOSED  # no item twice, in whatever variant
        if limits is not None:
            limits.chose(row, priority)
        if spent is not None:
            spent.chose(row, priority)
    return filled


def _guarded(ground: Ground, served: Served) -> bool:
    """Whether some candidate may cost more than it brings."""
    if ground.costly and served.reason is None:
        return True
    return ground.weights is not None and ground.weights.negative and applies(ground, served)


def _choose(turn: Turn, policy: Policy, offered: Floats, drawn: float) -> Chosen | None:
    """From the rows of the turn, while one of them is open; else from all."""
    if turn.pinned != NO_ROW:
        return Chosen(turn.pinned, 1.0)
    if turn.rows is not None:
        narrowed = turn.narrowed(offered)
        found = choose(policy, narrowed, drawn)
        if found is not None:
            return Chosen(*found, turn.stretch, tried(found, narrowed))
    found = choose(policy, offered, drawn)
    return None if found is None else Chosen(*found, False, tried(found, offered))


def fallback(world: World, ground: Ground, moment: Moment, taken: Sequence[int], slots: int) -> list[Choice]:
    """The placement's fallback in its order, without what a filter closes. `ground`: of the fallback's items."""
    served = Served(POLICIES["fixed"], Reason.FALLBACK)
    scores = Scores(-ground.order, None, (Reason.FALLBACK,))
    priority = closed_where(scores.priority, filters.open_rows(ground, moment, taken))
    return [one._replace(priority=0.0) for one in fill(world, ground, moment, served, scores, priority, slots, 0, 0)]

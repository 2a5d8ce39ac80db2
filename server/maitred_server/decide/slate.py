"""The slate stage: fill the slots one after the other, each with the probability it was chosen with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

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
from maitred_server.policy.base import CLOSED, Floats, Greedy, Policy, Scores

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
) -> list[Choice]:
    """Choose for up to `slots` slots; in the order in which they were filled.

    `priority`: float64[m], changed in place. `step`: how many slots of the page were filled before. `pins`: row by
    slot (see `turns.pinned`).
    """
    choices: list[Choice] = []
    if not len(priority):
        return choices
    limits = ground.slots.limits.begin() if ground.slots and ground.slots.limits else None
    spent = spending(ground, moment, slots)
    guarded, certain, single = _guarded(ground, served), isinstance(served.policy, Greedy), ground.own_index.single
    for turn in turns(ground, moment, served, slots, pins):
        if spent is not None and turn.pinned != NO_ROW and spent.closed(turn.pinned):
            turn = turn._replace(pinned=NO_ROW)
        offered = above_nothing(priority) if guarded else priority
        drawn = 0.0 if certain else draw(seed, step + len(choices))
        chosen = _choose(turn, served.policy, offered, drawn)
        if chosen is None:
            break  # the turns that are left would find nothing either
        if watch is not None:
            watch(turn, chosen, offered)
        choices.append(_choice(world, ground, served, scores, turn, chosen, float(priority[chosen.row])))
        row = chosen.row
        if single:
            priority[row] = CLOSED
        else:
            priority[ground.first_row[row] : ground.end_row[row]] = CLOSED  # no item twice, in whatever variant
        if limits is not None:
            limits.chose(row, priority)
        if spent is not None:
            spent.chose(row, priority)
    if spent is None and moment.contacts is not None:
        moment.contacts.chose(ground, [choice.row for choice in choices], ground.channel(moment.ask.context))
    return choices


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
        found = policy.choose(narrowed, drawn)
        if found is not None:
            return Chosen(*found, turn.stretch, _tried(found, narrowed))
    found = policy.choose(offered, drawn)
    if found is None:
        return None
    row, probability = found
    return Chosen(row, probability, False, probability < 1.0 and _tried(found, offered))


def _tried(found: tuple[int, float], offered: Floats) -> bool:
    return bool(offered[found[0]] < offered[offered.argmax()])


def _choice(
    world: World, ground: Ground, served: Served, scores: Scores, turn: Turn, chosen: Chosen, priority: float
) -> Choice:
    row, catalogue = chosen.row, world.catalogue
    action = int(ground.actions[row])
    return Choice(
        turn.slot,
        action,
        *catalogue.names_of(action),
        _reason(served, scores, turn, chosen),
        None if scores.propensity is None else float(scores.propensity[row]),
        chosen.probability,
        priority if priority > CLOSED else 0.0,  # a pin stands where the policy would choose nothing
        chosen.stretch,
        row=row,
    )


def _reason(served: Served, scores: Scores, turn: Turn, chosen: Chosen) -> Reason:
    if turn.pinned != NO_ROW:
        return Reason.RULE
    if served.reason is not None:
        return served.reason
    found = scores.reason(chosen.row)
    return Reason.EXPLORED if found is Reason.LEARNED and chosen.tried else found


def fallback(world: World, ground: Ground, moment: Moment, taken: Sequence[int], slots: int) -> list[Choice]:
    """The placement's fallback in its order, without what a filter closes. `ground`: of the fallback's items."""
    served = Served(POLICIES["fixed"], Reason.FALLBACK)
    scores = Scores(-ground.order, None, (Reason.FALLBACK,))
    priority = closed_where(scores.priority, filters.open_rows(ground, moment, taken))
    choices = fill(world, ground, moment, served, scores, priority, slots, 0, 0)
    return [choice._replace(priority=0.0) for choice in choices]

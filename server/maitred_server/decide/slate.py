"""The slate stage: fill the slots one after the other, each with the probability it was chosen with."""

from __future__ import annotations

from collections.abc import Sequence

from maitred_server.decide.answer import Choice
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.scoring import Served
from maitred_server.decide.world import World
from maitred_server.model import Reason
from maitred_server.policy.base import CLOSED, Floats, Positions, Scores

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
) -> list[Choice]:
    """Choose for up to `slots` slots.

    `priority`: float64[m], changed in place. `step`: how many slots of the page were filled before.
    """
    choices: list[Choice] = []
    for slot in range(slots):
        if priority.max(initial=CLOSED) == CLOSED:
            break
        row, probability = served.policy.choose(priority, draw(seed, step + slot))
        action = int(ground.actions[row])
        choices.append(
            Choice(
                slot=slot,
                action=action,
                item=world.catalogue.item(action),
                variant=world.catalogue.variant(action),
                reason=served.reason or scores.reason(row),
                propensity=None if scores.propensity is None else float(scores.propensity[row]),
                probability=probability,
                priority=float(priority[row]),
            )
        )
        priority[ground.item_index == ground.item_index[row]] = CLOSED  # no item twice, in whatever variant
    return choices


def fallback(world: World, actions: Positions, taken: Sequence[int], slots: int) -> list[Choice]:
    """The placement's fallback, in its order, without what the page already shows or a live state closes."""
    catalogue, is_open = world.catalogue, world.overlay.open
    left = [int(one) for one in actions if is_open[one] and int(catalogue.item_index[one]) not in taken]
    return [
        Choice(slot, action, catalogue.item(action), catalogue.variant(action), Reason.FALLBACK, None, 1.0, 0.0)
        for slot, action in enumerate(left[:slots])
    ]

"""Whether a decision that was made again is the one that was sealed."""

from __future__ import annotations

import math
from typing import Final

from msgspec.structs import replace

from maitred_server.decide.receipt import SealedDecision, SealedSlot

NEAR: Final = 1e-9  # relatively: sums of an installation that was compiled otherwise may differ in their last bits


def alike(made: SealedDecision, then: SealedDecision) -> bool:
    """Equal, but for the last bits of propensities, probabilities and priorities."""
    if len(made.slots) != len(then.slots) or replace(made, slots=()) != replace(then, slots=()):
        return False
    return all(map(_same, made.slots, then.slots))


def _same(made: SealedSlot, then: SealedSlot) -> bool:
    if made.propensity is None or then.propensity is None:
        near = made.propensity is then.propensity
    else:
        near = _near(made.propensity, then.propensity)
    near = near and _near(made.probability, then.probability) and _near(made.priority, then.priority)
    return near and _named(made) == _named(then)


def _near(made: float, then: float) -> bool:
    return math.isclose(made, then, rel_tol=NEAR, abs_tol=NEAR)


def _named(slot: SealedSlot) -> SealedSlot:
    return replace(slot, propensity=None, probability=0.0, priority=0.0)

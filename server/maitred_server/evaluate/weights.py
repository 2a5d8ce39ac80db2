"""Importance weights: how much more often the new policy would have done what was logged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.log import Floats, Log, Target

LARGEST = 1e60  # weight; squares of more are none any more


class Weights(NamedTuple):
    """Of each row. `step`: its own ratio of probabilities; `through`: the product up to it; `before`: without it."""

    step: Floats  # float64[n]
    through: Floats  # float64[n]
    before: Floats  # float64[n]
    page: Floats  # float64[D]: the product over all slots of each decision


def weigh(log: Log, target: Target) -> Weights:
    """The weights of a new policy on a log. Raises InvalidRequest when they are too large to reckon with."""
    step = target.logged / log.probability
    through, before = step.copy(), np.ones(len(step))
    for rank in range(1, int(log.rank.max(initial=0)) + 1):
        rows = np.flatnonzero(log.rank == rank)
        before[rows] = through[rows - 1]
        with np.errstate(over="ignore"):
            through[rows] *= before[rows]
    if not (through < LARGEST).all():
        raise InvalidRequest("the probabilities of a whole decision are too small to reckon with", "probability")
    last = np.flatnonzero(np.diff(log.decision, append=log.decisions))
    return Weights(step, through, before, through[last])


def effective_size(weights: Floats) -> float:
    """How many equally weighted decisions would tell as much: (sum w)^2 / sum w^2 (Kish, Survey Sampling, 1965)."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def default_clip(decisions: int) -> float:
    """The square root of the number of decisions (Ionides, Truncated Importance Sampling, 2008)."""
    return float(np.sqrt(decisions))

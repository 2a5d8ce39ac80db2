"""`inverse_gap`: the further a candidate is predicted to be behind the best, the more seldom it is tried.

Inverse gap weighting (Abe and Long 1999), as in SquareCB (Foster and Rakhlin 2020): with K open candidates, the best b
and scaled predictions y,

    P(a) = 1 / (K + gamma (y_b - y_a))  for a other than b;  P(b) = what is left.

It is exact, costs one pass over the candidates, and never leaves one at 0.
"""

from __future__ import annotations

import numpy as np

from maitred_server.policy.base import CLOSED, Floats
from maitred_server.policy.drawing import Drawn, with_best


class InverseGap(Drawn):
    """`gamma`: how much less a gap of 1 is tried; it rises as the predictions get better (see `learned_gamma`)."""

    name = "inverse_gap"

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def probabilities(self, priority: Floats) -> Floats:
        is_open = priority > CLOSED
        best = int(priority.argmax())
        with np.errstate(invalid="ignore"):
            others = 1.0 / (np.count_nonzero(is_open) + self.gamma * (priority[best] - priority))
        return with_best(np.where(is_open, others, 0.0), best)


def learned_gamma(candidates: int, exposures: float, width: int, eagerness: float) -> float:
    """The gamma after so many exposures of a model with `width` features: eagerness x sqrt(K n / width).

    As in theorem 1 of Foster and Rakhlin 2020, whose regret bound for linear predictions is of the order of `width`.
    """
    return eagerness * float(np.sqrt(max(candidates, 1) * max(exposures, 1.0) / max(width, 1)))

"""`inverse_gap`: the further a candidate is predicted to be behind the best, the more seldom it is tried.

Inverse gap weighting (Abe and Long 1999), as in SquareCB (Foster and Rakhlin 2020): with K open candidates, the best b
and scaled predictions y,

    P(a) = 1 / (K + gamma (y_b - y_a))  for a other than b;  P(b) = what is left.

It is exact, never leaves a candidate at 0, and costs a subtraction, a division and a sum over the candidates: the first
is (1 / gamma) / ((y_b + K / gamma) - y_a).
"""

from __future__ import annotations

import math

import numpy as np

from maitred_server.policy.base import CLOSED, Floats
from maitred_server.policy.drawing import Drawn, left_of


class InverseGap(Drawn):
    """`gamma`, above 0: how much less a gap of 1 is tried. It rises as the predictions get better (see
    `learned_gamma`).
    """

    name = "inverse_gap"

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def others(self, priority: Floats, best: int, unit: float = 1.0) -> tuple[Floats, float]:
        sharpness = self.gamma / unit
        evenly = float(priority[best]) + np.count_nonzero(priority > CLOSED) / sharpness
        found = evenly - priority
        np.divide(1.0 / sharpness, found, out=found)  # of closed rows the gap is infinite
        found[best] = 0.0
        return found, left_of(found)


def learned_gamma(candidates: int, exposures: float, width: int, eagerness: float) -> float:
    """The gamma after so many exposures of a model with `width` features: eagerness x sqrt(K n / width).

    As in theorem 1 of Foster and Rakhlin 2020, whose regret bound for linear predictions is of the order of `width`.
    """
    return eagerness * math.sqrt(max(candidates, 1) * max(exposures, 1.0) / max(width, 1))

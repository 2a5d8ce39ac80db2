"""`epsilon`: the best, but for a share of the draws that are uniform over all open candidates."""

from __future__ import annotations

import numpy as np

from maitred_server.policy.base import CLOSED, Floats
from maitred_server.policy.drawing import Drawn


class Epsilon(Drawn):
    """`share`: how much is explored, 0 to 1."""

    name = "epsilon"

    def __init__(self, share: float = 0.1) -> None:
        self.share = share

    def others(self, priority: Floats, best: int, unit: float = 1.0) -> tuple[Floats, float]:
        is_open = priority > CLOSED
        evenly = self.share / np.count_nonzero(is_open)
        found = is_open * evenly
        found[best] = 0.0
        return found, evenly + 1.0 - self.share

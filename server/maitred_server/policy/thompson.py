"""`thompson`: each candidate as often as it is the best in draws from what is believed of it (Thompson 1933).

The probability of being best has no closed form over many candidates. So a panel of M draws is made from a seed, each
names its best, and a candidate's probability is the share of the panel that names it, floored by a uniform share so
that none is ever 0. That is exact for the panel that was drawn, and the panel can be drawn again.
"""

from __future__ import annotations

import numpy as np

from maitred_server.policy.base import CLOSED, Floats
from maitred_server.policy.drawing import Drawn

PANEL = 64


class Thompson(Drawn):
    """Over one decision's candidates: `deviations` float64[n] of the predictions that `priority` holds."""

    name = "thompson"

    def __init__(self, deviations: Floats, seed: int, floor: float = 0.02, panel: int = PANEL) -> None:
        """`floor`: the share that is uniform. `panel`: how many draws."""
        self.floor = floor
        chance = np.random.Generator(np.random.PCG64(seed))
        self._shifts = chance.standard_normal((panel, len(deviations)), np.float32) * deviations

    def others(self, priority: Floats, best: int, unit: float = 1.0) -> tuple[Floats, float]:
        is_open = priority > CLOSED
        named = (priority / unit + self._shifts).argmax(1)
        found = is_open * (self.floor / np.count_nonzero(is_open))
        found += np.bincount(named, minlength=len(priority)) * ((1.0 - self.floor) / len(self._shifts))
        left = float(found[best])
        found[best] = 0.0
        return found, left

"""Choosing by a distribution over the open candidates, for policies that draw."""

from __future__ import annotations

import numpy as np

from maitred_server.policy.base import CLOSED, Floats


class Drawn:
    """`choose` for policies that say their `probabilities`; their scores are weighed in arbitration."""

    weighted = True

    def probabilities(self, priority: Floats) -> Floats:
        """Of the rows, of which at least one is open: float64[n], 0 for closed rows, sum 1."""
        raise NotImplementedError

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        """The first row at which the summed probabilities pass the draw."""
        if priority.max() == CLOSED:
            return None
        probabilities = self.probabilities(priority)
        passed = np.cumsum(probabilities)
        row = int(np.searchsorted(passed, draw * passed[-1], side="right"))
        if row >= len(priority) or probabilities[row] <= 0.0:  # the draw met the very end of the sum
            row = int(np.flatnonzero(probabilities)[-1])
        return row, float(probabilities[row])


def with_best(others: Floats, best: int) -> Floats:
    """Probabilities in which the best row has what the others leave; `others` is changed in place."""
    others[best] = 0.0
    others[best] = max(0.0, 1.0 - float(others.sum()))
    return others

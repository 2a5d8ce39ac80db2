"""Choosing by a distribution over the open candidates, for policies that draw."""

from __future__ import annotations

import numpy as np

from maitred_server.policy.base import CLOSED, Floats


class Drawn:
    """`choose` for policies that say their probabilities; their scores are weighed in arbitration."""

    name: str
    weighted = True

    def others(self, priority: Floats, best: int, unit: float = 1.0) -> tuple[Floats, float]:
        """The probabilities float64[n] of all rows but `best`, the highest one, which is open; and what they leave it.

        They are 0 for closed rows and for `best`, and the caller's to change. `unit`: what counts as a gap of 1.
        """
        raise NotImplementedError

    def probabilities(self, priority: Floats) -> Floats:
        """Of the rows, of which at least one is open: float64[n], 0 for closed rows, sum 1."""
        best = int(priority.argmax())
        found, left = self.others(priority, best)
        found[best] = left
        return found

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        """The best row below its probability, which needs no running sum; beyond it the first row at which the summed
        probabilities of the others pass the draw.
        """
        best = int(priority.argmax())
        if priority[best] == CLOSED:
            return None
        found, left = self.others(priority, best)
        return (best, left) if draw < left else another(found, draw - left) or (best, left)


def another(found: Floats, draw: float, share: float = 1.0) -> tuple[int, float] | None:
    """The row at which the summed probabilities pass the draw, and its probability times `share`; None: all are 0."""
    row = int(found.cumsum().searchsorted(draw, side="right"))
    if row >= len(found):  # the draw met the very end of the sum
        last = found.nonzero()[0][-1:].tolist()
        if not last:
            return None
        row = last[0]
    return row, float(found[row]) * share


def left_of(others: Floats) -> float:
    """What some probabilities leave."""
    return max(0.0, 1.0 - float(np.add.reduce(others)))

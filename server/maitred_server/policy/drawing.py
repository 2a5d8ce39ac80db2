"""Choosing by a distribution over the open candidates, for policies that draw."""

from __future__ import annotations

from maitred_server.policy.base import CLOSED, Floats


class Drawn:
    """`choose` for policies that say their probabilities; their scores are weighed in arbitration."""

    name: str
    weighted = True

    def spread(self, priority: Floats, best: int, unit: float = 1.0) -> Floats:
        """The probabilities of the rows, of which `best` is the highest and open: float64[n], 0 for closed rows, sum 1.

        It is the caller's to change. `unit`: what counts as a gap of 1.
        """
        raise NotImplementedError

    def probabilities(self, priority: Floats) -> Floats:
        """Of the rows, of which at least one is open: float64[n], 0 for closed rows, sum 1."""
        return self.spread(priority, int(priority.argmax()))

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        """The best row below its probability, which needs no sum; beyond it the first row at which the summed
        probabilities of the others pass the draw.
        """
        best = int(priority.argmax())
        if priority[best] == CLOSED:
            return None
        found = self.spread(priority, best)
        certain = float(found[best])
        return (best, certain) if draw < certain else _other(found, best, draw - certain)


def _other(found: Floats, best: int, draw: float) -> tuple[int, float]:
    certain = float(found[best])
    found[best] = 0.0
    passed = found.cumsum()
    row = int(passed.searchsorted(draw, side="right"))
    if row < len(found):
        return row, float(found[row])
    others = found.nonzero()[0]  # the draw met the very end of the sum
    return (int(others[-1]), float(found[others[-1]])) if len(others) else (best, certain)


def with_best(others: Floats, best: int) -> Floats:
    """Probabilities in which the best row has what the others leave; `others` is changed in place."""
    others[best] = 0.0
    others[best] = max(0.0, 1.0 - float(others.sum()))
    return others

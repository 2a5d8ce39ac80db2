"""Policies that are measured only, not served: one with unequal probabilities, and two that report wrong ones."""

from __future__ import annotations

import numpy as np
from maitred_server.model import Reason
from maitred_server.policy.base import CLOSED, Floats, Scores, Situation


class Softmax:
    """Chooses with unequal probabilities. It is measured only, not served."""

    name = "softmax"
    weighted = True

    def score(self, situation: Situation) -> Scores:
        counts = situation.popularity.copy()
        if situation.own is not None:
            counts[situation.own.rows] += situation.own.counts
        return Scores(np.log1p(counts), None, (Reason.EXPLORED,))

    def probabilities(self, priority: Floats) -> Floats:
        shares: Floats = np.exp(priority - priority.max())
        shares /= shares.sum()
        return shares

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        if priority.max() == CLOSED:
            return None
        shares = self.probabilities(priority)
        row = min(int(shares.cumsum().searchsorted(draw, side="right")), int(np.flatnonzero(shares)[-1]))
        return row, float(shares[row])


class Forgetful(Softmax):
    """Wrong: reports as if a tenth of its choices were left to chance, and leaves none to it."""

    name = "wrong-forgetful"

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        chosen = super().choose(priority, draw)
        return chosen and (chosen[0], 0.9 * chosen[1] + 0.1 / int((priority > CLOSED).sum()))


class Unconditional(Softmax):
    """Wrong: reports each choice's probability as if no slot had been filled before."""

    name = "wrong-unconditional"
    _whole: Floats

    def score(self, situation: Situation) -> Scores:
        scores = super().score(situation)
        self._whole = self.probabilities(scores.priority)
        return scores

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        chosen = super().choose(priority, draw)
        return chosen and (chosen[0], float(self._whole[chosen[0]]))

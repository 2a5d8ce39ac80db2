"""`uniform`: every open candidate with the same probability."""

from __future__ import annotations

from typing import Final

import numpy as np

from maitred_server.model import Reason
from maitred_server.policy.base import CLOSED, Floats, Kind, Recipe, Scores, Situation


class Uniform:
    """Knows nothing and prefers nothing; what it collects is the fairest data to learn from."""

    name = "uniform"
    weighted = False
    recipe: Final = Recipe(Kind.EVENLY)

    def score(self, situation: Situation) -> Scores:
        return Scores(np.zeros(situation.size), None, (Reason.EXPLORED,))

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        rows = (priority > CLOSED).nonzero()[0]
        if not len(rows):
            return None
        return int(rows[int(draw * len(rows))]), 1.0 / len(rows)

    def probabilities(self, priority: Floats) -> Floats:
        is_open = priority > CLOSED
        return np.where(is_open, 1.0 / is_open.sum(), 0.0)

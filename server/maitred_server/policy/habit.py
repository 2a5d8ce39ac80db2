"""`habit`: what this subject chose most so far, then what all chose most."""

from __future__ import annotations

from typing import Final

from maitred_server.model import Reason
from maitred_server.policy.base import Greedy, Scores, Situation

REASONS: Final = (Reason.POPULAR, Reason.HABIT)


class Habit(Greedy):
    """Ranks by the subject's own counts; popularity, scaled into [0, 1), parts equals and fills the rest."""

    name = "habit"
    weighted = True

    def score(self, situation: Situation) -> Scores:
        priority, own = situation.scaled.copy(), situation.own
        if own is None:
            return Scores(priority, None, REASONS)
        priority[own.rows] += own.counts
        return Scores(priority, None, REASONS, frozenset(own.rows.tolist()))

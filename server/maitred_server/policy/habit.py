"""`habit`: what this subject chose most so far, then what all chose most."""

from __future__ import annotations

from maitred_server.model import Reason
from maitred_server.policy.base import Greedy, Scores, Situation


class Habit(Greedy):
    """Ranks by the subject's own counts; popularity, scaled into [0, 1), parts equals and fills the rest."""

    name = "habit"
    weighted = True

    def score(self, situation: Situation) -> Scores:
        popularity = situation.popularity
        scaled = popularity / (popularity.max(initial=0.0) + 1.0)
        own = situation.own
        if own is None:
            return Scores(scaled, None, (Reason.POPULAR,))
        return Scores(own + scaled, None, (Reason.POPULAR, Reason.HABIT), own > 0)

"""`popular`: what all subjects chose most so far."""

from __future__ import annotations

from maitred_server.model import Reason
from maitred_server.policy.base import Greedy, Scores, Situation


class Popular(Greedy):
    """Ranks by the number of events of the placement's counted type; equals keep the catalogue's order."""

    name = "popular"
    weighted = True

    def score(self, situation: Situation) -> Scores:
        return Scores(situation.popularity.copy(), None, (Reason.POPULAR,))

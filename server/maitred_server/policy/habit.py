"""`habit`: what this subject chose most so far, then what all chose most."""

from __future__ import annotations

from typing import Final

from maitred_server.model import Reason
from maitred_server.policy.base import Counts, Floats, Greedy, Places, Scores, Situation


def _added(scaled: Floats, rows: Places, counts: Counts) -> tuple[Floats, frozenset[int]]:
    """What is ranked by, float64[n], and which rows the subject did something with."""
    priority = scaled.copy()
    priority[rows] += counts
    return priority, frozenset(rows.tolist())


try:
    from maitred_server.compiled.own import added
except ImportError:  # nothing was compiled here
    added = _added

REASONS: Final = (Reason.POPULAR, Reason.HABIT)


class Habit(Greedy):
    """Ranks by the subject's own counts; popularity, scaled into [0, 1), parts equals and fills the rest."""

    name = "habit"
    weighted = True

    def score(self, situation: Situation) -> Scores:
        own = situation.own
        if own is None:
            return Scores(situation.scaled.copy(), None, REASONS)
        priority, met = added(situation.scaled, own.rows, own.counts)
        return Scores(priority, None, REASONS, met)

"""How the learned policies try things: over priorities on a scale, within a budget, with exact probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from maitred_server.policy.base import CLOSED, Floats, Kind, Recipe, Scores, Situation
from maitred_server.policy.drawing import Drawn, another
from maitred_server.policy.epsilon import Epsilon
from maitred_server.policy.greedy import Best
from maitred_server.policy.habit import Habit
from maitred_server.policy.inverse_gap import InverseGap, learned_gamma
from maitred_server.policy.thompson import Thompson

LEARNED: Final = ("inverse_gap", "thompson", "epsilon", "greedy")
EAGERNESS: Final = 16.0  # of `inverse_gap`: the higher, the less is tried
HABIT: Final = Habit()
_LEAST: Final = 1e-9


class Learned(Habit):
    """A learned policy where nothing can be learned from: it serves as `habit` does, under its own name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Budgeted(Drawn):
    """Another policy for a share of the draws, and the best for the others: the mixture's probabilities, exactly.

    The other policy sees priorities in units of `scale`; 0: of the best open one's size, so that a candidate half as
    good is half a unit behind, whatever a success is worth here.
    """

    def __init__(self, policy: Drawn, share: float, scale: float = 0.0) -> None:
        """`share`: 0 to 1."""
        self.name = policy.name
        self._policy = policy
        self._share = share
        self._scale = scale
        self.recipe = _recipe(policy, share, scale)

    def score(self, situation: Situation) -> Scores:
        """Ranks by habit: what is learned is scored beforehand (see `decide.learned`)."""
        return HABIT.score(situation)

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        """As `Drawn.choose`; where nothing is tried the best, at once."""
        best = int(priority.argmax())
        top = float(priority[best])
        if top == CLOSED:
            return None
        share = self._share
        if share <= 0.0:
            return best, 1.0
        found, left = self._policy.others(priority, best, self._scale or max(abs(top), _LEAST))
        certain = share * left + (1.0 - share)
        if draw < certain:
            return best, certain
        return another(found, (draw - certain) / share, share) or (best, certain)

    def probabilities(self, priority: Floats) -> Floats:
        """The mixture's."""
        best = int(priority.argmax())
        if self._share <= 0.0:
            found = np.zeros(len(priority))
            found[best] = 1.0
            return found
        unit = self._scale or max(abs(float(priority[best])), _LEAST)
        found, left = self._policy.others(priority, best, unit)
        found *= self._share
        found[best] = self._share * left + (1.0 - self._share)
        return found


def _recipe(policy: Drawn, share: float, scale: float) -> Recipe | None:
    if share <= 0.0:
        return Recipe(Kind.BEST)
    if type(policy) is InverseGap:
        return Recipe(Kind.GAP, policy.gamma, share, scale)
    return Recipe(Kind.SHARE, policy.share, share, scale) if type(policy) is Epsilon else None


class Known(NamedTuple):
    """What an exploring policy is told of the model. `deviations`: float64[n] of the first response, when asked for."""

    candidates: int
    exposures: float
    width: int
    deviations: Callable[[], Floats]


def explorer(name: str, known: Known, seed: int, scale: float = 0.0) -> Drawn:
    """The learned policy of a name, for one decision's candidates. `scale`: what counts as a gap of 1; 0: not set."""
    if name == "inverse_gap":
        return InverseGap(learned_gamma(known.candidates, known.exposures, known.width, EAGERNESS))
    if name == "epsilon":
        return Epsilon()
    if name == "greedy":
        return Best()
    return Thompson(known.deviations() / (scale or 1.0), seed)

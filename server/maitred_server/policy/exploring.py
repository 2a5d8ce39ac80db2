"""How the learned policies try things: over priorities on a scale, within a budget, with exact probabilities."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from maitred_server.policy.base import CLOSED, Floats, Scores, Situation
from maitred_server.policy.drawing import Drawn
from maitred_server.policy.epsilon import Epsilon
from maitred_server.policy.greedy import Best
from maitred_server.policy.habit import Habit
from maitred_server.policy.inverse_gap import InverseGap, learned_gamma
from maitred_server.policy.linear import Linear
from maitred_server.policy.thompson import Thompson

LEARNED: Final = ("inverse_gap", "thompson", "epsilon", "greedy")
EAGERNESS: Final = 16.0  # of `inverse_gap`: the higher, the less is tried
HABIT: Final = Habit()
_LEAST: Final = 1e-9


class Learned(Habit):
    """A learned policy where nothing can be learned from: it serves as `habit` does, under its own name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Chooser(Protocol):
    """The half of a policy that chooses; see `base.Policy`."""

    @property
    def name(self) -> str: ...

    def probabilities(self, priority: Floats) -> Floats:
        """The distribution over the rows."""


class Budgeted(Drawn):
    """Another policy for a share of the draws, and the best for the others: the mixture's probabilities, exactly.

    The other policy sees priorities in units of `scale`; 0: of the best open one's size, so that a candidate half as
    good is half a unit behind, whatever a success is worth here.
    """

    weighted = True

    def __init__(self, policy: Chooser, share: float, scale: float = 0.0) -> None:
        """`share`: 0 to 1."""
        self.name = policy.name
        self._policy = policy
        self._share = share
        self._scale = scale

    def score(self, situation: Situation) -> Scores:
        """Ranks by habit: what is learned is scored beforehand (see `learned.predicted`)."""
        return HABIT.score(situation)

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        """As `Drawn.choose`; where nothing is tried the best, at once."""
        if self._share > 0.0:
            return super().choose(priority, draw)
        row = int(priority.argmax())
        return None if priority[row] == CLOSED else (row, 1.0)

    def probabilities(self, priority: Floats) -> Floats:
        best = int(priority.argmax())
        found = np.zeros(len(priority))
        if self._share > 0.0:
            found += self._share * self._policy.probabilities(priority / self._size(float(priority[best])))
        found[best] += 1.0 - self._share
        return found

    def _size(self, best: float) -> float:
        return self._scale or max(abs(best), _LEAST)


def explorer(
    name: str, linear: Linear | None, own: Floats, shared: Floats, worth: Floats, seed: int, scale: float = 0.0
) -> Chooser:
    """The learned policy of a name, for one decision's candidates. `worth`: float64[n], of the first response.

    `own`, `shared`: the features. Without a model nothing is known of how sure it is: `thompson` draws as if its
    predictions were.
    """
    size, exposures = len(own), linear.model.exposures if linear else 0.0
    if name == "inverse_gap":
        return InverseGap(learned_gamma(size, exposures, own.shape[1] + len(shared), EAGERNESS))
    if name == "epsilon":
        return Epsilon()
    if name == "greedy":
        return Best()
    deviations = np.zeros(size) if linear is None else linear.deviations(own, shared) * np.abs(worth)
    return Thompson(deviations / (scale or 1.0), seed)

"""Vowpal Wabbit's contextual bandits with action-dependent features."""

from __future__ import annotations

import numpy as np
import vowpalwabbit
from maitred_server.policy.base import Bools, Floats

from maitred_tools.learn.ours import Chosen


class Vowpal:
    """Each action is a feature of its own, crossed with every feature of the context. Its cost is 1 - reward."""

    def __init__(self, actions: int, options: str, seed: int = 0) -> None:
        self._names = [f"|a {name}" for name in range(actions)]
        self._rows: list[int] = []
        told = f"--cb_explore_adf {options} -q xa --quiet --random_seed {seed + 1}"
        self._workspace = vowpalwabbit.Workspace(told)

    def decide(self, context: str, is_open: Bools, draw: float) -> Chosen:
        """An action and its probability. `context`: as `text` makes it."""
        self._rows = np.flatnonzero(is_open).tolist()
        found = self._workspace.predict("\n".join([context, *(self._names[row] for row in self._rows)]))
        total = np.cumsum(found)
        at = min(int(np.searchsorted(total, draw * total[-1], side="right")), len(self._rows) - 1)
        return self._rows[at], float(found[at] / total[-1])

    def learn(self, context: str, chosen: Chosen, reward: float) -> None:
        """What came of the last decision."""
        action, probability = chosen
        told = f"0:{1.0 - reward}:{probability} "
        lines = [(told if row == action else "") + self._names[row] for row in self._rows]
        self._workspace.learn("\n".join([context, *lines]))


def text(context: Floats) -> str:
    """A context in Vowpal Wabbit's own form: features that are not 0, and a 1 to cross actions with."""
    return "shared |x " + " ".join(f"{at}:{context[at]:.6g}" for at in np.flatnonzero(context)) + " one:1"

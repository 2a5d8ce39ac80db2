"""The `gittins` package: an engine that keeps decisions open until their reward comes."""

from __future__ import annotations

import gittins
import numpy as np
from maitred_server.policy.base import Bools, Floats

from maitred_tools.learn.ours import Chosen

FOR_EVER = 1e12  # seconds until a decision without reward would count as a failure: some rewards stay unknown


class Gittins:
    """Actions are known by name; crossing them with the context is the engine's own work."""

    def __init__(self, actions: int, epsilon: float | None, seed: int = 0, bits: int = 18) -> None:
        told = {} if epsilon is None else {"epsilon": epsilon}
        self._state = gittins.create(bits=bits, horizon=FOR_EVER, **told)
        self._actions: list[tuple[str, dict[str, float]]] = [(f"a{name}", {}) for name in range(actions)]
        self._seed, self._time, self._open = seed, 0.0, ""

    def decide(self, context: dict[str, float], is_open: Bools, draw: float) -> Chosen:
        """An action and its probability. It draws by itself. `context`: as `named` makes it."""
        rows = np.flatnonzero(is_open).tolist()
        self._time += 1.0
        salt = f"{self._seed}-{self._time}"
        found = gittins.decide(self._state, context, [self._actions[row] for row in rows], self._time, salt)
        self._open = found.decision_id
        return rows[found.chosen], float(found.propensity)

    def learn(self, context: dict[str, float], chosen: Chosen, reward: float) -> None:
        """What came of the last decision."""
        gittins.learn(self._state, self._open, reward, self._time)


def named(context: Floats) -> dict[str, float]:
    """A context in the engine's own form: features that are not 0."""
    return {f"x{at}": float(context[at]) for at in np.flatnonzero(context)}

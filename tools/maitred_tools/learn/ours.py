"""The product's own learner, in one process: exact sums, weights, a model, and a policy that draws."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from maitred_server.learn.evidence import PENALTIES
from maitred_server.learn.fixed import UNIT, fixed
from maitred_server.learn.ridge import Shown, Space, Sums
from maitred_server.learn.weights import Families, Fitting, Touched, fit, refit
from maitred_server.policy.base import CLOSED, Bools, Floats
from maitred_server.policy.drawing import Drawn
from maitred_server.policy.epsilon import Epsilon
from maitred_server.policy.inverse_gap import InverseGap, learned_gamma
from maitred_server.policy.linear import Candidates, Linear
from maitred_server.policy.thompson import Thompson

Chosen: TypeAlias = tuple[int, float]


class Setting(NamedTuple):
    """What may be set of ours."""

    policy: str = "inverse_gap"
    eagerness: float = 100.0
    penalties: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    grid: tuple[float, ...] = PENALTIES
    half_life_days: float | None = None
    rounds_a_day: int = 10**9
    again: float = 0.2  # share of new exposures after which all weights are made anew


DEFAULT: Final = Setting()


class Ours:
    """k items without groups, each of one variant; the context is wide at the placement and at the item."""

    def __init__(self, width: int, actions: int, setting: Setting) -> None:
        self._setting, self._actions = setting, actions
        self._sums = Sums(Space.of(width + 1, group=[], variant=[]), 1)
        self._fitting = Fitting(setting.penalties, setting.half_life_days, setting.grid)
        none = np.zeros(0, np.uint64)
        self._items = np.arange(1, actions + 1, dtype=np.uint64)
        self._candidates = Candidates(self._items, self._items, none, none.astype(np.int32))
        self._families = Families({}, {int(item): int(item) for item in self._items})
        self._seen, self._fitted = 0, 0
        self._own = np.zeros((actions, 0))
        self._refit(None)

    def decide(self, context: Floats, is_open: Bools, draw: float) -> Chosen:
        """An action and its probability."""
        shared = np.append(context, 1.0)
        predicted = self._linear.predict(self._own, shared)[0]
        scale = self._linear.model.deviation()
        priority = np.where(is_open, predicted / scale, CLOSED)
        chosen = self._policy(priority, shared, scale).choose(priority, draw)
        assert chosen is not None
        return chosen

    def learn(self, context: Floats, chosen: Chosen, reward: float) -> None:
        """What came of a decision."""
        row = np.zeros(1, np.int32)
        item = self._items[chosen[0] : chosen[0] + 1]
        features = fixed(np.append(context, 1.0))[None]
        response = np.array([[round(reward * UNIT)]], np.int32)
        day = row + self._day
        self._sums.add(Shown(day, item, item, item[:0], row[:0], features, response))
        self._seen += 1
        self._refit(item)

    def _policy(self, priority: Floats, shared: Floats, scale: float) -> Drawn:
        setting = self._setting
        if setting.policy == "epsilon":
            return Epsilon(setting.eagerness)
        if setting.policy == "thompson":
            deviations = self._linear.deviations(self._own, shared) * setting.eagerness / scale
            return Thompson(deviations, self._seen)
        opened = int(np.count_nonzero(priority > CLOSED))
        return InverseGap(learned_gamma(opened, self._linear.model.exposures, len(shared), setting.eagerness))

    @property
    def _day(self) -> int:
        return self._seen // self._setting.rounds_a_day

    def _refit(self, item: np.ndarray | None) -> None:
        if item is None or self._seen >= self._fitted * (1.0 + self._setting.again):
            self._weights = fit(self._sums, self._families, self._fitting, self._day)
            self._fitted = self._seen
        else:
            touched = Touched(item[:0], item, item[:0])
            self._weights = refit(self._weights, self._sums, self._families, touched, self._day)
        self._linear = Linear(self._weights.model(), self._candidates, 0)

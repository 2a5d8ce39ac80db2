"""Headlines of real tests as bandits without context: what a policy loses against always showing the best one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from maitred_server.learn.fixed import UNIT
from maitred_server.learn.ridge import Shown, Space, Sums
from maitred_server.learn.weights import Families, Fitting, fit
from maitred_server.policy.base import Floats
from maitred_server.policy.epsilon import Epsilon
from maitred_server.policy.inverse_gap import InverseGap, learned_gamma
from maitred_server.policy.linear import Candidates, Linear
from maitred_server.policy.thompson import Thompson

from maitred_tools.learn.data import SHARED
from maitred_tools.learn.ours import DEFAULT

UNSOUND: Final = 0.001  # a sample-ratio check below this p fails a test
BATCH: Final = 100  # impressions between two updates: what is published once a second cannot be newer

Counts = npt.NDArray[np.int64]


class Rule(Protocol):
    """Splits the next impressions over the arms, knowing impressions and clicks so far."""

    def __call__(self, shown: Counts, clicks: Counts, chance: np.random.Generator) -> Floats: ...


def tests() -> list[Floats]:
    """Click rates of the arms of each test that passes the sample-ratio check."""
    import pyarrow.parquet as parquet
    from scipy.stats import chisquare

    names = ["clickability_test_id", "impressions", "clicks"]
    columns = parquet.read_table(SHARED / "upworthy" / "upworthy.parquet", columns=names).to_pydict()
    arms: dict[str, list[tuple[int, int]]] = {}
    for name, impressions, clicks in zip(*columns.values(), strict=True):
        arms.setdefault(name, []).append((impressions, clicks))
    sound = (np.array(found) for found in arms.values() if len(found) > 1)
    return [found[:, 1] / found[:, 0] for found in sound if chisquare(found[:, 0]).pvalue >= UNSOUND]


def uniform(shown: Counts, clicks: Counts, chance: np.random.Generator) -> Floats:
    """All alike."""
    return np.full(len(shown), 1.0 / len(shown))


def epsilon_greedy(shown: Counts, clicks: Counts, chance: np.random.Generator) -> Floats:
    """A tenth at random, the rest to the highest click rate so far."""
    rates = np.divide(clicks, shown, out=np.zeros(len(shown)), where=shown > 0)
    return Epsilon(0.1).probabilities(rates)


def beta_thompson(shown: Counts, clicks: Counts, chance: np.random.Generator) -> Floats:
    """Each impression to the best of draws from Beta(1 + clicks, 1 + others)."""
    draws = chance.beta(1 + clicks, 1 + shown - clicks, (BATCH, len(shown)))
    return np.bincount(draws.argmax(1), minlength=len(shown)) / BATCH


class Learned:
    """Ours, for one test: sums, weights, a model and a policy. One item an arm, and no feature but the 1."""

    def __init__(self, policy: str, eagerness: float = DEFAULT.eagerness) -> None:
        self._policy, self._eagerness = policy, eagerness
        self._sums = Sums(Space.of(1, group=[], variant=[]), 1)
        self._known: tuple[Counts, Counts] | None = None

    def __call__(self, shown: Counts, clicks: Counts, chance: np.random.Generator) -> Floats:
        """The split that the model of these counts leads to."""
        size = len(shown)
        before = self._known or (np.zeros(size, np.int64), np.zeros(size, np.int64))
        self._known = shown.copy(), clicks.copy()
        self._add(shown - before[0], clicks - before[1])
        linear = Linear(
            fit(self._sums, Families({}, {}), Fitting(DEFAULT.penalties, grid=DEFAULT.grid)).model(),
            _candidates(size),
            0,
        )
        scale, own, shared = linear.model.deviation(), np.zeros((size, 0)), np.ones(1)
        priority = linear.predict(own, shared)[0] / scale
        if self._policy == "thompson":
            deviations = linear.deviations(own, shared) / scale
            return Thompson(deviations, int(chance.integers(2**32))).probabilities(priority)
        gamma = learned_gamma(size, linear.model.exposures, 1, self._eagerness)
        return InverseGap(gamma).probabilities(priority)

    def _add(self, shown: Counts, clicks: Counts) -> None:
        yes = np.concatenate([np.arange(each) < hits for each, hits in zip(shown, clicks, strict=True)])
        keys, size = np.repeat(_candidates(len(shown)).items, shown), int(shown.sum())
        none = np.zeros(0, np.int32)
        features, responses = np.full((size, 1), UNIT, np.int16), (yes[:, None] * UNIT).astype(np.int32)
        self._sums.add(Shown(np.zeros(size, np.int32), keys, keys, keys[:0], none, features, responses))


def _candidates(size: int) -> Candidates:
    items = np.arange(1, size + 1, dtype=np.uint64)
    return Candidates(items, items, items[:0], np.zeros(0, np.int32))


RULES: Final[dict[str, Callable[[], Rule]]] = {
    "ours_inverse_gap": lambda: Learned("inverse_gap"),
    "ours_thompson": lambda: Learned("thompson"),
    "uniform": lambda: uniform,
    "epsilon_greedy": lambda: epsilon_greedy,
    "beta_thompson": lambda: beta_thompson,
}


def regret(rates: Floats, rule: Rule, impressions: int, seed: int) -> float:
    """Expected clicks lost against the best arm over so many impressions, updated after each batch."""
    chance = np.random.default_rng([13, seed])
    shown, clicks = np.zeros(len(rates), np.int64), np.zeros(len(rates), np.int64)
    for _ in range(impressions // BATCH):
        split = rule(shown, clicks, chance)
        more = chance.multinomial(BATCH, split / split.sum())
        shown += more
        clicks += chance.binomial(more, rates)
    return float((shown * (rates.max() - rates)).sum())


class Lost(NamedTuple):
    """A run of one rule over one test."""

    rule: str
    test: int
    impressions: int


def lose(task: Lost) -> float:
    """Runs it; for a process of its own."""
    return regret(_sampled()[task.test], RULES[task.rule](), task.impressions, task.test)


@cache
def _sampled() -> list[Floats]:
    found = tests()
    return [found[at] for at in np.random.default_rng(17).permutation(len(found))]

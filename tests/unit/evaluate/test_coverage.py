"""Intervals cover the truth as often as they say, on logs drawn from a world where the truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from maitred_server.evaluate.log import Candidates, Floats, Log, Target
from maitred_server.evaluate.report import Evaluation, Options, evaluate


class World(NamedTuple):
    """Two kinds of contexts, some actions; rewards are 0 or 1. Shape of all: float64[2, actions]."""

    old: Floats
    new: Floats
    worth: Floats

    @property
    def truth(self) -> float:
        return float((self.new * self.worth).sum() / 2)

    @property
    def difference(self) -> float:
        return self.truth - float((self.old * self.worth).sum() / 2)


def world(actions: int, seed: int) -> World:
    rng = np.random.default_rng(seed)
    old, new = (rng.dirichlet(np.full(actions, 3.0), 2) for _ in range(2))
    return World(old * 0.8 + 0.2 / actions, new, rng.uniform(0.1, 0.5, (2, actions)))


def drawn(of: World, decisions: int, rng: np.random.Generator, per_subject: int = 1) -> tuple[Log, Target]:
    """A log of one-slot decisions. Subjects with several decisions get the same context, action and reward in all."""
    actions = of.old.shape[1]
    subjects = decisions // per_subject
    kind = rng.integers(0, 2, subjects)
    action = np.minimum((of.old[kind].cumsum(axis=1) < rng.random((subjects, 1))).sum(axis=1), actions - 1)
    reward = (rng.random(subjects) < of.worth[kind, action]).astype(np.float64)
    kind, action, reward = (np.repeat(column, per_subject) for column in (kind, action, reward))
    starts = np.arange(decisions + 1) * actions
    candidates = Candidates(starts, np.tile(np.arange(actions), decisions), starts[:-1] + action)
    log = Log(
        decision=np.arange(decisions),
        rank=np.zeros(decisions, np.int64),
        slot=np.ones(decisions, np.int64),
        action=action,
        actions=tuple(f"a{number}" for number in range(actions)),
        probability=of.old[kind, action],
        reward=reward,
        cluster=np.repeat(np.arange(subjects), per_subject),
        features=np.asarray(kind[:, None] * 2.0 - 1.0, np.float64),
        candidates=candidates,
        source_row=np.arange(decisions),
    )
    whole = of.new[kind].ravel()
    return log, Target("new", whole[candidates.chosen], whole)


def evaluated(log: Log, target: Target, resamples: int) -> Evaluation:
    return evaluate(log, target, Options(resamples=resamples), lambda done, of: None)


def misses(of: World, logs: int, decisions: int, resamples: int, per_subject: int = 1) -> dict[str, int]:
    """How often each kind of interval left out the truth."""
    rng = np.random.default_rng(7)
    found: dict[str, int] = {}
    for _ in range(logs):
        for one in evaluated(*drawn(of, decisions, rng, per_subject), resamples).estimates:
            for kind, interval, truth in (
                ("normal", one.normal, of.truth),
                ("bootstrap", one.bootstrap, of.truth),
                ("difference", one.difference_normal, of.difference),
                ("difference's bootstrap", one.difference_bootstrap, of.difference),
            ):
                name = f"{one.name} {kind}"
                found[name] = found.get(name, 0) + (not interval.low <= truth <= interval.high)
    return found


UNBIASED = ("DR", "IPS", "SNIPS")


def most(logs: int, level: float = 0.05) -> float:
    """Misses that chance explains: four standard deviations over what is due, and a hundredth for small samples."""
    return logs * (level + 0.01) + 4 * float(np.sqrt(logs * level * (1 - level)))


def test_intervals_cover() -> None:
    """Of 95% intervals on 60 logs of 400 decisions few leave out the truth, for each unbiased estimator."""
    found = misses(world(4, 1), logs=60, decisions=400, resamples=200)
    assert {name: n for name, n in found.items() if name.startswith(UNBIASED) and n > most(60)} == {}


def test_intervals_that_ignore_clusters_do_not_cover() -> None:
    """The check can fail: ten equal decisions of each subject, taken for independent ones, leave out the truth."""
    rng = np.random.default_rng(7)
    of = world(4, 1)
    missed = 0
    for _ in range(60):
        log, target = drawn(of, 2_000, rng, per_subject=10)
        first = evaluated(log._replace(cluster=np.arange(2_000)), target, 100).estimates[0]
        missed += not first.normal.low <= of.truth <= first.normal.high
    assert missed > most(60)


def test_verdicts_are_right_where_the_difference_is_large() -> None:
    """The best actions are better than chance, the worst are worse, and chance against itself cannot be told."""
    worth = np.array([[0.1, 0.5], [0.5, 0.1]])
    even, best = np.full((2, 2), 0.5), np.array([[0.1, 0.9], [0.9, 0.1]])
    policies = {"better": best, "worse": 1 - best, "cannot be told": even}
    for word, new in policies.items():
        found = evaluated(*drawn(World(even, new, worth), 3_000, np.random.default_rng(3)), 300)
        assert found.verdict.word == word, found.verdict.sentence


@pytest.mark.slow
@pytest.mark.parametrize("per_subject", [1, 5])
@pytest.mark.parametrize("seed", [1, 2])
def test_intervals_cover_over_many_logs(seed: int, per_subject: int) -> None:
    """1,000 logs of 1,000 subjects, alone and in clusters: 95% intervals leave out the truth as often as they say."""
    found = misses(world(6, seed), 1_000, 1_000 * per_subject, 400, per_subject)
    print({name: 1 - n / 1_000 for name, n in found.items()})  # noqa: T201
    assert {name: n for name, n in found.items() if name.startswith(UNBIASED) and n > most(1_000)} == {}


@pytest.mark.slow
def test_a_policy_against_itself_is_seldom_told_apart() -> None:
    """1,000 logs of a policy against itself, rewards rare: at most about 1 in 20 is called better or worse."""
    of = world(20, 4)
    same = World(of.old, of.old, of.worth / 10)
    rng = np.random.default_rng(9)
    told = [evaluated(*drawn(same, 3_000, rng), 400).verdict.word for _ in range(1_000)]
    print({word: told.count(word) for word in set(told)})  # noqa: T201
    assert 1_000 - told.count("cannot be told") <= most(1_000)

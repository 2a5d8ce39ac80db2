"""The reward model: closed forms, and no row is predicted by a model that has seen it."""

from __future__ import annotations

import numpy as np
import pytest
from maitred_server.evaluate import reward_model
from maitred_server.evaluate.estimators.base import Predictions
from maitred_server.evaluate.log import Candidates, Floats, Log, Target

ROWS = 300


def log_of(reward: Floats, features: Floats | None = None, per_subject: int = 1) -> Log:
    """One slot, three actions in turn."""
    action = np.arange(ROWS) % 3
    starts = np.arange(ROWS + 1) * 3
    return Log(
        decision=np.arange(ROWS),
        rank=np.zeros(ROWS, np.int64),
        slot=np.ones(ROWS, np.int64),
        action=action,
        actions=("a", "b", "c"),
        probability=np.full(ROWS, 1 / 3),
        reward=reward,
        cluster=np.arange(ROWS) // per_subject,
        features=np.zeros((ROWS, 0)) if features is None else features,
        candidates=Candidates(starts, np.tile(np.arange(3), ROWS), starts[:-1] + action),
        source_row=np.arange(ROWS),
    )


def predicted(log: Log, shares: tuple[float, float, float] = (0.2, 0.3, 0.5)) -> Predictions:
    whole = np.tile(shares, ROWS)
    assert log.candidates is not None
    found = reward_model.predict(log, Target("new", whole[log.candidates.chosen], whole), np.random.default_rng(4))
    assert found is not None
    return found


def test_without_features_it_is_a_shrunken_mean() -> None:
    """The mean of the other folds, and what the action adds there as if 20 rows more had added nothing."""
    reward = np.random.default_rng(0).random(ROWS)
    log = log_of(reward)
    fold = reward_model._folds(log, np.random.default_rng(4))
    found = predicted(log)
    for row in (0, 100, 299):
        others = fold != fold[row]
        mean = reward[others].mean()
        added = [
            (reward[mine] - mean).sum() / (mine.sum() + reward_model.PRIOR_ROWS)
            for mine in (others & (log.action == action) for action in range(3))
        ]
        assert found.logged[row] == pytest.approx(mean + added[log.action[row]], rel=1e-9)
        assert found.expected[row] == pytest.approx(mean + np.dot((0.2, 0.3, 0.5), added), rel=1e-9)


@pytest.mark.parametrize("features", [None, np.random.default_rng(1).normal(size=(ROWS, 2))])
@pytest.mark.parametrize("per_subject", [1, 10])
def test_a_row_is_predicted_by_what_others_did(features: Floats | None, per_subject: int) -> None:
    """Other rewards of a subject change no prediction of its own rows, and some of others'."""
    reward = np.random.default_rng(0).random(ROWS)
    other = reward.copy()
    other[:per_subject] += 100
    before, after = (predicted(log_of(rewards, features, per_subject)) for rewards in (reward, other))
    for one, two in zip(before, after, strict=True):
        assert one[:per_subject] == pytest.approx(two[:per_subject], rel=1e-12)
        assert (np.abs(one - two) > 0.01).any()


def test_slopes_are_found() -> None:
    """What every action earns with a feature, and what only one does."""
    feature = np.random.default_rng(1).normal(size=(ROWS, 1))
    reward = 1 + 0.5 * feature[:, 0] + np.where(np.arange(ROWS) % 3 == 2, 2 * feature[:, 0], 0)
    found = predicted(log_of(reward, feature), (0.0, 0.0, 1.0))
    assert found.expected == pytest.approx(1 + 2.5 * feature[:, 0], abs=1.5)
    assert np.corrcoef(found.logged, reward)[0, 1] > 0.98


def test_many_sums_leave_actions_without_slopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound an action gets a mean and no slope; the slot keeps its slopes."""
    monkeypatch.setattr(reward_model, "MOST_NUMBERS", 10)
    feature = np.random.default_rng(1).normal(size=(ROWS, 1))
    found = predicted(log_of(1 + 0.5 * feature[:, 0], feature))
    assert found.expected == pytest.approx(1 + 0.5 * feature[:, 0], abs=0.02)


def test_no_model_without_the_whole_policy() -> None:
    """When only the logged actions' probabilities are known nothing can be asked of a model."""
    log = log_of(np.ones(ROWS))
    assert reward_model.predict(log, Target("new", log.probability, None), np.random.default_rng(4)) is None

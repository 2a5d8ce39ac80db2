"""The published figures of the Open Bandit logs come out: Thompson sampling, told from the uniform random log.

The figures are those of the dataset's own quick start: IPW .004553, DM .003545 and DR .004727; relative errors against
what Thompson sampling itself earned .0840, .1560 and .1255; an effective sample of about 1,641; percentiles of the
bootstrap of IPW from .0016 to .0091.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from maitred_server.evaluate.build import build
from maitred_server.evaluate.estimators.base import Predictions
from maitred_server.evaluate.intervals import resample
from maitred_server.evaluate.log import Floats, Ints, Log, Target
from maitred_server.evaluate.report import Evaluation, Options, evaluate
from maitred_server.evaluate.table import Table
from maitred_server.evaluate.weights import effective_size

pytest.importorskip("pyarrow")
from pyarrow import parquet

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "tests" / "data" / "open_bandit"
SHARED = ROOT.parent / "shared" / "data" / "open_bandit"
FIELDS = {"action": "item_id", "slot": "position", "probability": "propensity", "reward": "click"}
DRAWS = 100_000
SEED = 12_345  # the quick start's; numpy's old generator of this seed gives its very draws


@dataclass
class Data:
    """Both logs, as columns, and what Thompson sampling believed."""

    random: dict[str, list[Any]]
    bts: dict[str, list[Any]]
    alpha: Floats
    beta: Floats
    items: dict[str, list[Any]]

    @cached_property
    def chances(self) -> Floats:
        """As the quick start draws them."""
        return shown_at(self, np.random.RandomState(SEED))


def data(folder: Path, prior: str) -> Data:
    columns = parquet.read_table(folder / "log_all.parquet").to_pydict()
    rows = {name: [i for i, one in enumerate(columns["policy"]) if one == name] for name in ("random", "bts")}
    of = {name: {key: [cells[i] for i in at] for key, cells in columns.items()} for name, at in rows.items()}
    beliefs = yaml.safe_load((folder / prior).read_text())["all"]
    items = parquet.read_table(folder / "item_context_all.parquet").to_pydict()
    return Data(of["random"], of["bts"], np.array(beliefs["alpha"]), np.array(beliefs["beta"]), items)


@pytest.fixture(scope="module", params=["sample", "full"])
def bandit(request: pytest.FixtureRequest) -> Data:
    if request.param == "sample":
        return data(SAMPLE, "bts_prior_all.yaml")
    if not SHARED.exists():
        pytest.skip("the full Open Bandit logs are not here; the part in tests/data is tested")
    return data(SHARED, "bts_prior.yaml")


def shown_at(bandit: Data, rng: np.random.RandomState | np.random.Generator) -> Floats:
    """How often each item is drawn into each position: float64[80, 3]. The three highest draws, in order."""
    counts = np.zeros((len(bandit.alpha), 3))
    for _ in range(10):
        draws = rng.beta(bandit.alpha, bandit.beta, (DRAWS // 10, len(bandit.alpha)))
        best = np.argsort(draws, axis=1)[:, ::-1][:, :3]
        for place in range(3):
            counts[:, place] += np.bincount(best[:, place], minlength=len(bandit.alpha))
    return counts / DRAWS


def log_of(bandit: Data) -> Log:
    columns = {field: bandit.random[name] for field, name in FIELDS.items()}
    return build(Table(columns, range(1, len(columns["action"]) + 1), "row"))


def thompson(log: Log, chances: Floats) -> Target:
    assert log.candidates is not None
    item = np.array([int(name) for name in log.actions])
    whole = chances[item[log.candidates.action], log.slot[log.candidates.row] - 1]
    return Target("bts", whole[log.candidates.chosen], whole)


def evaluated(bandit: Data, predictions: bool = False) -> Evaluation:
    log = log_of(bandit)
    target = thompson(log, bandit.chances)
    return evaluate(
        log, target, Options(), lambda done, of: None, logistic(bandit, log, target) if predictions else None
    )


def values(found: Evaluation) -> dict[str, float]:
    return {one.name: one.value for one in found.estimates}


def relative_error(bandit: Data, value: float) -> float:
    truth = float(np.mean(bandit.bts["click"]))
    return abs(value - truth) / truth


class Error(NamedTuple):
    """Standard deviations over seeds of the draws."""

    value: float
    sample: float


@pytest.fixture(scope="module")
def error() -> Error:
    """How far 100,000 draws may be off, from six other seeds."""
    bandit = data(SAMPLE, "bts_prior_all.yaml")
    log = log_of(bandit)
    targets = [thompson(log, shown_at(bandit, np.random.default_rng(seed))) for seed in range(6)]
    weights = [target.logged / log.probability for target in targets]
    found = [(float((one * log.reward).mean()), effective_size(one)) for one in weights]
    return Error(*(float(one) for one in np.std(found, axis=0, ddof=1)))


def test_ips_is_the_published_one(bandit: Data, error: Error) -> None:
    """Value, ratio to the random policy, relative error and effective sample, to their last published digit."""
    found = evaluated(bandit)
    assert round(values(found)["IPS"], 6) == 0.004553
    assert round(values(found)["IPS"] / found.logged.value, 3) == 1.198
    assert round(relative_error(bandit, values(found)["IPS"]), 4) == 0.0840
    assert found.effective_sample == pytest.approx(1_641, abs=3 * error.sample)
    assert found.logged.value == np.mean(bandit.random["click"])


def test_the_direct_method_and_doubly_robust_are_the_published_ones(bandit: Data) -> None:
    """With the reward model of the quick start, a logistic regression for each position."""
    found = values(evaluated(bandit, predictions=True))
    assert (round(found["DM"], 6), round(found["DR"], 6)) == (0.003545, 0.004727)
    assert round(relative_error(bandit, found["DM"]), 4) == 0.1560
    assert round(relative_error(bandit, found["DR"]), 4) == 0.1255


def test_the_intervals_cover_what_thompson_sampling_earned(bandit: Data) -> None:
    """Every interval of the weighted estimators holds its own click rate, and none can tell it from chance."""
    found = evaluated(bandit)
    truth = float(np.mean(bandit.bts["click"]))
    weighted = [one for one in found.estimates if one.name in ("DR", "SNIPS", "IPS")]
    assert [one.name for one in weighted if not one.normal.low <= truth <= one.normal.high] == []
    assert [one.name for one in weighted if not one.bootstrap.low <= truth <= one.bootstrap.high] == []
    assert found.verdict.word == "cannot be told"


def test_percentiles_of_the_bootstrap_are_the_published_ones(bandit: Data) -> None:
    """The published interval is of the percentiles of 100 resamples; many more, as we draw them, are near it."""
    log = log_of(bandit)
    terms = thompson(log, bandit.chances).logged / log.probability * log.reward
    old = np.random.RandomState(SEED)
    published = np.percentile([old.choice(terms, len(terms)).mean() for _ in range(100)], (2.5, 97.5))
    assert [round(end, 4) for end in published] == [0.0016, 0.0091]
    sums = resample(terms[:, None], 2_000, np.random.default_rng(1), lambda done, of: None)
    assert np.percentile(sums / len(terms), (2.5, 97.5)) == pytest.approx(published, abs=0.0008)


def test_the_draws_of_other_seeds_change_little(error: Error) -> None:
    """Between seeds IPS varies by less than a hundredth of itself, and the effective sample by less than five."""
    assert 0 < error.value < 0.01 * 0.004553
    assert 0 < error.sample < 5


def logistic(bandit: Data, log: Log, target: Target) -> Predictions:
    """The quick start's model: users' features as 0 or 1, items' as numbers, three folds, each position by itself."""
    assert log.candidates is not None
    assert target.whole is not None
    users, items = _users(bandit)[log.source_row], _items(bandit)
    item = np.array([int(name) for name in log.actions])
    logged = np.empty(len(log.slot))
    expected = np.empty(len(log.slot))
    whole = target.whole.reshape(len(log.slot), len(log.actions))
    for fold in _folds(len(log.slot)):
        for slot in (1, 2, 3):
            here = log.slot == slot
            train, test = here & ~fold[log.source_row], here & fold[log.source_row]
            known = np.concatenate([users[train], items[item[log.action[train]]]], axis=1)
            weights = _fit(known, log.reward[train])
            split = users.shape[1]
            score = (users[test] @ weights[:split])[:, None] + items[item] @ weights[split:-1] + weights[-1]
            chance = 1 / (1 + np.exp(-score))
            logged[test] = chance[np.arange(len(chance)), log.action[test]]
            expected[test] = (chance * whole[test]).sum(axis=1)
    return Predictions(logged, expected)


def _users(bandit: Data) -> Floats:
    columns = []
    for number in range(4):
        texts = np.array(bandit.random[f"user_feature_{number}"])
        columns.append(texts[:, None] == np.unique(texts)[None, 1:])
    return np.concatenate(columns, axis=1).astype(np.float64)


def _items(bandit: Data) -> Floats:
    coded = [np.unique(bandit.items[f"item_feature_{number}"], return_inverse=True)[1] for number in (1, 2, 3)]
    return np.stack([np.array(bandit.items["item_feature_0"]), *coded], axis=1).astype(np.float64)


def _folds(rows: int) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    order: Ints = np.arange(rows)
    np.random.RandomState(SEED).shuffle(order)
    return [np.isin(np.arange(rows), part) for part in np.array_split(order, 3)]


def _fit(features: Floats, reward: Floats) -> Floats:
    """Logistic regression with a ridge of 1 on all but the intercept, by Newton's method."""
    known = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    ridge = np.ones(known.shape[1])
    ridge[-1] = 0
    weights = np.zeros(known.shape[1])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-known @ weights))
        slope = known.T @ (chance - reward) + ridge * weights
        bend = (known * (chance * (1 - chance))[:, None]).T @ known + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max() < 1e-10:
            return weights
    raise AssertionError("Newton's method did not settle")

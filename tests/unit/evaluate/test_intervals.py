"""Intervals against closed forms and against themselves."""

from __future__ import annotations

import numpy as np
import pytest
from maitred_server.evaluate import intervals
from maitred_server.evaluate.estimators.base import Estimator, mean
from maitred_server.evaluate.intervals import Spread, resample, spread, units
from maitred_server.evaluate.log import Floats


def quiet(done: int, of: int) -> None:
    assert done <= of


def spread_of(one: Estimator, cluster: Floats | None = None, resamples: int = 2_000, seed: int = 1) -> Spread:
    rng = np.random.default_rng(seed)
    clusters = np.arange(len(one.columns)) if cluster is None else cluster.astype(np.int64)
    sums = units(one.columns, clusters, rng)
    return spread(one.value, sums, resample(sums, resamples, rng, quiet), 0.95)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    """sd / sqrt(n), with n - 1 in the variance."""
    values = np.random.default_rng(0).exponential(size=200)
    found = spread_of(mean("m", "", values))
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(200), rel=1e-9)
    assert found.normal.high - found.normal.low == pytest.approx(2 * 1.959964 * found.error, rel=1e-6)


def test_the_jackknife_of_a_ratio_is_near_the_delta_method() -> None:
    """For a ratio of means the two agree up to terms of 1/n."""
    rng = np.random.default_rng(0)
    below = rng.uniform(0.5, 2, 5_000)
    above = below * 0.4 + rng.normal(0, 0.1, 5_000)
    one = Estimator("r", "", np.stack([above, below], axis=1), lambda sums: sums[..., 0] / sums[..., 1])
    residual = (above - one.estimate * below) / below.mean()
    assert spread_of(one, resamples=100).error == pytest.approx(residual.std(ddof=1) / np.sqrt(5_000), rel=1e-2)


def test_the_bootstrap_of_a_symmetric_mean_is_near_the_normal_interval() -> None:
    """Both ends, within a tenth of the width."""
    found = spread_of(mean("m", "", np.random.default_rng(3).normal(size=400)), resamples=4_000)
    width = found.normal.high - found.normal.low
    assert found.bootstrap == pytest.approx(found.normal, abs=width / 10)


def test_the_bootstrap_leans_with_the_skew() -> None:
    """Of rare rewards the upper end is further away than the lower one, which does not pass 0."""
    values = np.zeros(2_000)
    values[:6] = 1.0
    found = spread_of(mean("m", "", values))
    assert found.bootstrap.low > 0
    assert found.normal.low == pytest.approx(0.0006, abs=2e-4)
    assert found.bootstrap.high - found.value > 1.2 * (found.value - found.bootstrap.low)


def test_clusters_widen_intervals() -> None:
    """Each value written ten times by one subject tells no more than once."""
    values = np.random.default_rng(0).normal(size=100)
    ten = mean("m", "", np.repeat(values, 10))
    alone = spread_of(mean("m", "", values))
    assert spread_of(ten, np.repeat(np.arange(100.0), 10)).error == pytest.approx(alone.error, rel=1e-9)
    assert spread_of(ten).error < alone.error / 3


def test_many_units_are_dealt_into_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost, and the error stays what it is."""
    monkeypatch.setattr(intervals, "MOST_UNITS", 500)
    values = np.random.default_rng(0).normal(1, 1, 10_000)
    one = mean("m", "", values)
    sums = units(one.columns, np.arange(10_000), np.random.default_rng(1))
    assert sums.shape == (500, 2)
    assert set(sums[:, 1]) == {20.0}
    assert sums[:, 0].sum() == pytest.approx(values.sum())
    assert spread_of(one).error == pytest.approx(values.std() / 100, rel=0.1)


def test_what_never_varies_has_an_interval_of_one_point() -> None:
    """A constant is certain."""
    found = spread_of(mean("m", "", np.full(50, 0.25)))
    assert (*found.normal, *found.bootstrap) == (0.25, 0.25, 0.25, 0.25)


def test_resampling_is_the_same_for_a_seed_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of draws are there for memory alone."""
    sums = np.random.default_rng(0).normal(size=(40, 3))
    whole = resample(sums, 150, np.random.default_rng(5), quiet)
    monkeypatch.setattr(intervals, "_BLOCK", 400)
    assert resample(sums, 150, np.random.default_rng(5), quiet) == pytest.approx(whole, rel=1e-12)

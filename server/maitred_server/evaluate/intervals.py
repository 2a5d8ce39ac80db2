"""Intervals: asymptotic by the jackknife, and by the bootstrap; over clusters when decisions share them.

BCa: Efron, Better Bootstrap Confidence Intervals, 1987. The jackknife's variance: Efron and Stein, 1981. Both take the
reward model as given.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple, TypeAlias

import numpy as np

from maitred_server.evaluate.estimators.base import Value
from maitred_server.evaluate.log import Floats, Ints

MOST_UNITS = 20_000
_BLOCK = 4 << 20  # draws at once

Told: TypeAlias = Callable[[int, int], None]  # resamples done, of how many


class Interval(NamedTuple):
    """Ends of an interval."""

    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        return Interval(self.low * factor, self.high * factor)


class Spread(NamedTuple):
    """What is known about the error of an estimate."""

    value: float
    error: float  # standard error
    normal: Interval
    bootstrap: Interval


def units(columns: Floats, cluster: Ints, rng: np.random.Generator) -> Floats:
    """Sums of float64[D, M] by cluster: float64[U, M].

    More than MOST_UNITS clusters are dealt at random into that many groups of equal size, give or take one: the means'
    variance and skewness stay what they are, and the work is bounded.
    """
    _, unit = np.unique(cluster, return_inverse=True)
    count = int(unit.max(initial=-1)) + 1
    if count > MOST_UNITS:
        unit, count = (rng.permutation(count) % MOST_UNITS)[unit], MOST_UNITS
    return np.stack([np.bincount(unit, column, count) for column in columns.T], axis=1)


def resample(sums: Floats, resamples: int, rng: np.random.Generator, told: Told) -> Floats:
    """Totals of `resamples` draws, with replacement, of as many units as there are: float64[resamples, M]."""
    size = len(sums)
    rows = max(1, _BLOCK // size)
    totals = []
    for done in range(0, resamples, rows):
        drawn = rng.integers(0, size, (min(rows, resamples - done), size))
        counts = np.stack([np.bincount(one, minlength=size) for one in drawn])
        totals.append(counts @ sums)
        told(min(done + rows, resamples), resamples)
    return np.concatenate(totals)


def spread(value: Value, sums: Floats, resampled: Floats, confidence: float) -> Spread:
    """`sums`: float64[U, m], U at least 2; `resampled`: totals float64[B, m]."""
    total = sums.sum(axis=0)
    estimate = float(value(total))
    left_out = value(total - sums)
    pull = left_out.mean() - left_out
    error = float(np.sqrt((len(sums) - 1) / len(sums) * (pull @ pull)))
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    normal = Interval(estimate - reach, estimate + reach)
    return Spread(estimate, error, normal, _bca(estimate, value(resampled), pull, confidence))


def _bca(estimate: float, replicas: Floats, pull: Floats, confidence: float) -> Interval:
    """Bias-corrected and accelerated; percentiles of the replicas where a correction cannot be told."""
    standard = NormalDist()
    below = float((replicas < estimate).mean() + (replicas == estimate).mean() / 2)
    squares = float(pull @ pull)
    if not 0 < below < 1 or not squares:
        return _percentiles(replicas, (1 - confidence) / 2, (1 + confidence) / 2)
    bias = standard.inv_cdf(below)
    acceleration = float((pull**3).sum()) / (6 * squares**1.5)

    def place(share: float) -> float:
        shifted = bias + standard.inv_cdf(share)
        return standard.cdf(bias + shifted / max(1e-9, 1 - acceleration * shifted))

    return _percentiles(replicas, place((1 - confidence) / 2), place((1 + confidence) / 2))


def _percentiles(replicas: Floats, low: float, high: float) -> Interval:
    return Interval(*(float(one) for one in np.quantile(replicas, (low, high))))

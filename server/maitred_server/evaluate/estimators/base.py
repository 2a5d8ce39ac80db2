"""What an estimator is: columns over decisions, and a function of their sums.

So one resampling of sums serves every estimator, and leaving one decision out costs a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from maitred_server.evaluate.log import Floats, Log
from maitred_server.evaluate.weights import Weights

# What an estimator needs to hold.
PROBABILITIES = "the logged probabilities are right"
CASCADE = "they are, and a slot earns the same whatever is filled after it"
INDEPENDENT = "they are, and slots are drawn, and earn, independently of each other"
MODEL = "the reward model is right (intervals leave out its errors)"

Value: TypeAlias = Callable[[Floats], Floats]  # sums float64[..., m] -> float64[...]


class Estimator(NamedTuple):
    """`columns`: float64[D, m]; `value(columns.sum(0))` is the estimate."""

    name: str
    assumes: str
    columns: Floats
    value: Value

    @property
    def estimate(self) -> float:
        return float(self.value(self.columns.sum(0)))


class Predictions(NamedTuple):
    """What a reward model says, each row by a model that was not fitted on it."""

    logged: Floats  # float64[n]: reward of the logged action
    expected: Floats  # float64[n]: reward expected under the new policy, given the slots before


class Case(NamedTuple):
    """All that estimators look at."""

    log: Log
    weights: Weights
    predictions: Predictions | None
    clip: float


def mean(name: str, assumes: str, terms: Floats) -> Estimator:
    """The mean of a term of each decision: float64[D]."""
    return Estimator(name, assumes, np.stack([terms, np.ones(len(terms))], axis=1), _mean)


def _mean(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


def ratio(above: Floats, below: Floats) -> Floats:
    """0 where there is nothing below."""
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below != 0)


def logged_mean(log: Log) -> Estimator:
    """What the logging policy itself earned."""
    return mean("logged", "", log.per_decision(log.reward))

"""Doubly robust: the model's answer, corrected by the weighted errors of the model on what was logged.

Dudik, Langford and Li, Doubly Robust Policy Evaluation and Learning, 2011. With several slots each slot is corrected
with the weights up to it (the per-decision form of Jiang and Li, 2016, with a model of each slot's own reward). Clipped
weights: Su et al., Doubly Robust Off-Policy Evaluation with Shrinkage, 2020.
"""

from __future__ import annotations

import numpy as np

from maitred_server.evaluate.estimators.base import CASCADE, PROBABILITIES, Case, Estimator, Predictions, mean
from maitred_server.evaluate.log import Floats


def doubly_robust(case: Case, predictions: Predictions) -> Estimator:
    """Unbiased when the probabilities are right, whatever the model; the better the model, the steadier."""
    slates = bool(case.log.rank.any())
    name, assumes = ("cascade DR", CASCADE) if slates else ("DR", PROBABILITIES)
    return mean(name, assumes, _terms(case, predictions, np.inf))


def clipped_doubly_robust(case: Case, predictions: Predictions) -> Estimator:
    """With weights of at most the clip: what is clipped is left to the model."""
    assumes = "the reward model is right where weights were clipped"
    return mean("clipped DR", assumes, _terms(case, predictions, case.clip))


def _terms(case: Case, predictions: Predictions, clip: float) -> Floats:
    before, through = (np.minimum(one, clip) for one in (case.weights.before, case.weights.through))
    errors = case.log.reward - predictions.logged
    return case.log.per_decision(before * predictions.expected + through * errors)

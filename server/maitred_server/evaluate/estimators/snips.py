"""Self-normalised weighting: divided by what the weights came to, not by what they should come to.

Swaminathan and Joachims, The Self-Normalized Estimator for Counterfactual Learning, 2015. A little biased, far
steadier, and adding a constant to all rewards adds it to the estimate.
"""

from __future__ import annotations

import numpy as np

from maitred_server.evaluate.estimators.base import CASCADE, PROBABILITIES, Case, Estimator, ratio
from maitred_server.evaluate.log import Floats, Log


def snips(case: Case) -> Estimator:
    """Of whole decisions."""
    rewards, page = case.log.per_decision(case.log.reward), case.weights.page
    columns = np.stack([page * rewards, page], axis=1)
    return Estimator("SNIPS", PROBABILITIES, columns, lambda sums: ratio(sums[..., 0], sums[..., 1]))


def cascade_snips(case: Case) -> Estimator:
    """Each rank by itself: weighted by the slots up to it, normalised over the decisions that have it."""
    log, through = case.log, case.weights.through
    columns = [_by_rank(log, column) for column in (through * log.reward, through, np.ones(len(through)))]
    stacked = np.concatenate([*columns, np.ones((log.decisions, 1))], axis=1)
    return Estimator("cascade SNIPS", CASCADE, stacked, _sum_of_ranks)


def _by_rank(log: Log, values: Floats) -> Floats:
    """float64[D, ranks], 0 where a decision has fewer slots."""
    table = np.zeros((log.decisions, int(log.rank.max(initial=0)) + 1))
    table[log.decision, log.rank] = values
    return table


def _sum_of_ranks(sums: Floats) -> Floats:
    rewards, weights, present = np.split(sums[..., :-1], 3, axis=-1)
    shares: Floats = ratio(present, np.broadcast_to(sums[..., -1:], present.shape))
    return np.asarray((ratio(rewards, weights) * shares).sum(axis=-1))

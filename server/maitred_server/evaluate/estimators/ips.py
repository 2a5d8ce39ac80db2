"""Inverse probability weighting of whole decisions.

IPS: Horvitz and Thompson, 1952. Clipping: Ionides, Truncated Importance Sampling, 2008.
"""

from __future__ import annotations

import numpy as np

from maitred_server.evaluate.estimators.base import PROBABILITIES, Case, Estimator, mean


def ips(case: Case) -> Estimator:
    """Unbiased whatever the slots do to each other, as long as the probabilities are right and nothing is left out."""
    return mean("IPS", PROBABILITIES, case.weights.page * case.log.per_decision(case.log.reward))


def clipped_ips(case: Case) -> Estimator:
    """With weights of at most the clip: steadier, and too low where rewards are positive."""
    weights = np.minimum(case.weights.page, case.clip)
    rewards = case.log.per_decision(case.log.reward)
    return mean("clipped IPS", f"{PROBABILITIES} and nothing was clipped; else too low", weights * rewards)

"""Weighting slot by slot, where the probability of each slot's action given the slots before is logged.

McInerney et al., Counterfactual Evaluation of Slate Recommendations with Sequential Reward Interactions, 2020, for the
cascade ("reward interaction"); Li et al., Offline Evaluation of Ranking Policies with Click Models, 2018, for
independent slots.
"""

from __future__ import annotations

from maitred_server.evaluate.estimators.base import CASCADE, INDEPENDENT, Case, Estimator, mean


def cascade_ips(case: Case) -> Estimator:
    """A slot's reward is weighted by the slots up to it. Unbiased when it does not depend on what was filled later."""
    terms = case.log.per_decision(case.weights.through * case.log.reward)
    return mean("cascade IPS", CASCADE, terms)


def independent_ips(case: Case) -> Estimator:
    """A slot's reward is weighted by its own slot alone: the steadiest, and the most that is assumed."""
    terms = case.log.per_decision(case.weights.step * case.log.reward)
    return mean("independent IPS", INDEPENDENT, terms)

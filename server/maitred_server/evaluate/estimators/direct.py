"""The direct method: a model of rewards, asked what the new policy would get.

Its interval knows nothing of the model's own error. With several slots it takes the slots before as they were logged.
"""

from __future__ import annotations

from maitred_server.evaluate.estimators.base import MODEL, Case, Estimator, Predictions, mean


def direct(case: Case, predictions: Predictions) -> Estimator:
    """As good as the model, whatever the weights."""
    return mean("DM", MODEL, case.log.per_decision(predictions.expected))

"""Which estimators a log allows, and which one the verdict goes by: settled before anything is estimated."""

from __future__ import annotations

from maitred_server.evaluate.estimators.base import Case, Estimator
from maitred_server.evaluate.estimators.direct import direct
from maitred_server.evaluate.estimators.doubly_robust import clipped_doubly_robust, doubly_robust
from maitred_server.evaluate.estimators.ips import clipped_ips, ips
from maitred_server.evaluate.estimators.slates import cascade_ips, independent_ips
from maitred_server.evaluate.estimators.snips import cascade_snips, snips


def estimators(case: Case) -> list[Estimator]:
    """All that the log allows, in the order of the report; the first one gives the verdict.

    Doubly robust when there is a reward model, else self-normalised; of slates the forms of the cascade.
    """
    slates = bool(case.log.rank.any())
    weighted = [cascade_snips, snips, cascade_ips, ips, independent_ips] if slates else [snips, ips]
    found = [one(case) for one in (*weighted, clipped_ips)]
    if case.predictions is None:
        return found
    return [
        doubly_robust(case, case.predictions),
        *found,
        clipped_doubly_robust(case, case.predictions),
        direct(case, case.predictions),
    ]

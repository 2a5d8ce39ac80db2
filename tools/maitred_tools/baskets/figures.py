"""What a contest comes to: precision at three, and differences between policies over the very same visits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from maitred_tools.baskets.contest import Contest
from maitred_tools.demo.estimate import Z95, precision
from maitred_tools.demo.groceries import Floats, Groceries, Ints
from maitred_tools.demo.reference import SLOTS

BESIDE = "habit"


class Difference(NamedTuple):
    """Of two policies' precision, with its 95% interval."""

    value: float
    low: float
    high: float


def paired(hits: Floats, others: Floats, household: Ints) -> Difference:
    """Mean over visits of the difference, households as clusters: with D_g the sum over household g's V_g visits,
    d = sum D / sum V and var d = G/(G-1) x sum (D_g - d V_g)^2 / (sum V)^2; per slot. At least two households.
    """
    _, cluster = np.unique(household, return_inverse=True)
    visits = np.bincount(cluster)
    differences = np.bincount(cluster, hits - others) / SLOTS
    value = float(differences.sum() / visits.sum())
    spread = np.square(differences - value * visits).sum() * len(visits) / (len(visits) - 1)
    error = Z95 * float(np.sqrt(spread)) / int(visits.sum())
    return Difference(value, value - error, value + error)


def figures(contest: Contest, groceries: Groceries) -> dict[str, Any]:
    """Of the second half of the visits, by policy: precision, its interval, and the difference to `habit`."""
    total = len(contest.hits[BESIDE])
    half = slice(total // 2, total)
    household = groceries.household[half]
    offers = np.full(total - total // 2, SLOTS)
    found = {}
    for name, hits in contest.hits.items():
        one = precision(hits[half].astype(np.float64), offers, household)
        beside = paired(hits[half], contest.hits[BESIDE][half], household)
        found[name] = {
            "precision": one.value,
            "interval": [one.low, one.high],
            "all": float(hits.sum() / (SLOTS * total)),
            "to_habit": beside._asdict(),
            "tried": contest.tried.get(name, 0) / (SLOTS * total),
        }
    return {"visits": total, "households": len(np.unique(household)), "policies": found}

"""What a contest comes to: precision at three, and differences between policies over the very same visits."""

from __future__ import annotations

from typing import Any

import numpy as np

from maitred_tools.baskets.contest import Contest
from maitred_tools.demo.estimate import paired, precision
from maitred_tools.demo.groceries import Groceries
from maitred_tools.demo.reference import SLOTS

BESIDE = "habit"


def figures(contest: Contest, groceries: Groceries) -> dict[str, Any]:
    """Of the second half of the visits, by policy: precision, its interval, and the difference to `habit`."""
    total = len(contest.hits[BESIDE])
    half = slice(total // 2, total)
    household = groceries.household[half]
    offers = np.full(total - total // 2, SLOTS)
    found = {}
    for name, hits in contest.hits.items():
        one = precision(hits[half].astype(np.float64), offers, household)
        beside = paired(hits[half], contest.hits[BESIDE][half], household, SLOTS)
        found[name] = {
            "precision": one.value,
            "interval": [one.low, one.high],
            "all": float(hits.sum() / (SLOTS * total)),
            "to_habit": beside._asdict(),
            "tried": contest.tried.get(name, 0) / (SLOTS * total),
        }
    return {"visits": total, "households": len(np.unique(household)), "policies": found}

"""A hit rate and how sure we are of it, when the same households come again and again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_tools.demo.groceries import Ints

Z95 = 1.959964


class Precision(NamedTuple):
    """Hits per offer with its 95% interval. Without any offer `value` is 0 and the interval [0, 1]."""

    value: float
    low: float
    high: float
    visits: int
    households: int


def precision(hits: Ints, offers: Ints, household: Ints) -> Precision:
    """Ratio of sums over visits, with the linearized variance of a ratio whose clusters are the households.

    With clusters g of H_g hits in O_g offers, p = sum H / sum O and var p = G/(G-1) x sum (H_g - p O_g)^2 / (sum O)^2.
    The interval is p +- 1.96 standard errors, kept inside [0, 1]; with fewer than two households it is all of [0, 1].
    """
    total = int(offers.sum())
    _, cluster = np.unique(household, return_inverse=True)
    households = int(cluster.max(initial=-1)) + 1
    if not total:
        return Precision(0.0, 0.0, 1.0, len(hits), households)
    value = float(hits.sum() / total)
    if households < 2:
        return Precision(value, 0.0, 1.0, len(hits), households)
    residuals = np.bincount(cluster, weights=hits - value * offers)
    error = Z95 * float(np.sqrt(households / (households - 1) * np.square(residuals).sum())) / total
    return Precision(value, max(0.0, value - error), min(1.0, value + error), len(hits), households)

"""A hit rate and how sure we are of it, when the same households come again and again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_tools.demo.groceries import Floats, Ints

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


class Difference(NamedTuple):
    """Of two policies' precision, with its 95% interval."""

    value: float
    low: float
    high: float


def paired(hits: Floats, others: Floats, household: Ints, slots: int) -> Difference:
    """Mean over visits of the difference, households as clusters: with D_g the sum over household g's V_g visits,
    d = sum D / sum V and var d = G/(G-1) x sum (D_g - d V_g)^2 / (sum V)^2; per slot. Without two households
    the interval is [-1, 1].
    """
    _, cluster = np.unique(household, return_inverse=True)
    visits = np.bincount(cluster)
    if len(visits) < 2:
        return Difference(float((hits - others).sum() / slots / max(1, len(hits))), -1.0, 1.0)
    differences = np.bincount(cluster, hits - others) / slots
    value = float(differences.sum() / visits.sum())
    spread = np.square(differences - value * visits).sum() * len(visits) / (len(visits) - 1)
    error = Z95 * float(np.sqrt(spread)) / int(visits.sum())
    return Difference(value, value - error, value + error)


def apart(one: Precision, other: Precision) -> Difference:
    """Of two rates over different households, which are independent: the squares of their errors add up."""
    value = one.value - other.value
    error = float(np.hypot((one.high - one.low) / 2, (other.high - other.low) / 2))
    return Difference(value, value - error, value + error)

"""From sums to weights: ridge regression in which the wider levels' weights are the prior of the narrower ones.

At each level, with S the sum of f f' and b that of r f over its exposures, and w what the wider levels predict with:

    delta = (S_nn + penalty I)^-1 (b_n - S_n. w)

where n are the features that the level has. That is the posterior mean of a Bayesian linear regression whose prior is
the wider levels' weights with precision `penalty`; its covariance is noise (S_nn + penalty I)^-1. A key of which
nothing is known has delta 0, and covariance noise / penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.learn.fixed import UNIT
from maitred_server.learn.ridge import Level, Space, Stacked, Sums
from maitred_server.policy.base import Floats, Keys

_SCALE = float(UNIT) ** 2  # sums are of products of two numbers in fixed point


class Fitting(NamedTuple):
    """How weights are made. `penalties`: by level, in exposures' worth of features of size 1.

    `half_life_days`: after which an exposure weighs half; None: all weigh alike.
    """

    penalties: tuple[float, float, float, float] = (1.0, 4.0, 4.0, 8.0)
    half_life_days: float | None = None


class Deltas(NamedTuple):
    """What the keys of one level add to the wider levels' weights. m keys, rising; k features; t types."""

    keys: Keys  # uint64[m]
    values: Floats  # float64[m, t, k]
    inverses: Floats  # float64[m, k, k]: (S_nn + penalty I)^-1
    exposures: Floats  # float64[m], decayed

    def find(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Rows of some keys; -1 where nothing is known of one."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)


class Weights(NamedTuple):
    """The weights of one placement."""

    space: Space
    fitting: Fitting
    wide: Floats  # float64[t, d]
    wide_inverse: Floats  # float64[d, d]
    exposures: float
    groups: Deltas
    items: Deltas
    variants: Deltas

    def of_groups(self, groups: Keys) -> Floats:
        """float64[t, d]: the weights for an item of these groups that nobody has met: wide, and the groups' mean."""
        total = self.wide.copy()
        at = self.groups.find(groups)
        known = at[at >= 0]
        if len(known):
            total[:, self.space.group] += self.groups.values[known].sum(0) / len(groups)
        return total


class Families(NamedTuple):
    """Of which groups an item is, and of which item a variant: what a narrower key inherits from."""

    groups_of: dict[int, tuple[int, ...]]
    item_of: dict[int, int]


def fit(sums: Sums, families: Families, fitting: Fitting, today: int = 0) -> Weights:
    """The weights that sums lead to on a day. Pure: the same sums and day give the same weights."""
    space = sums.space
    wide, inverse, exposures = _fit_wide(sums, fitting, today)
    placement = np.broadcast_to(wide, (1, *wide.shape))
    groups = _fit_level(sums, Level.GROUP, fitting, today, lambda keys: np.repeat(placement, len(keys), 0))
    known = Weights(
        space, fitting, wide, inverse, exposures, groups, _none(sums, Level.ITEM), _none(sums, Level.VARIANT)
    )

    def of_item(keys: Keys) -> Floats:
        return np.stack([known.of_groups(_keys(families.groups_of.get(key, ()))) for key in keys.tolist()])

    items = _fit_level(sums, Level.ITEM, fitting, today, of_item)
    known = known._replace(items=items)

    def of_variant(keys: Keys) -> Floats:
        owners = _keys(families.item_of[key] for key in keys.tolist())
        total, at = of_item(owners), items.find(owners)
        met = np.flatnonzero(at >= 0)
        total[np.ix_(met, np.arange(sums.types), space.item)] += items.values[at[met]]
        return total

    return known._replace(variants=_fit_level(sums, Level.VARIANT, fitting, today, of_variant))


def _keys(keys: Iterable[int]) -> Keys:
    return np.array(list(keys), np.uint64)


def _none(sums: Sums, level: Level) -> Deltas:
    k = len(sums.space.rows(level))
    return Deltas(np.zeros(0, np.uint64), np.zeros((0, sums.types, k)), np.zeros((0, k, k)), np.zeros(0))


class _Decayed(NamedTuple):
    """Sums over the periods, what is old weighing less; in floats, and of features of size 1."""

    keys: Keys  # uint64[m], rising
    numbers: Floats  # float64[m]
    products: Floats  # float64[m, k, d]
    answers: Floats  # float64[m, t, k]


def _decayed(stacked: Stacked, half_life: float | None, today: int) -> _Decayed:
    order = np.lexsort((stacked.days, stacked.keys))  # one order of adding, whatever order they came in
    keys, first = np.unique(stacked.keys[order], return_index=True)
    age = np.maximum(today - stacked.days[order], 0)
    weight = np.ones(len(order)) if half_life is None else np.exp2(-age / half_life)

    def joined(column: npt.NDArray[np.int64], scale: float) -> Floats:
        if not len(order):
            return column.astype(np.float64)
        shaped = weight.reshape(-1, *[1] * (column.ndim - 1))
        return np.add.reduceat(column[order] * (shaped / scale), first, axis=0)

    return _Decayed(
        keys, joined(stacked.numbers, 1.0), joined(stacked.products, _SCALE), joined(stacked.answers, _SCALE)
    )


def _fit_wide(sums: Sums, fitting: Fitting, today: int) -> tuple[Floats, Floats, float]:
    found = _decayed(sums.stacked(Level.PLACEMENT), fitting.half_life_days, today)
    width, prior = sums.space.width, fitting.penalties[Level.PLACEMENT] * np.eye(sums.space.width)
    if not len(found.keys):
        return np.zeros((sums.types, width)), _inverse(prior), 0.0
    inverse = _inverse(found.products[0] + prior)
    return found.answers[0] @ inverse, inverse, float(found.numbers[0])


def _fit_level(sums: Sums, level: Level, fitting: Fitting, today: int, parents: Callable[[Keys], Floats]) -> Deltas:
    """`parents`: gives the full weights float64[m, t, d] that the keys inherit."""
    rows = sums.space.rows(level)
    found = _decayed(sums.stacked(level), fitting.half_life_days, today)
    if not len(rows) or not len(found.keys):
        return _none(sums, level)
    inherited = parents(found.keys)
    penalty = fitting.penalties[level] * np.eye(len(rows))
    inverses = _inverse(found.products[:, :, rows] + penalty)
    left_over = found.answers - np.einsum("mkd,mtd->mtk", found.products, inherited)
    return Deltas(found.keys, np.einsum("mtk,mkj->mtj", left_over, inverses), inverses, found.numbers)


def _inverse(matrices: Floats) -> Floats:
    return np.linalg.inv(matrices).astype(np.float64)

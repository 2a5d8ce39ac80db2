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

from maitred_server.learn.evidence import best_penalty
from maitred_server.learn.fixed import UNIT
from maitred_server.learn.ridge import Level, Space, Stacked, Sums
from maitred_server.policy.base import Floats, Keys
from maitred_server.policy.linear import Deltas, Model

_SCALE = float(UNIT) ** 2  # sums are of products of two numbers in fixed point


class Fitting(NamedTuple):
    """How weights are made. `penalties`: by level, in exposures' worth of features of size 1.

    `half_life_days`: after which an exposure weighs half; None: all weigh alike. `grid`: penalties to choose from by
    evidence, for the placement and for the others, which have the item's, beginning at what `penalties` says; empty:
    they stay at that.
    """

    penalties: tuple[float, float, float, float] = (1.0, 4.0, 4.0, 8.0)
    half_life_days: float | None = None
    grid: tuple[float, ...] = ()


class Weights(NamedTuple):
    """The weights of one placement."""

    space: Space
    fitting: Fitting
    wide: Floats  # float64[t, d]
    wide_inverse: Floats  # float64[d, d]
    exposures: float  # decayed
    means: Floats  # float64[t]: of the responses, decayed
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

    def model(self) -> Model:
        """The same, as candidates are scored with it."""
        columns = (self.space.group, self.space.item, self.space.variant)
        levels = (self.groups, self.items, self.variants)
        return Model(self.wide, self.wide_inverse, self.exposures, self.means, columns, levels, self.fitting.penalties)


class Families(NamedTuple):
    """Of which groups an item is, and of which item a variant: what a narrower key inherits from."""

    groups_of: dict[int, tuple[int, ...]]
    item_of: dict[int, int]


class Touched(NamedTuple):
    """Keys whose sums changed."""

    groups: Keys | None  # None: all of them
    items: Keys | None
    variants: Keys | None


def fit(sums: Sums, families: Families, fitting: Fitting, today: int = 0, prior: Floats | None = None) -> Weights:
    """The weights that sums lead to on a day. Pure: the same sums and day give the same weights.

    `prior`: float64[t, d] that the placement's weights are drawn to; None: to 0.
    """
    wide = _fit_wide(sums, fitting, today, np.zeros((sums.types, sums.space.width)) if prior is None else prior)
    fitting = _held(sums, fitting, today, wide)
    nothing = (_none(sums, level) for level in (Level.GROUP, Level.ITEM, Level.VARIANT))
    start = Weights(sums.space, fitting, wide.weights, wide.inverse, wide.exposures, wide.means, *nothing)
    return _narrowed(start, sums, families, Touched(None, None, None), today)


def refit(weights: Weights, sums: Sums, families: Families, touched: Touched, today: int = 0) -> Weights:
    """Weights in which only the touched keys are solved anew, each against its parents as they are.

    It costs what the touched keys cost, whatever else there is. The placement's own weights stay: what they would
    move, moves with the next `fit`. When every key is touched and the placement's weights are right, it is `fit`.
    """
    return _narrowed(weights, sums, families, touched, today)


def _narrowed(start: Weights, sums: Sums, families: Families, touched: Touched, today: int) -> Weights:
    known = start

    def of_group(keys: Keys) -> Floats:
        return np.broadcast_to(known.wide, (len(keys), *known.wide.shape))

    def of_item(keys: Keys) -> Floats:
        groups = [families.groups_of.get(key, ()) for key in keys.tolist()]
        inherited = {one: known.of_groups(_keys(one)) for one in dict.fromkeys(groups)}
        return np.stack([inherited[one] for one in groups])

    def of_variant(keys: Keys) -> Floats:
        owners = _keys(families.item_of[key] for key in keys.tolist())
        total, at = of_item(owners), known.items.find(owners)
        met = np.flatnonzero(at >= 0)
        total[np.ix_(met, np.arange(sums.types), sums.space.item)] += known.items.values[at[met]]
        return total

    solve = _Solve(sums, start.fitting, today)
    known = known._replace(groups=known.groups.replaced(solve(Level.GROUP, touched.groups, of_group)))
    known = known._replace(items=known.items.replaced(solve(Level.ITEM, touched.items, of_item)))
    return known._replace(variants=known.variants.replaced(solve(Level.VARIANT, touched.variants, of_variant)))


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


class _Wide(NamedTuple):
    weights: Floats
    inverse: Floats
    exposures: float
    means: Floats
    penalty: float
    left: Floats  # float64[t]: sum of squares that the placement's weights leave


def _fit_wide(sums: Sums, fitting: Fitting, today: int, prior: Floats) -> _Wide:
    found = _decayed(sums.stacked(Level.PLACEMENT), fitting.half_life_days, today)
    width, penalty, nothing = sums.space.width, fitting.penalties[Level.PLACEMENT], np.zeros(sums.types)
    if not len(found.keys):
        return _Wide(prior, _inverse(penalty * np.eye(width)), 0.0, nothing, penalty, nothing)
    exposures, squares = float(found.numbers[0]), found.answers[0, :, -1]  # the last feature is the 1
    left_over = found.answers[0] - prior @ found.products[0]
    left = squares - ((found.answers[0] + left_over) * prior).sum(1)  # a yes or no is its own square
    if fitting.grid and exposures > 0.0:
        penalty, left = best_penalty(fitting.grid, found.products, left_over[None], left, exposures, penalty)
    inverse = _inverse(found.products[0] + penalty * np.eye(width))
    return _Wide(prior + left_over @ inverse, inverse, exposures, squares / max(exposures, 1.0), penalty, left)


def _held(sums: Sums, fitting: Fitting, today: int, wide: _Wide) -> Fitting:
    """With the penalties that the sums tell, when they may."""
    rows = sums.space.item
    if not fitting.grid or not len(rows) or wide.exposures <= 0.0:
        return fitting
    found = _decayed(sums.stacked(Level.ITEM), fitting.half_life_days, today)
    left_over = found.answers - wide.weights @ found.products.transpose(0, 2, 1)
    products, usual = found.products[:, :, rows], fitting.penalties[Level.ITEM]
    held = best_penalty(fitting.grid, products, left_over, wide.left, wide.exposures, usual).penalty
    return fitting._replace(penalties=(wide.penalty, held, held, 2.0 * held))


class _Solve(NamedTuple):
    """Solves the keys of one level at a time."""

    sums: Sums
    fitting: Fitting
    today: int

    def __call__(self, level: Level, keys: Keys | None, parents: Callable[[Keys], Floats]) -> Deltas:
        """`keys`: None: all. `parents`: gives the full weights float64[m, t, d] that the keys inherit."""
        rows = self.sums.space.rows(level)
        found = _decayed(self.sums.stacked(level, keys), self.fitting.half_life_days, self.today)
        if not len(rows) or not len(found.keys):
            return _none(self.sums, level)
        inherited = parents(found.keys)
        penalty = self.fitting.penalties[level] * np.eye(len(rows))
        inverses = _inverse(found.products[:, :, rows] + penalty)
        left_over = found.answers - inherited @ found.products.transpose(0, 2, 1)
        return Deltas(found.keys, left_over @ inverses, inverses, found.numbers)


def _inverse(matrices: Floats) -> Floats:
    return np.linalg.inv(matrices).astype(np.float64)

"""A plain model of rewards, cross-fitted: each row is predicted by a model that has not seen its cluster.

For each slot a ridge regression on the context's features gives what that slot earns on average; for each action in a
slot a second ridge on what is left gives what this action adds, drawn towards nothing as if PRIOR_ROWS rows had added
nothing. Without features these are a slot's mean and an action's shrunken mean. Both come from sums, so a fold's model
is made of the sums of all less the sums of the fold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.evaluate.estimators.base import Predictions
from maitred_server.evaluate.log import Candidates, Floats, Ints, Log, Target

FOLDS = 5
PRIOR_ROWS = 20.0
SLOT_RIDGE = 1.0
MOST_NUMBERS = 20_000_000  # that sums may hold; above it actions get a mean each and no slopes
_BLOCK = 1 << 20


class _Groups(NamedTuple):
    """Groups of rows that have weights of their own."""

    of_row: Ints  # int64[n]
    names: Ints  # int64[groups], rising


class _Sums(NamedTuple):
    """For each fold and group, over the rows of all other folds: of all d features with the first k of them."""

    squares: Floats  # float64[folds, groups, k, d]
    products: Floats  # float64[folds, groups, k]: with the rewards


class _Model(NamedTuple):
    """Weights of each fold's model."""

    slots: Floats  # float64[folds, slots, d]
    cells: Floats  # float64[folds, cells + 1, k]; the last one is nothing: for what was never logged


def predict(log: Log, target: Target, rng: np.random.Generator) -> Predictions | None:
    """Predictions for a log; None when the new policy's probabilities of all candidates are not known."""
    if log.candidates is None or target.whole is None:
        return None
    fold = _folds(log, rng)
    features = np.concatenate([np.ones((len(log.slot), 1)), log.features], axis=1)
    slots = _groups(log.slot)
    cells = _groups(slots.of_row * len(log.actions) + log.action)
    model = _fitted(log, features, fold, slots, cells)
    own = features[:, : model.cells.shape[2]]
    base = np.einsum("nd,nd->n", features, model.slots[fold, slots.of_row])
    logged = base + np.einsum("nd,nd->n", own, model.cells[fold, cells.of_row])
    offered = _cells_of(log.candidates, slots.of_row, cells.names, len(log.actions))
    added = _added(log.candidates, target.whole, own, model.cells, fold, offered)
    return Predictions(logged, base * np.add.reduceat(target.whole, log.candidates.starts[:-1]) + added)


def _groups(name: Ints) -> _Groups:
    names, of_row = np.unique(name, return_inverse=True)
    return _Groups(of_row, names)


def _folds(log: Log, rng: np.random.Generator) -> Ints:
    """The fold of each row; a cluster is in one fold."""
    clusters, cluster = np.unique(log.cluster, return_inverse=True)
    dealt: Ints = rng.permutation(len(clusters)) % FOLDS
    return dealt[cluster][log.decision]


def _fitted(log: Log, features: Floats, fold: Ints, slots: _Groups, cells: _Groups) -> _Model:
    """What an action adds is fitted on what its own fold's model of the slot leaves over: no fold sees itself."""
    width = features.shape[1]
    general = _slot_weights(_sums(features, width, log.reward, fold, slots))
    own = width if len(cells.names) * width**2 * FOLDS <= MOST_NUMBERS else 1
    sums = _sums(features, own, log.reward, fold, cells)
    slot_of_cell = cells.names // len(log.actions)
    left = sums.products - np.einsum("fckd,fcd->fck", sums.squares, general[:, slot_of_cell])
    weights = _solved(sums.squares[..., :own], left, np.full(own, PRIOR_ROWS))
    return _Model(general, np.concatenate([weights, np.zeros_like(weights[:, :1])], axis=1))


def _sums(features: Floats, own: int, rewards: Floats, fold: Ints, groups: _Groups) -> _Sums:
    width, count = features.shape[1], len(groups.names)
    key, shape = fold * count + groups.of_row, (FOLDS, count)
    squares, products = np.empty((*shape, own, width)), np.empty((*shape, own))
    for i in range(own):
        products[..., i] = np.bincount(key, features[:, i] * rewards, FOLDS * count).reshape(shape)
        for j in range(width):
            squares[..., i, j] = np.bincount(key, features[:, i] * features[:, j], FOLDS * count).reshape(shape)
    return _Sums(squares.sum(axis=0) - squares, products.sum(axis=0) - products)


def _slot_weights(sums: _Sums) -> Floats:
    """float64[folds, slots, d]; the mean is free, slopes are not."""
    penalty = np.full(sums.products.shape[-1], SLOT_RIDGE)
    penalty[0] = 1e-9
    return _solved(sums.squares, sums.products, penalty)


def _solved(squares: Floats, products: Floats, penalty: Floats) -> Floats:
    return np.asarray(np.linalg.solve(squares + np.diag(penalty), products[..., None])[..., 0], np.float64)


def _cells_of(candidates: Candidates, slot: Ints, cells: Ints, actions: int) -> Ints:
    """The cell of each candidate: int64[m], the last one for what was never logged in the slot."""
    wanted = slot[candidates.row] * actions + candidates.action
    at = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
    return np.where(cells[at] == wanted, at, len(cells))


def _added(candidates: Candidates, whole: Floats, own: Floats, cells: Floats, fold: Ints, offered: Ints) -> Floats:
    """What the new policy's actions add to their slot's average: float64[n]."""
    row, added = candidates.row, np.empty(len(whole))
    for start in range(0, len(whole), _BLOCK):
        part = slice(start, start + _BLOCK)
        rows = row[part]
        added[part] = whole[part] * np.einsum("md,md->m", own[rows], cells[fold[rows], offered[part]])
    total: Floats = np.add.reduceat(added, candidates.starts[:-1])
    return total

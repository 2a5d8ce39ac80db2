"""Predicting with the weights of several levels: placement, group, item and variant add up.

The features of a candidate are f = [its own, those of subject and context, 1]. What belongs to the candidate (pair and
item features) differs from row to row; what belongs to subject and context is the same in all rows, and is multiplied
with all candidates' weights at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.policy.base import Floats, Keys, Positions


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

    def replaced(self, fresh: Deltas) -> Deltas:
        """These, but for the keys of `fresh`, which are as it says."""
        if not len(fresh.keys):
            return self
        kept = ~np.isin(self.keys, fresh.keys)
        keys = np.concatenate([self.keys[kept], fresh.keys])
        order = np.argsort(keys)

        def joined(mine: Floats, theirs: Floats) -> Floats:
            return np.concatenate([mine[kept], theirs])[order]

        return Deltas(
            keys[order],
            joined(self.values, fresh.values),
            joined(self.inverses, fresh.inverses),
            joined(self.exposures, fresh.exposures),
        )


class Model(NamedTuple):
    """The weights of one placement. d features, t outcome types; levels are groups, items, variants."""

    wide: Floats  # float64[t, d]
    wide_inverse: Floats  # float64[d, d]
    exposures: float  # decayed
    means: Floats  # float64[t]: of the responses, decayed
    columns: tuple[Positions, Positions, Positions]  # which features each level has
    levels: tuple[Deltas, Deltas, Deltas]
    penalties: tuple[float, float, float, float]  # of the placement and of the levels

    def deviation(self, outcome: int = 0) -> float:
        """Standard deviation of single responses of a type, taken as yes or no; at first that of an even chance."""
        mean = (float(self.means[outcome]) * self.exposures + 1.0) / (self.exposures + 2.0)
        return float(np.sqrt(mean * (1.0 - mean)))


class Candidates(NamedTuple):
    """n candidates. Group i of the ragged `groups` belongs to the candidate `group_owner[i]`."""

    items: Keys  # uint64[n]
    variants: Keys  # uint64[n]
    groups: Keys
    group_owner: Positions


class Linear:
    """A model bound to candidates: keys are looked up and levels added once, not with each decision.

    `rows`: float64[n, t, own] and `shared`: float64[t, n, d - own] are the weights of each.
    """

    def __init__(self, model: Model, candidates: Candidates, own: int) -> None:
        """`own`: how many of the features, the first ones, differ from candidate to candidate."""
        self.model = model
        self._own = own
        self._members = _members(model, candidates)
        weights = np.repeat(model.wide[None], len(candidates.items), 0)
        for level, columns, member in zip(model.levels, model.columns, self._members, strict=True):
            known = member.at >= 0
            owner, added = member.owner[known], level.values[member.at[known]]
            added *= member.share[known][:, None, None]
            at = (owner[:, None, None], np.arange(len(model.wide))[:, None], columns)
            if (owner[1:] > owner[:-1]).all():  # each candidate once, which is quicker
                weights[at] += added
            else:
                np.add.at(weights, at, added)
        self.rows = np.ascontiguousarray(weights[:, :, :own])
        self.shared = np.ascontiguousarray(weights[:, :, own:].transpose(1, 0, 2))

    def predict(self, own: Floats, shared: Floats) -> Floats:
        """Predicted responses float64[t, n], in [0, 1].

        `own`: float64[n, own]. `shared`: float64[d - own], of which the last is 1.
        """
        found: Floats = self.shared @ shared
        if self._own:
            found += np.einsum("nto,no->tn", self.rows, own)
        return np.clip(found, 0.0, 1.0, out=found)

    def deviations(self, own: Floats, shared: Floats, outcome: int = 0) -> Floats:
        """Standard deviations float64[n] of what is believed of the expected responses of one type.

        The levels' variances add up, as if what is not known of one were not known apart from the others.
        """
        everywhere = np.zeros(len(own), np.int64)
        variance = _known_variances(self.model.wide_inverse[None], own, shared, everywhere)
        parts = zip(self.model.levels, self.model.columns, self._members, self.model.penalties[1:], strict=True)
        for level, columns, member, penalty in parts:
            narrow = columns[columns < self._own]
            wide = shared[columns[len(narrow) :] - self._own]
            of_level = _variances(level, own[member.owner][:, narrow], wide, member.at, penalty)
            np.add.at(variance, member.owner, of_level * member.share**2)
        deviations: Floats = np.sqrt(variance) * self.model.deviation(outcome)
        return deviations


class _Member(NamedTuple):
    """Which keys of one level which candidates have, and how much each counts."""

    at: npt.NDArray[np.int64]  # row of the level, -1: nothing is known of it
    owner: npt.NDArray[np.int64]
    share: Floats


def _members(model: Model, candidates: Candidates) -> tuple[_Member, _Member, _Member]:
    groups, items, variants = model.levels
    each, alone = np.arange(len(candidates.items)), np.ones(len(candidates.items))
    owner = candidates.group_owner.astype(np.int64)
    share = 1.0 / np.bincount(owner, minlength=len(each))[owner]
    return (
        _Member(groups.find(candidates.groups), owner, share),
        _Member(items.find(candidates.items), each, alone),
        _Member(variants.find(candidates.variants), each, alone),
    )


def _variances(level: Deltas, own: Floats, shared: Floats, at: npt.NDArray[np.int64], penalty: float) -> Floats:
    """f' inverse f of each row; that of the prior where nothing is known."""
    found: Floats = (np.square(own).sum(1) + np.square(shared).sum()) / penalty
    known = at >= 0
    keys, place = np.unique(at[known], return_inverse=True)
    found[known] = _known_variances(level.inverses[keys], own[known], shared, place)
    return found


def _known_variances(inverses: Floats, own: Floats, shared: Floats, at: npt.NDArray[np.int64]) -> Floats:
    """f' inverse f with f = [own, shared]: what is shared is multiplied once with each of the inverses."""
    width = own.shape[1]
    told = inverses[:, :, width:] @ shared
    alone = told[:, width:] @ shared
    crossed = np.einsum("nk,nk->n", own, told[at, :width])
    apart = ((own[:, None] @ inverses[:, :width, :width][at])[:, 0] * own).sum(1)
    found: Floats = alone[at] + 2.0 * crossed + apart
    return found

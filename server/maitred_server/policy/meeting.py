"""A subject and the candidates at one moment: the columns that all families of features are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.policy.base import Floats, Keys, Positions
from maitred_server.policy.past import FADED, FADES_DAYS, NO_PAST, Past

TYPICAL_BASKET: Final = 3.0  # things at a visit, of whom nothing is known
SHRINK: Final = 5.0  # visits' worth of what is typical
FADE: Final = FADES_DAYS.index(60.0)

Rows: TypeAlias = npt.NDArray[np.intp]


class Stage(NamedTuple):
    """What does not depend on the subject: n candidates, and how popular each is. Made once for each snapshot.

    Items and groups are looked up together among their distinct `keys`, of which there are u.
    """

    keys: Keys  # uint64[u], rising
    begins: Rows  # where the candidates of each key begin in `rows`
    spans: Rows  # and how many there are; 0 for groups
    rows: Rows  # the candidates by their items' keys
    alone: bool  # no item has several candidates
    group_at: Rows  # of the ragged groups the place among `keys`; with `lone` one for each candidate, u for none
    group_owner: Positions  # which candidate has each of them, rising
    group_share: Floats  # of the candidate's groups: one over their number
    lone: bool  # no candidate has several groups
    shares: Floats  # float64[n]: of all that all subjects did, what was done with the candidate's item; 0 to 1
    most: float  # the largest of them

    @property
    def size(self) -> int:
        """n."""
        return len(self.shares)

    def with_shares(self, shares: Floats) -> Stage:
        """With other popularities."""
        return self._replace(shares=shares, most=float(shares.max(initial=0.0)))


def stage(items: Keys, groups: Keys, group_owner: Positions) -> Stage:
    """Of candidates of which nothing is popular yet; see `Stage`. `items`: uint64[n]. `groups`: ragged."""
    size, numbers = len(items), np.bincount(group_owner, minlength=len(items))
    keys, spans = _together(items, groups)
    lone = bool((numbers <= 1).all())
    at = keys.searchsorted(groups)
    if lone:
        group_at = np.full(size, len(keys))
        group_at[group_owner] = at
    return Stage(
        keys,
        np.cumsum(spans) - spans,
        spans,
        np.argsort(items, kind="stable"),
        bool((spans <= 1).all()),
        group_at if lone else at,
        group_owner,
        1.0 / numbers[group_owner],
        lone,
        np.zeros(size),
        0.0,
    )


def _together(items: Keys, groups: Keys) -> tuple[Keys, Rows]:
    """The distinct keys, rising, and how many candidates are of each as an item."""
    keys = np.unique(np.concatenate([items, groups]))
    return keys, np.bincount(keys.searchsorted(items), minlength=len(keys))


class Met(NamedTuple):
    """Columns over the k candidates with which the subject did anything. Times are days before now."""

    rows: Rows  # which of the candidates these are
    popular: Floats  # float64[k]
    of_groups: Floats  # float64[k]
    table: Floats  # float64[7, k]: the past of each, as in `Past`
    faded: Floats  # float64[3, k]: how often at a visit, faded by age, drawn to `popular` while little is known


class Meeting(NamedTuple):
    """What is the same for all n candidates, columns over all, and more of those that the subject has met."""

    past: Past
    basket: float  # things at a visit, drawn to what is typical while little is known
    popular: Floats  # float64[n]: how often the item is in a visit of anyone, 0 to 1
    of_groups: Floats  # float64[n]: how often something of the item's groups is in a visit, faded
    met: Met
    said: Mapping[str, object]  # traits and context, as `subject.NAME` and `context.NAME`


def meet(stage: Stage, past: Past = NO_PAST, said: Mapping[str, object] | None = None) -> Meeting:
    """Brings a subject's past and the candidates together. `past.keys` are distinct."""
    basket = (past.basket * past.visits + TYPICAL_BASKET * SHRINK) / (past.visits + SHRINK)
    popular = stage.shares * basket
    if stage.most * basket > 1.0:
        np.minimum(popular, 1.0, out=popular)
    at, known = _found(stage, past)
    of_groups = _of_groups(stage, past, at, known)
    return Meeting(past, basket, popular, of_groups, _met(stage, past, at, known, popular, of_groups), said or {})


def _found(stage: Stage, past: Past) -> tuple[Rows, Rows]:
    """Of the things that are candidates or groups of them: where among the stage's keys, and where in the past."""
    if not len(past.keys) or not len(stage.keys):
        return _NO_ROWS, _NO_ROWS
    at = stage.keys.searchsorted(past.keys)
    known = (stage.keys.take(at, mode="clip") == past.keys).nonzero()[0]
    return at[known], known


def _of_groups(stage: Stage, past: Past, at: Rows, known: Rows) -> Floats:
    if not len(at):
        return np.zeros(stage.size)
    by_key = np.zeros(len(stage.keys) + 1)
    by_key[at] = past.table[FADED + FADE, known] / (float(past.visits_faded[FADE]) + SHRINK)
    found: Floats = by_key.take(stage.group_at)
    if not stage.lone:
        found = np.bincount(stage.group_owner, found * stage.group_share, stage.size).astype(np.float64, copy=False)
    return found


def _met(stage: Stage, past: Past, at: Rows, known: Rows, popular: Floats, of_groups: Floats) -> Met:
    spans = stage.spans[at]
    if stage.alone:
        chosen = spans.nonzero()[0]
        rows = stage.rows[stage.begins[at[chosen]]]
    else:
        chosen = np.arange(len(at)).repeat(spans)
        ahead = np.arange(len(chosen)) - (np.cumsum(spans) - spans)[chosen]
        rows = stage.rows[stage.begins[at[chosen]] + ahead]
    mine, table = popular[rows], past.table.take(known[chosen], axis=1)
    faded = table[FADED:] + SHRINK * mine
    faded /= past.visits_faded[:, None] + SHRINK
    return Met(rows, mine, of_groups[rows], table, faded)


_NO_ROWS: Final = np.zeros(0, np.intp)

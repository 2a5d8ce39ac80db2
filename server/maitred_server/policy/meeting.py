"""A subject and the candidates at one moment: the columns that all families of features are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from maitred_server.policy.base import Floats, Keys, Positions
from maitred_server.policy.features import KeyIndex
from maitred_server.policy.past import FADES_DAYS, NO_PAST, Past

TYPICAL_BASKET: Final = 3.0  # things at a visit, of whom nothing is known
_SHRINK: Final = 5.0  # visits' worth of what is typical
_FADE: Final = FADES_DAYS.index(60.0)


class Stage(NamedTuple):
    """What does not depend on the subject: n candidates, and how popular each is. Made once for each snapshot."""

    items: KeyIndex
    groups: KeyIndex  # of the ragged groups
    group_owner: Positions  # which candidate has each of them, rising
    group_share: Floats  # of the candidate's groups: one over their number
    shares: Floats  # float64[n]: of all that all subjects did, what was done with the candidate's item; 0 to 1

    @property
    def size(self) -> int:
        """n."""
        return len(self.shares)


def stage(items: KeyIndex, groups: Keys, group_owner: Positions, size: int) -> Stage:
    """Of candidates of which nothing is popular yet; see `Stage`."""
    share = 1.0 / np.bincount(group_owner, minlength=size)[group_owner] if len(group_owner) else np.zeros(0)
    return Stage(items, KeyIndex(groups), group_owner, share, np.zeros(size))


class Meeting(NamedTuple):
    """Columns over the n candidates, and what is the same for all. Times are days before now."""

    past: Past
    basket: float  # things at a visit, drawn to what is typical while little is known
    popular: Floats  # float64[n]: how often the item is in a visit of anyone, 0 to 1
    met: Positions  # the candidates with which the subject did anything
    counts: Floats  # float64[n]
    visits_of: Floats  # float64[n]: in how many visits
    first: Floats  # float64[n]; 0 where never
    last: Floats
    faded: Floats  # float64[3, n]: how often at a visit, faded by age, drawn to `popular` while little is known
    of_groups: Floats  # float64[n]: how often something of the item's groups is in a visit, faded
    said: Mapping[str, object]  # traits and context, as `subject.NAME` and `context.NAME`

    @property
    def usual(self) -> Floats:
        """The middle one of the faded columns."""
        middle: Floats = self.faded[_FADE]
        return middle


def meet(stage: Stage, past: Past = NO_PAST, said: Mapping[str, object] | None = None) -> Meeting:
    """Brings a subject's past and the candidates together."""
    basket = (past.basket * past.visits + TYPICAL_BASKET * _SHRINK) / (past.visits + _SHRINK)
    popular = np.minimum(stage.shares * basket, 1.0)
    table = np.concatenate([np.stack([past.counts, past.visits_of, past.first, past.last]), past.faded])
    columns = stage.items.spread(past.keys, table)
    visits = past.visits_faded[:, None]
    return Meeting(
        past,
        basket,
        popular,
        np.flatnonzero(columns[0]).astype(np.int32),
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        (columns[4:] + _SHRINK * popular) / (visits + _SHRINK),
        _of_groups(stage, past),
        said or {},
    )


def _of_groups(stage: Stage, past: Past) -> Floats:
    faded = stage.groups.scatter(past.keys, past.faded[_FADE])
    summed = np.bincount(stage.group_owner, faded * stage.group_share, stage.size)
    found: Floats = summed / (float(past.visits_faded[_FADE]) + _SHRINK)
    return found

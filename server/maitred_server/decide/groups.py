"""The groups of a placement's candidates: which a subject usually chooses from, and how often a slate may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import CLOSED, Bools, Floats, Positions
from maitred_server.policy.features import KeyIndex
from maitred_server.store.profiles import CounterTable

USUAL_SHARE: Final = 0.8  # of what the subject did: the groups that make it up are the usual ones


class Groups:
    """Which candidate is in which group; g groups that have candidates. Immutable."""

    def __init__(self, catalogue: Catalogue, placement: Placement) -> None:
        items = catalogue.item_index[placement.candidates]
        offsets, members = catalogue.item_groups_columns
        counts = (offsets[1:] - offsets[:-1])[items]
        self._offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.arange(len(items)).repeat(counts)
        places = np.arange(len(rows)) - self._offsets[rows] + offsets[items][rows]
        numbers, codes = np.unique(members[places], return_inverse=True)
        self.names = tuple(catalogue.groups[number] for number in numbers.tolist())
        self._index = KeyIndex(catalogue.group_keys[numbers])
        self._codes = codes
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(self.names)))
        self._rows: list[Positions] = np.split(rows[order].astype(np.int32), ends[:-1]) if len(numbers) else []
        self._size = len(items)

    def of(self, row: int) -> list[int]:
        """The groups of a candidate, as places in `names`."""
        found: list[int] = self._codes[self._offsets[row] : self._offsets[row + 1]].tolist()
        return found

    def rows(self, group: int) -> Positions:
        """The candidates of a group."""
        return self._rows[group]

    def usual(self, counted: CounterTable) -> list[int]:
        """The groups that make up most of what was counted: those with the highest counts until they are 80% of the
        sum, and equals of the last. A group that all candidates are in says nothing, and is never one of them.
        """
        counts = self._index.scatter(counted.keys, counted.counts)
        counts[[group for group, rows in enumerate(self._rows) if len(rows) == self._size]] = 0.0
        falling = np.sort(counts)[::-1]
        if not len(falling) or not falling[0]:
            return []
        sums = falling.cumsum()
        least = falling[min(int(np.searchsorted(sums, USUAL_SHARE * sums[-1])), len(falling) - 1)]
        found: list[int] = np.flatnonzero(counts >= max(least, 1.0)).tolist()
        return found

    def outside(self, groups: list[int]) -> Bools:
        """bool[m]: the candidates that are in none of some groups."""
        rows = np.ones(self._size, np.bool_)
        for group in groups:
            rows[self._rows[group]] = False
        return rows


class Limits:
    """How many of each group one slate may show. Immutable; `begin` counts for one slate."""

    def __init__(self, groups: Groups, most: int, special: Mapping[str, int]) -> None:
        """`most`: of any group, 0: no limit; `special`: of these groups instead."""
        self.groups = groups
        limits = ((group, special.get(name, most or None)) for group, name in enumerate(groups.names))
        self.most = {group: limit for group, limit in limits if limit is not None}

    def begin(self) -> Counting:
        """For a new slate."""
        return Counting(self)


class Counting:
    """What one slate shows of each limited group."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = dict(limits.most)

    def chose(self, row: int, priority: Floats) -> None:
        """Closes in `priority` the candidates of the groups that are full with this one."""
        groups = self._limits.groups
        for group in groups.of(row):
            if group in self._left:
                self._left[group] -= 1
                if self._left[group] <= 0:
                    priority[groups.rows(group)] = CLOSED

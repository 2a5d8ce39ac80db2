"""What happened at the visits: how many of the offered categories were in the basket, by policy.

A policy is called as its arm: `learned` is what the server learns while it serves.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_tools.demo.estimate import Precision, precision
from maitred_tools.demo.groceries import Ints

POLICIES = ("learned", "habit", "popular", "uniform")
HOLDOUT = "holdout"
UNDECIDED = "none"
GROUPS = (*POLICIES, HOLDOUT, UNDECIDED)
FALLEN_BACK = frozenset({"CACHED", "STALE", "ERROR", "FALLBACK"})  # answers that were not decided for this very visit


class Served(NamedTuple):
    """One visit that was served. `group`: the household's policy, HOLDOUT or UNDECIDED; `hits` <= `offers`."""

    visit: int
    household: int
    at_ms: int
    group: str
    reason: str
    offers: int
    hits: int


@dataclass
class Tally:
    """Grows by one row a visit; every figure of the report about visits comes from here."""

    rows: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    _hits: Counter[str] = field(default_factory=Counter)
    _offers: Counter[str] = field(default_factory=Counter)

    def add(self, served: Served) -> None:
        """Counts one visit."""
        visit, household, at_ms, group, reason, offers, hits = served
        self.rows.append((visit, household, at_ms, GROUPS.index(group), offers, hits))
        self.reasons[reason] += 1
        self._hits[group] += hits
        self._offers[group] += offers

    def running(self, group: str) -> float | None:
        """Hit rate so far; None before the first offer."""
        return self._hits[group] / self._offers[group] if self._offers[group] else None

    def fallen_back(self) -> int:
        """Visits that got no fresh decision."""
        return sum(count for reason, count in self.reasons.items() if reason in FALLEN_BACK)

    def columns(self) -> Columns:
        """The rows as arrays."""
        table = np.array(self.rows, dtype=np.int64).reshape(len(self.rows), 6)
        return Columns(*table.T)


class Columns(NamedTuple):
    """Aligned columns of all visits served; `group` is a position in GROUPS."""

    visit: Ints
    household: Ints
    at_ms: Ints
    group: Ints
    offers: Ints
    hits: Ints

    def where(self, chosen: npt.NDArray[np.bool_]) -> Columns:
        """The rows that are chosen."""
        return Columns(*(column[chosen] for column in self))

    def of(self, group: str) -> Columns:
        """The visits of a group."""
        return self.where(self.group == GROUPS.index(group))

    def second_half(self, visits: int) -> Columns:
        """Those in the later half of all `visits` replayed."""
        return self.where(self.visit >= visits // 2)

    def precision(self) -> Precision:
        """Hit rate with its interval."""
        return precision(self.hits, self.offers, self.household)

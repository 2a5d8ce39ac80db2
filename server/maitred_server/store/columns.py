"""Sorted columns of distinct 64-bit keys: how new rows find their place among the old ones, without a loop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Places = NDArray[np.intp]


class Placed(NamedTuple):
    """Where two sorted columns of keys go in their union."""

    size: int
    old: Places | None  # place of each old row; None: where they were
    new: Places  # place of each new row
    fresh: NDArray[np.bool_]  # which new rows no old row has the key of


class Runs(NamedTuple):
    """Equal keys brought together: `order` sorts the rows, `starts` begins each run, `keys` are the distinct ones."""

    order: Places
    starts: Places
    keys: Keys

    def lengths(self) -> Places:
        """How many rows each run has."""
        ends = np.empty(len(self.starts), np.intp)
        ends[:-1], ends[-1] = self.starts[1:], len(self.order)
        ends -= self.starts
        return ends

    def places(self) -> Places:
        """For each row, in the order of before, which run it is in."""
        places = np.empty(len(self.order), np.intp)
        places[self.order] = np.arange(len(self.starts)).repeat(self.lengths())
        return places


def find(sorted_keys: Keys, wanted: Keys) -> tuple[Places, NDArray[np.bool_]]:
    """Where each wanted key is, or would be, in a sorted column, and whether it is there."""
    at = sorted_keys.searchsorted(wanted)
    if not len(sorted_keys):
        return at, np.zeros(len(wanted), np.bool_)
    return at, sorted_keys[np.minimum(at, len(sorted_keys) - 1)] == wanted


def place(old: Keys, new: Keys) -> Placed:
    """Where the rows of two sorted columns of distinct keys go in their union."""
    if not len(old):
        return Placed(len(new), None, np.arange(len(new)), np.ones(len(new), np.bool_))
    at, known = find(old, new)
    fresh = ~known
    if not fresh.any():
        return Placed(len(old), None, at, fresh)
    inserted = np.cumsum(fresh)
    size = len(old) + int(inserted[-1])
    where = at + inserted - fresh
    stays = np.ones(size, np.bool_)
    stays[where[fresh]] = False
    return Placed(size, np.flatnonzero(stays), where, fresh)


def runs(keys: Keys) -> Runs:
    """Bring equal keys together; `keys` is not empty."""
    order = keys.argsort(kind="stable")
    ordered = keys[order]
    begins = np.empty(len(keys), np.bool_)
    begins[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    starts = np.flatnonzero(begins)
    return Runs(order, starts, ordered[starts])

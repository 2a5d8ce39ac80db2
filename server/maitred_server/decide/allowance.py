"""What a placement's contact policies say of one of its candidates, worked out when it is first chosen and remembered.

Of policies that count exposures alone: what is shown uses up nothing of what counts something else.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from maitred_server.decide.caps import CapTable
from maitred_server.policy.base import Bools
from maitred_server.store.keys import (
    ALL_PLACEMENTS_KEY,
    EXPOSURE_TYPE,
    channel_key,
    placement_key,
    type_code,
    type_mask,
)

MOST_KEPT: Final = 16_384  # candidates that are remembered, of each channel that a policy names
EXPOSURE_MASK: Final = np.uint64(type_mask(type_code(EXPOSURE_TYPE)))


class Bound(NamedTuple):
    """A counter, and the policies that look at it."""

    key: int
    at: int  # its place in the table
    least: int  # the least of `most`
    caps: tuple[int, ...]
    most: tuple[int, ...]  # of each of them; rising
    of_item: bool  # not of a group or a placement, which recent events do not tell


class Allowance(NamedTuple):
    """One candidate that is about to be shown."""

    keys: tuple[int, ...]  # what its showing counts for: its item and its groups
    bounds: tuple[Bound, ...]  # of its item, its groups and its placement: the policies that may close the candidate
    shared: tuple[Bound, ...]  # of its groups: the policies that may close other candidates
    packed: bytes = b""  # `bounds`, for compiled code


class Allowances:
    """Those of one placement, by candidate and channel."""

    def __init__(self, placement: str, table: CapTable, reach: Bools) -> None:
        """`reach`: bool[p, m]: the rows that each policy may close."""
        self._whole = (ALL_PLACEMENTS_KEY, placement_key(placement))
        self._table = table
        self._reach = reach
        self._kept: dict[str, dict[int, Allowance]] = {}

    def at(self, channel: str) -> dict[int, Allowance]:
        """What is remembered, by row. `channel`: one that a policy names; "": any other."""
        found = self._kept.get(channel)
        return self._kept.setdefault(channel, {}) if found is None else found

    def put(self, row: int, channel: str, item: int, groups: tuple[int, ...], holding: Bools) -> Allowance:
        """What is worked out. `item`, `groups`: keys. `holding`: bool[p], the policies that hold in the channel."""
        shows = holding & self._table.shows
        bounds = self.bounds((item, *self._whole, *groups), shows & self._reach[:, row], item)
        made = Allowance((item, *groups), bounds, self.bounds(groups, shows), packed(bounds))
        kept = self.at(channel)
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[row] = made
        return made

    def bounds(self, keys: tuple[int, ...], chosen: Bools, item: int = 0) -> tuple[Bound, ...]:
        """Of some keys those that policies look at, of some chosen ones. `chosen`: bool[p]. `item`: that of an item."""
        found = self._table.look_up(np.array(keys, np.uint64) ^ EXPOSURE_MASK)
        if found is None:
            return ()
        looking = self._table.applies(found) & chosen
        parts = zip(found.which.tolist(), found.at.tolist(), looking, strict=True)
        return tuple(
            self._bound(keys[which], at, caps.nonzero()[0].tolist(), keys[which] == item)
            for which, at, caps in parts
            if caps.any()
        )

    def _bound(self, key: int, at: int, caps: list[int], of_item: bool) -> Bound:
        by_most = sorted(zip(self._table.limits.most[caps].tolist(), caps, strict=True))
        most, ordered = zip(*by_most, strict=True)
        return Bound(key, at, most[0], ordered, most, of_item)


def packed(bounds: Iterable[Bound]) -> bytes:
    """Counters as words of 64 bits: of each its key, its id, whether it is of an item, how many policies look at it,
    and these.
    """
    words = []
    for one in bounds:
        words += [one.key, one.key ^ int(EXPOSURE_MASK), int(one.of_item), len(one.caps), *one.caps]
    return array("Q", words).tobytes()


@lru_cache(4_096)
def showing_keys(placement: str, channel: str) -> tuple[int, ...]:
    """What a showing counts for once, however many slots it has."""
    whole = (ALL_PLACEMENTS_KEY, placement_key(placement))
    return (*whole, channel_key(channel)) if channel else whole

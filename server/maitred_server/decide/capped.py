"""What a placement's contact policies say of the counters of one profile: what they close, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.decide.allowance import EXPOSURE_MASK, Allowance
from maitred_server.decide.caps import NEAR, CapTable, Hits, Targets
from maitred_server.policy.base import Bools
from maitred_server.store import Profile
from maitred_server.store.windows import closed, count_since

Counts: TypeAlias = npt.NDArray[np.uint32]

NO_LIMIT: Final = 1 << 62
MANY_ROWS: Final = 256  # of a profile: where there are more, the recent ones are sought out first


class Counter(NamedTuple):
    """One that counts showings. `total`: all that it ever counted."""

    place: int  # in the profile's rows
    total: int


NOT_COUNTED: Final = Counter(0, 0)


class Capped:
    """Of a placement's policies. Immutable; for any thread."""

    def __init__(self, table: CapTable, reach: Bools) -> None:
        """`reach`: bool[p, m]: the rows that each may close."""
        self._table = table
        self._reach = reach

    def look(self, profile: Profile, now: int, holding: Bools) -> tuple[int, tuple[Targets, Targets, Targets] | None]:
        """What has to be added to any counter until it reaches a bound, at most NEAR; below 1 one may have: then also
        what the policies that hold close, as `Hits`; None: nothing. `now`: ms. `holding`: bool[p].
        """
        table, rows = self._table, profile.rows
        places = (rows["count"] >= table.near).nonzero()[0]
        if table.types.isdisjoint(rows["type"][places].tolist()):
            return NEAR, None
        if len(places) > MANY_ROWS:
            places = places[rows["last"][places] > now - table.longest]
        found = table.look_up(rows["id"][places])
        if found is None:
            return NEAR, None
        places = places[found.which]
        counts = rows["count"][places]
        spare = min(int((table.least[found.at] - counts).min()), NEAR)
        return spare, self._closing(profile, places, found.at, counts, now, holding) if spare < 1 else None

    def _closing(
        self, profile: Profile, places: Targets, at: Targets, counts: Counts, now: int, holding: Bools
    ) -> tuple[Targets, Targets, Targets] | None:
        table = self._table
        last = profile.rows["last"][places]
        which = ((counts >= table.least[at]) & (last > now - table.latest[at])).nonzero()[0]
        if not len(which):
            return None
        places, at, counts, last = places[which], at[which], counts[which, None], last[which, None]
        reached = (counts >= table.limits.most) & (last > now - table.held)
        hits, caps = (table.patterns[table.pattern_of[at]] & holding & reached).nonzero()
        if not len(hits):
            return None
        places = places[hits]
        kept = closed(profile, places, table.limits.of(caps), now)
        return (caps[kept], table.targets[at[hits[kept]]], places[kept]) if kept.any() else None

    def without(self, hits: Hits) -> Bools:
        """bool[m]: the rows that are left when each of some policies closes its target."""
        rows = np.ones(self._reach.shape[1], np.bool_)
        items = (hits.targets >= 0) & (hits.targets < len(rows))
        if self._table.variants or not items.all():
            for cap, target in zip(hits.caps.tolist(), hits.targets.tolist(), strict=True):
                about = self._table.rows_of(target)
                rows[about] &= ~self._reach[cap, about]
        else:
            rows[hits.targets] = False
        return rows

    def left(self, profile: Profile | None, allowances: list[Allowance], added: dict[int, int], now: int) -> list[int]:
        """Of each candidate that is about to be shown: how often it may be until a policy forbids one; NO_LIMIT.

        `added`: exposures that the page adds, by key.
        """
        counters = counters_of(profile, {bound.key for one in allowances for bound in one.bounds})
        counts: dict[tuple[int, int], int] = {}

        def counted(place: int, cap: int, of_item: bool) -> int:
            if (place, cap) not in counts:
                since = now - int(self._table.limits.window_ms[cap]) + 1
                assert profile is not None, "it counted"
                counts[place, cap] = count_since(profile, place, since, of_item)
            return counts[place, cap]

        return [_left(one, added, counters, counted) for one in allowances]


def _left(
    allowance: Allowance,
    added: Mapping[int, int],
    counters: Mapping[int, Counter],
    counted: Callable[[int, int, bool], int],
) -> int:
    """Of one. A window is counted only when it may matter: it leaves at least what would be left if all of the total
    fell into it.
    """
    left = NO_LIMIT
    for bound in allowance.bounds:
        left = min(left, bound.least // added.get(bound.key, 1))
    for bound in allowance.bounds:
        place, total = counters[bound.key]
        if not total:
            continue
        share = added.get(bound.key, 1)
        for most, cap in zip(bound.most, bound.caps, strict=True):
            if (most - total) // share >= left:
                break  # those of the others leave more
            left = min(left, (most - counted(place, cap, bound.of_item)) // share)
    return left


def counters_of(profile: Profile | None, keys: Iterable[int]) -> dict[int, Counter]:
    """A subject's counters of showings by key, of some that are asked for; NOT_COUNTED: it has none."""
    asked = list(keys)
    found = dict.fromkeys(asked, NOT_COUNTED)
    if profile is not None and asked:
        ids, wanted = profile.rows["id"], np.array(asked, np.uint64) ^ EXPOSURE_MASK
        at = ids.searchsorted(wanted)
        which = (ids.take(at, mode="clip") == wanted).nonzero()[0]
        places = at[which]
        totals = profile.rows["count"][places].tolist()
        for number, place, total in zip(which.tolist(), places.tolist(), totals, strict=True):
            found[asked[number]] = Counter(place, total)
    return found


def plain_add_up(added: dict[int, int], allowances: list[Allowance], keys: tuple[int, ...]) -> None:
    """Adds one showing of each of some candidates, and one of `keys`."""
    for allowance in allowances:
        for key in allowance.keys:
            added[key] = added.get(key, 0) + 1
    for key in keys:
        added[key] = added.get(key, 0) + 1


try:
    from maitred_server.compiled.contact import add_up as add_up
except ImportError:  # nothing was compiled here
    add_up = plain_add_up

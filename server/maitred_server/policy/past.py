"""What a subject did so far with things of one counter type: how often, how lately, and faded by age.

Counters tell counts and the first and last time; the buckets of the last 92 days tell when the rest was. What is older
than the buckets is taken as spread evenly from the first time to where the buckets begin.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.policy.base import Floats, Keys
from maitred_server.store import Profile, buckets
from maitred_server.store.counters import keys_of
from maitred_server.store.keys import ANY_KEY, type_code

FADES_DAYS: Final = (30.0, 60.0, 120.0)  # after so many days what was done counts 1/e
HOUR_MS: Final = buckets.HOUR_MS
DAY_MS: Final = buckets.DAY_MS

_HOURS: Final = (buckets.DAYS + 2) * 24
_FADED: Final = np.exp(-np.arange(_HOURS) / 24.0 / np.array(FADES_DAYS)[:, None])  # by age in hours


class Past(NamedTuple):
    """n things of one counter type, and all of it together. Times are days before now, at least 0."""

    keys: Keys  # uint64[n]
    counts: Floats  # float64[n]
    visits_of: Floats  # float64[n]: on how many days (lately: in how many hours); of long ago an estimate
    first: Floats  # float64[n], days ago
    last: Floats  # float64[n], days ago
    faded: Floats  # float64[3, n]: `visits_of`, of each what is left of it after `FADES_DAYS`
    visits: float  # the same of all things together
    visits_faded: Floats  # float64[3]
    basket: float  # things at a visit, in the mean
    since: float  # days since the last visit


_NONE: Final = np.zeros(0)
NO_PAST: Final = Past(np.zeros(0, np.uint64), _NONE, _NONE, _NONE, _NONE, np.zeros((3, 0)), 0.0, np.zeros(3), 0.0, 0.0)


def past(profile: Profile | None, counter_type: str, now: int) -> Past:
    """What a subject did. `profile` None: nothing is known, or nothing may be. `now`: ms."""
    if profile is None:
        return NO_PAST
    chosen = np.flatnonzero(profile.rows["type"] == type_code(counter_type))
    if not len(chosen):
        return NO_PAST
    rows = profile.rows[chosen]
    keys = keys_of(rows)
    counts = rows["count"].astype(np.float64)
    first, last = (np.maximum(now - rows[name], 0) / DAY_MS for name in ("first", "last"))
    recent = _recent(profile, chosen, now)
    once = np.divide(recent.cells, recent.tallies, out=np.ones(len(keys)), where=recent.tallies > 0)
    visits = recent.cells + (counts - recent.tallies) * once
    faded = recent.faded + _before(profile, recent, counts, first, last, now) * once
    every = keys == ANY_KEY
    whole = int((every if every.any() else counts).argmax())  # the store lets go of the total last
    return Past(
        keys,
        counts,
        visits,
        first,
        last,
        faded,
        float(visits[whole]),
        faded[:, whole],
        float(counts[whole] / visits[whole]),
        float(last[whole]),
    )


class _Recent(NamedTuple):
    """Of the buckets of n counters."""

    tallies: Floats  # float64[n]
    cells: Floats  # float64[n]: how many buckets
    faded: Floats  # float64[3, n]: buckets


def _recent(profile: Profile, chosen: npt.NDArray[np.intp], now: int) -> _Recent:
    held, size = profile.buckets, len(profile.rows)
    owner = buckets.rows_of(held.cells)
    age = np.clip(now // HOUR_MS - buckets.middle_hours(held.cells), 0, _HOURS - 1)
    left = _FADED[:, age]

    def summed(weights: Floats | None) -> Floats:
        return np.bincount(owner, weights, size)[chosen].astype(np.float64)

    return _Recent(summed(held.tallies.astype(np.float64)), summed(None), np.stack([summed(one) for one in left]))


def _before(profile: Profile, recent: _Recent, counts: Floats, first: Floats, last: Floats, now: int) -> Floats:
    """float64[3, n]: counts that are older than the buckets, faded."""
    older = counts - recent.tallies
    faded = np.zeros((len(FADES_DAYS), len(counts)))
    which = np.flatnonzero(older > 0)
    if not len(which):
        return faded
    horizon = max(now - buckets.horizon(profile.newest), 0) / DAY_MS
    begin, end = first[which], np.minimum(np.maximum(last[which], horizon), first[which])
    span = np.maximum(begin - end, 1e-9)
    for out, fade in zip(faded, FADES_DAYS, strict=True):
        mean = np.where(span < 0.1, np.exp(-begin / fade), fade * (np.exp(-end / fade) - np.exp(-begin / fade)) / span)
        out[which] = older[which] * mean
    return faded

"""What a subject did so far with things of one counter type: how often, how lately, and faded by age.

Counters tell counts and the first and last time; the buckets of the last 92 days tell when the rest was. What is older
than the buckets is taken as spread evenly from the first time to where the buckets begin.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from maitred_server.policy.base import Floats, Keys, Places
from maitred_server.store import Profile, buckets, counters
from maitred_server.store.keys import ANY_KEY, type_code, type_mask

FADES_DAYS: Final = (30.0, 60.0, 120.0)  # after so many days what was done counts 1/e
FADED: Final = 4  # where the faded columns begin
HOUR_MS: Final = buckets.HOUR_MS
DAY_MS: Final = buckets.DAY_MS

_HOURS: Final = (buckets.DAYS + 2) * 24
_RATES: Final = -1.0 / np.array(FADES_DAYS)[:, None]
FADED_HOURLY: Final = np.exp(np.arange(_HOURS) / 24.0 * _RATES)  # float64[3, hours]: by age
_MOMENT: Final = 1e-6  # days: the least time that something is spread over


class Past(NamedTuple):
    """n things of one counter type, and all of it together. Times are days before now, at least 0."""

    keys: Keys  # uint64[n], distinct
    table: Floats  # float64[7, n]: the columns that are named below
    visits: float  # `visits_of` all things together
    visits_faded: Floats  # float64[3]: the same of `faded`
    basket: float  # things at a visit, in the mean
    since: float  # days since the last visit

    @property
    def counts(self) -> Floats:
        """float64[n]."""
        return _column(self.table, 0)

    @property
    def visits_of(self) -> Floats:
        """float64[n]: on how many days (lately: in how many hours); of long ago an estimate."""
        return _column(self.table, 1)

    @property
    def first(self) -> Floats:
        """float64[n], days ago."""
        return _column(self.table, 2)

    @property
    def last(self) -> Floats:
        """float64[n], days ago."""
        return _column(self.table, 3)

    @property
    def faded(self) -> Floats:
        """float64[3, n]: `visits_of`, of each what is left of it after `FADES_DAYS`."""
        return self.table[FADED:]


def _column(table: Floats, at: int) -> Floats:
    column: Floats = table[at]
    return column


NO_PAST: Final = Past(np.zeros(0, np.uint64), np.zeros((7, 0)), 0.0, np.zeros(3), 0.0, 0.0)


def past(profile: Profile | None, counter_type: str, now: int) -> Past:
    """What a subject did. `profile` None: nothing is known, or nothing may be. `now`: ms."""
    if profile is None:
        return NO_PAST
    code, mask, any_id = sought(counter_type)
    chosen = (profile.rows["type"] == code).nonzero()[0]
    if not len(chosen):
        return NO_PAST
    words = counters.words(profile.rows).take(chosen, 0)
    ids = words[:, counters.ID_WORD].view(np.uint64)
    table = np.empty((7, len(ids)))
    table[0] = words[:, counters.COUNT_WORD] >> counters.COUNT_SHIFT
    times = np.subtract(now, words[:, counters.TIME_WORDS].T, out=table[2:FADED])
    times *= 1.0 / DAY_MS
    np.maximum(times, 0.0, out=times)
    _spread(profile, chosen, table, now)
    at = int(ids.searchsorted(any_id))  # counters are sorted by id
    whole = at if at < len(ids) and ids[at] == any_id else int(table[0].argmax())  # the store lets go of it last
    count, visits, _, since = table[:FADED, whole].tolist()
    return Past(ids ^ mask, table, visits, table[FADED:, whole], count / visits, since)


@lru_cache(maxsize=4_096)
def sought(counter_type: str) -> tuple[np.uint32, np.uint64, np.uint64]:
    """Of a type: its code, what turns ids into keys, and the id of the counter of all things."""
    code = type_code(counter_type)
    mask = type_mask(code)
    return np.uint32(code), np.uint64(mask), np.uint64(ANY_KEY ^ mask)


def _spread(profile: Profile, chosen: Places, table: Floats, now: int) -> None:
    """Fills in the visits, whole and faded. The buckets tell those of late; what is older is taken as spread evenly."""
    recent = _recent(profile, chosen, table[1], now)
    cells, tallies, table[FADED:] = table[1], recent[0], recent[1:]
    older = table[0] - tallies
    if not older.any():
        return
    older /= np.maximum(tallies, 1.0)
    older *= np.maximum(cells, 1.0)  # visits, as later ones were
    cells += older
    horizon = max(now - buckets.horizon(profile.newest), 0) / DAY_MS
    table[FADED:] += _before(table[2], table[3], horizon) * np.maximum(older, 0.0)


def _recent(profile: Profile, chosen: Places, cells: Floats, now: int) -> Floats:
    """Of the buckets of n counters float64[4, n]: their tallies, and what is left of them. `cells` float64[n] is filled
    with how many there are.
    """
    held = profile.buckets
    summed = np.zeros((4, len(held.cells) + 1))
    summed[0, 1:] = held.tallies
    ages = now // HOUR_MS - buckets.middle_hours(held.cells)
    FADED_HOURLY.take(ages, axis=1, out=summed[1:, 1:], mode="clip")
    np.add.accumulate(summed, axis=1, out=summed)
    begins = buckets.begins(held, len(profile.rows))
    first, end = begins[chosen], begins[1:][chosen]
    np.subtract(end, first, out=cells)
    left: Floats = summed.take(end, axis=1)
    left -= summed.take(first, axis=1)
    return left


def _before(first: Floats, last: Floats, horizon: float) -> Floats:
    """float64[3, n]: what is left of one from any time between `first` and `last`, or where buckets begin."""
    span = np.maximum(first - np.maximum(last, horizon), _MOMENT)
    fall = span * _RATES
    found: Floats = np.exp((first - span) * _RATES) * (np.expm1(fall) / fall)
    return found

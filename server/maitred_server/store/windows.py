"""Limits over what a profile counted: how often something happened in any rolling window, and until when that closes.

Where the recent events tell exact times these are used. Else an hour's or a day's bucket tells between which moments
something happened, and what may have been is taken for what was: a limit may hold longer than it should, never shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maitred_server.store import buckets, counters
from maitred_server.store.columns import Places
from maitred_server.store.keys import ANY_KEY, type_code, type_mask
from maitred_server.store.profiles import MOST_RECENT, Profile
from maitred_server.store.touches import LATEST_MS

NEVER_LOST = -1
_TYPE_MASK = np.uint64(type_mask(1))


Moments: TypeAlias = NDArray[np.int64]  # ms


class Limit(NamedTuple):
    """At most `most` in any window of `window_ms`; once that is reached, nothing for `suppress_ms`."""

    most: int
    window_ms: int
    suppress_ms: int = 0

    @property
    def back_ms(self) -> int:
        """What happened longer ago than this decides nothing now."""
        return self.window_ms + self.suppress_ms


class Limits(NamedTuple):
    """n of them, as columns."""

    most: NDArray[np.int64]
    window_ms: Moments
    suppress_ms: Moments

    def of(self, chosen: Places) -> Limits:
        """Some of them."""
        return Limits(self.most[chosen], self.window_ms[chosen], self.suppress_ms[chosen])


def counts_since(profile: Profile, places: Places, since: Moments) -> NDArray[np.int64]:
    """How often counters were counted at or after some moments (ms): n places of `profile.rows` and n moments give n.

    Never less than the truth: where the recent events do not tell it, a bucket that a moment falls into counts whole.
    """
    counts = most_since(profile, places, since)
    partly = ((profile.rows["first"][places] < since) & (counts > 0)).nonzero()[0]
    if len(partly):
        recent = _recently(profile, places[partly], since[partly])
        counts[partly] = np.where(recent, recent, counts[partly])
    return counts


def plain_count_since(profile: Profile, place: int, since: int, of_item: bool = True) -> int:
    """The same of one counter, without arrays of one. `of_item` False: recent events do not tell it, nor are asked."""
    id_, _, first, last, _, code, count = profile.rows[place].item()
    if last < since:
        return 0
    if first >= since:
        return int(count)
    most = int(count)
    if since >= buckets.horizon(profile.newest):
        most = min(most, buckets.count_since(profile.buckets, place, since))
    if not most or not of_item:
        return most
    return _recent_count(profile, code, id_ ^ type_mask(code), since) or most


try:
    from maitred_server.compiled.contact import count_since as count_since
except ImportError:  # nothing was compiled here
    count_since = plain_count_since


def _recent_count(profile: Profile, code: int, key: int, since: int) -> int:
    """See `_recently`."""
    ring = profile.ring
    if len(ring) == MOST_RECENT and since <= ring["time"][0]:
        return 0
    times, types, items = ring["time"], ring["type"], ring["item"]
    begin = int(times.searchsorted(since))
    met = types[begin:] == code
    if key != ANY_KEY:
        met &= items[begin:] == np.uint64(key)
    return int(np.count_nonzero(met))


def most_since(profile: Profile, places: Places, since: Moments) -> NDArray[np.int64]:
    """The same by buckets alone, for a first look: never less than `counts_since`."""
    rows = profile.rows
    counts = rows["count"][places].astype(np.int64)
    counts *= rows["last"][places] >= since
    partly = (rows["first"][places] < since) & (since >= buckets.horizon(profile.newest))
    if not partly.any():
        return counts
    within = buckets.counts_since(profile.buckets, places, since)
    return np.where(partly & (within < counts), within, counts)


def _recently(profile: Profile, places: Places, since: Moments) -> NDArray[np.int64]:
    """The same of items, where the recent events tell it; else 0."""
    counts: NDArray[np.int64] = _met(profile, places, since).sum(axis=1)
    return counts


def _met(profile: Profile, places: Places, since: Moments) -> NDArray[np.bool_]:
    """bool[n, recent events]: what each counter counted at or after its moment; nothing of what they do not tell, be it
    that they do not reach back so far or that it is no item.
    """
    ring, rows = profile.ring, profile.rows
    types = rows["type"][places]
    keys = rows["id"][places] ^ types * _TYPE_MASK
    met: NDArray[np.bool_] = ring["item"] == keys[:, None]
    met[keys == ANY_KEY] = True
    met &= (ring["type"] == types[:, None]) & (ring["time"] >= since[:, None])
    if len(ring) == MOST_RECENT:
        met &= (since > ring["time"][0])[:, None]
    return met


def closed(profile: Profile, places: Places, limits: Limits, now: int) -> NDArray[np.bool_]:
    """bool[n]: which of n limits close what n counters count, see `closed_until`.

    Of each the counter must have reached the bound with all that ever was, and its last be no longer ago than window
    and suppression last.
    """
    most, window, suppress = limits
    found: NDArray[np.bool_] = most_since(profile, places, now - window - suppress + 1) >= most
    near = found.nonzero()[0]
    if len(near):
        places, (most, window, suppress) = places[near], limits.of(near)
        first, last = profile.rows["first"][places], profile.rows["last"][places]
        together = (last - first < window) & (np.maximum(last + suppress, first + window) > now)
        unsure = (~together & (most > 1)).nonzero()[0]
        if len(unsure):
            found[near[unsure]] = _by_moments(profile, places[unsure], limits.of(near[unsure]), now)
    return found


def _by_moments(profile: Profile, places: Places, limits: Limits, now: int) -> NDArray[np.bool_]:
    """The same of limits that are near by the buckets alone."""
    most, window, suppress = limits
    met = _met(profile, places, now - window - suppress + 1)
    found: NDArray[np.bool_] = np.logical_not(met.any(axis=1))  # a bound of buckets is the last word of a window
    for at in (found & (suppress > 0)).nonzero()[0].tolist():
        limit = Limit(int(most[at]), int(window[at]), int(suppress[at]))
        found[at] = closed_until(profile, (int(places[at]),), limit, now) > now
    which, event = met.nonzero()
    times, back = profile.ring["time"][event], most[which] - 1
    begins = np.arange(len(which)) - back  # where the first of the last `most` is, in the same row or not
    reached = (begins >= which.searchsorted(which)).nonzero()[0]
    which, until, began = which[reached], times[reached], times[begins[reached]]
    holds = np.maximum(until + suppress[which], began + window[which]) > now
    found[which[holds & (until - began < window[which])]] = True
    return found


def closed_until(profile: Profile, places: Sequence[int], limit: Limit, now: int) -> int:
    """Until when (ms) a limit closes what some counters count together; at most `now`: it does not.

    Closed is from each moment t at which the last `most` lie within `window_ms`: for `suppress_ms` after t, and until
    the first of them leaves the window.
    """
    lows: list[int] = []
    highs: list[int] = []
    for place in places:
        _moments(profile, place, max(now - limit.back_ms + 1, 0), limit.most, lows, highs)
    lows.sort()
    highs.sort()
    return held_until(lows, highs, limit, now)


def held_until(lows: Sequence[int], highs: Sequence[int], limit: Limit, now: int) -> int:
    """The same of moments that are known within bounds (ms): the k-th is between the k-th of both, which rise."""
    for at in range(len(lows) - 1, limit.most - 2, -1):
        began = highs[at - limit.most + 1]
        until = max(highs[at] + limit.suppress_ms, began + limit.window_ms)
        if until <= now or lows[at] - began < limit.window_ms:  # the bounds only fall from here
            return until
    return 0


def _moments(profile: Profile, place: int, since: int, most: int, lows: list[int], highs: list[int]) -> None:
    """Adds when at the earliest, and at the latest, each thing happened that may have been at or after `since`.

    The k-th of the sorted bounds are bounds of the k-th thing. Of what one bucket holds, `most` decide as much as all.
    """
    id_, _, first, last, _, code, count = profile.rows[place].item()
    if last < since:
        return
    if exact := _recent_times(profile, code, id_ ^ type_mask(code), since):
        lows += exact
        highs += exact
        return
    spans = buckets.spans(profile.buckets, place, since)
    if since < (covered := buckets.horizon(profile.newest)) and (before := count - spans.total) > 0:
        _add(lows, highs, first, min(covered, last), min(before, most))
    for begin, end, tally in spans.spans:
        _add(lows, highs, max(begin, first), min(end, last), min(tally, most))


def _add(lows: list[int], highs: list[int], low: int, high: int, times: int) -> None:
    lows += [low] * times
    highs += [high] * times


def _recent_times(profile: Profile, code: int, key: int, since: int) -> list[int]:
    """The times at or after `since`, when the recent events tell all of them; else none: groups are not among them."""
    ring = profile.ring
    if len(ring) == MOST_RECENT and since <= ring["time"][0]:
        return []
    found = (ring["type"] == code) & (ring["time"] >= since)
    if key != ANY_KEY:
        sought = np.uint64(key)
        found &= (ring["action"] == sought) | (ring["item"] == sought)
    times: list[int] = ring["time"][found].tolist()
    return times


def lost_through(profile: Profile, counter_type: str) -> int:
    """The latest moment (ms) of anything that a counter of a type, given up for lack of room, may have counted.

    NEVER_LOST: none was given up. What counts all of a type (`keys.ANY_KEY`) never is.
    """
    rows = profile.rows
    if not profile.evicted or len(rows) < counters.MOST_ROWS:
        return NEVER_LOST
    single = counters.keys_of(rows) != ANY_KEY
    views = rows["type"] == counters.EVICTED_FIRST
    if type_code(counter_type) == counters.EVICTED_FIRST:
        return int(rows["last"][views & single].min(initial=LATEST_MS))
    if (views & single).any():  # views go first
        return NEVER_LOST
    return int(rows["last"][single].min(initial=LATEST_MS))

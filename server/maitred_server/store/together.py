"""Profiles of many subjects changed together: what `Profile.with_records` makes of each, in a few calls for all.

A profile alone costs the same hundred small calls whether it has one record or fifty. Here the rows of all of them
stand in common columns, beside a column that says whose they are; what is sorted there is sorted by owner first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from maitred_server.model import Deletion, Record
from maitred_server.store import buckets, counters
from maitred_server.store.buckets import Buckets
from maitred_server.store.columns import Places
from maitred_server.store.counters import Rows
from maitred_server.store.profiles import MOST_RECENT, Profile, recent_of
from maitred_server.store.touches import Touches, touches_of_each

Records: TypeAlias = Sequence[tuple[int, Record]]
T = TypeVar("T", bound=np.generic)

AT_ONCE = 100  # profiles: with more, sorting takes what fewer calls save


def with_records(profiles: Sequence[Profile], changes: Sequence[Records]) -> list[Profile]:
    """Each profile after its own records. Raises ValueError or TypeError when any of them cannot be applied."""
    if any(type(record.body) is Deletion for records in changes for _, record in records):
        return [profile.with_records(records) for profile, records in zip(profiles, changes, strict=True)]
    found: list[Profile] = []
    for begin in range(0, len(profiles), AT_ONCE):
        found += _with_records(profiles[begin : begin + AT_ONCE], changes[begin : begin + AT_ONCE])
    return found


def _with_records(profiles: Sequence[Profile], changes: Sequence[Records]) -> list[Profile]:
    told = [profile.told(records) for profile, records in zip(profiles, changes, strict=True)]
    touches, counts = touches_of_each([record for _, record in records] for records in changes)
    if touches is None:
        return told
    counted = [profile for profile, count in zip(told, counts, strict=True) if count]
    after = iter(_touched(counted, touches, np.array([count for count in counts if count])))
    return [next(after) if count else profile for profile, count in zip(told, counts, strict=True)]


class _Owned(NamedTuple, Generic[T]):
    """Sorted by owner; `starts[i]` to `starts[i + 1]` are those of owner i."""

    starts: list[int]
    rows: NDArray[T]

    def of(self, owner: int) -> NDArray[T]:
        part: NDArray[T] = self.rows[self.starts[owner] : self.starts[owner + 1]]
        return part


def _touched(profiles: Sequence[Profile], touches: Touches, counts: Places) -> list[Profile]:
    """`counts`: how many rows of `touches` each profile has, at least one; they stand in the profiles' order."""
    owners = np.arange(len(profiles)).repeat(counts)
    before = np.array([profile.newest for profile in profiles])
    newest = np.maximum(before, np.maximum.reduceat(touches.times, counts.cumsum() - counts))
    rows, moved, placed = _counted(profiles, touches, owners)
    held, tallies = _bucketed(profiles, touches, owners, _Moments(before, newest), moved, placed)
    ring = _recent(profiles, touches, owners)
    return [
        _bounded(
            replace(
                profile,
                newest=newest_of,
                rows=rows.of(owner),
                ring=ring.of(owner),
                buckets=Buckets(held.of(owner), tallies[held.starts[owner] : held.starts[owner + 1]]),
            )
        )
        for owner, (profile, newest_of) in enumerate(zip(profiles, newest.tolist(), strict=True))
    ]


def _bounded(profile: Profile) -> Profile:
    over = len(profile.rows) > counters.MOST_ROWS or len(profile.buckets.cells) > buckets.MOST_BUCKETS
    return profile.bounded() if over else profile


# Counters


def _counted(profiles: Sequence[Profile], touches: Touches, owners: Places) -> tuple[_Owned[np.void], Places, Places]:
    """The counters; where each old row went, within its owner's; and likewise each touched key."""
    old = [profile.rows for profile in profiles]
    fresh = _added_up(counters.rows_of_each(touches), owners.repeat(touches.spans))
    both = _added_up(_joined([*old, fresh.rows]), np.concatenate((_owners_of(old), fresh.whose)))
    bounds = np.searchsorted(both.whose, np.arange(len(profiles) + 1))
    within = both.places - bounds[both.whose[both.places]]
    kept = len(within) - len(fresh.rows)
    return _Owned(bounds.tolist(), both.rows), within[:kept], within[kept:][fresh.places]


class _AddedUp(NamedTuple):
    """Rows with distinct owner and id, sorted by them. `places`: where each row from before went."""

    rows: Rows
    whose: Places
    places: Places


def _added_up(rows: Rows, whose: Places) -> _AddedUp:
    order = np.lexsort((rows["id"], whose))
    rows, whose = rows[order], whose[order]
    starts = _begins(whose, rows["id"])
    places = np.empty(len(order), np.intp)
    places[order] = _numbers(starts, len(order))
    return _AddedUp(counters.added_up(rows, starts), whose[starts], places)


def _joined(parts: Sequence[Rows]) -> Rows:
    """As numpy does it, but for a look at every field of every part."""
    return np.frombuffer(b"".join(part.data for part in parts), parts[0].dtype)


def _owners_of(parts: Sequence[NDArray[np.generic]]) -> Places:
    return np.arange(len(parts)).repeat([len(part) for part in parts])


def _begins(*columns: NDArray[np.generic]) -> Places:
    """Where runs of rows that are equal in all columns begin."""
    begins = np.zeros(len(columns[0]), np.bool_)
    begins[:1] = True
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(begins)


def _numbers(starts: Places, count: int) -> Places:
    """For each of `count` rows the number of its run."""
    return np.arange(len(starts)).repeat(np.diff(starts, append=count))


# Buckets


class _Moments(NamedTuple):
    """Times of each profile's newest event, before and after."""

    before: NDArray[np.int64]
    newest: NDArray[np.int64]


def _bucketed(
    profiles: Sequence[Profile], touches: Touches, owners: Places, moments: _Moments, moved: Places, placed: Places
) -> tuple[_Owned[np.uint64], NDArray[np.uint32]]:
    old = [profile.buckets.cells for profile in profiles]
    whose, cells = _owners_of(old), np.concatenate(old)
    rows = moved[_starts([profile.rows for profile in profiles])[whose] + buckets.rows_of(cells)]
    cells, stays = buckets.moved_on(cells, rows, moments.newest[whose], _rolls(moments)[whose])
    key_owners = owners.repeat(touches.spans)
    more, covered = buckets.cells_of(placed, touches.times.repeat(touches.spans), moments.newest[key_owners])
    tallies = np.concatenate([profile.buckets.tallies for profile in profiles])[stays]
    tallies = np.concatenate((tallies, np.ones(len(more), np.uint32)))
    cells = np.concatenate((cells, more))
    whose = np.concatenate((whose[stays], key_owners[covered]))
    order = np.lexsort((cells, whose))
    cells, whose = cells[order], whose[order]
    starts = _begins(whose, cells)
    bounds = np.searchsorted(whose[starts], np.arange(len(profiles) + 1)).tolist()
    if not len(starts):
        return _Owned(bounds, cells), tallies
    return _Owned(bounds, cells[starts]), np.add.reduceat(tallies[order], starts).astype(np.uint32)


def _starts(parts: Sequence[NDArray[np.generic]]) -> Places:
    lengths = np.array([len(part) for part in parts], np.intp)
    starts: Places = lengths.cumsum() - lengths
    return starts


def _rolls(moments: _Moments) -> NDArray[np.bool_]:
    """Whose hours and days move on: those with a new day."""
    rolls: NDArray[np.bool_] = moments.newest // buckets.DAY_MS != moments.before // buckets.DAY_MS
    return rolls


# Recent events


def _recent(profiles: Sequence[Profile], touches: Touches, owners: Places) -> _Owned[np.void]:
    old = [profile.ring for profile in profiles]
    ring = _joined([*old, recent_of(touches)])
    whose = np.concatenate((_owners_of(old), owners))
    order = np.lexsort((ring["time"], whose))
    ends = np.searchsorted(whose[order], np.arange(len(profiles)), "right")
    order = order[ends[whose[order]] - np.arange(len(order)) <= MOST_RECENT]
    bounds = np.searchsorted(whose[order], np.arange(len(profiles) + 1)).tolist()
    return _Owned(bounds, ring[order])

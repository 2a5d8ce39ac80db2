"""How often each counter counted, hour by hour for three days and day by day for three months: for rolling windows.

An event is in one bucket only: of its hour while that is recent, else of its day (UTC). Hours become days, and days go,
when a day begins, so that buckets are the same however their events were told. A bucket is a cell, the
counter's row number and the bucket's slot in one 64-bit number, and a tally. Cells are sorted and distinct.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maitred_server.store.columns import Placed, Places, place, runs

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOURS = 72
DAYS = 92
MOST_BUCKETS = 4_096

_DAY = np.uint64(1 << 31)  # in a slot: a day's bucket, named by its first hour
_NUMBER = np.uint64((1 << 31) - 1)
_SLOT = np.uint64((1 << 32) - 1)
_HOURS_A_DAY = np.uint64(24)
_ROW_SHIFT = np.uint64(32)
_NEXT_ROW = np.uint64(1 << 32)
_FIRST = np.arange(2_049, dtype=np.uint64) << _ROW_SHIFT  # the first cells of the rows that most subjects have
_MIDDLE = np.uint32((1 << 31) - 12)  # a slot modulo this: its hour, and 12 more for a day's


class Buckets(NamedTuple):
    """Columns of equal length."""

    cells: NDArray[np.uint64]
    tallies: NDArray[np.uint32]


NO_BUCKETS = Buckets(np.zeros(0, np.uint64), np.zeros(0, np.uint32))


def horizon(newest: int) -> int:
    """Windows that begin at or after this moment are wholly covered, when `newest` is the newest event's time (ms)."""
    return newest - DAYS * DAY_MS


def add(buckets: Buckets, rows: Places, times: NDArray[np.int64], newest: int) -> Buckets:
    """Count one for each of `rows` at its time. What lies before the horizon is left out."""
    slots = _slots(times, newest)
    covered = (_ends(slots) > _begin(newest)).nonzero()[0]
    if not len(covered):
        return buckets
    cells = rows[covered].astype(np.uint64) << _ROW_SHIFT | slots[covered]
    return _merge(buckets, _gathered(cells, np.ones(len(cells), np.uint32)))


def cells_of(
    rows: Places, times: NDArray[np.int64], newest: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Cells of many subjects' rows at their times, without those before the horizon, and which those are not.

    `newest`: of each one's subject.
    """
    hours = (times // HOUR_MS).astype(np.uint64)
    slots = np.where(hours < _oldest_hours(newest), _day_of(hours), hours)
    covered = _ends(slots) > _begins(newest)
    return rows[covered].astype(np.uint64) << _ROW_SHIFT | slots[covered], covered


def moved_on(
    cells: NDArray[np.uint64], rows: Places, newest: NDArray[np.int64], rolls: NDArray[np.bool_]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Cells of many subjects after their rows were numbered anew, and which of them stay; equal ones not yet added up.

    `rows`: the new number of each one's row; `newest`: of its subject; `rolls`: whether its subject's hours move on.
    """
    slots = cells & _SLOT
    stays = ~rolls | (_ends(slots) > _begins(newest))
    hours = slots & _NUMBER
    old = rolls & (slots < _DAY) & (hours < _oldest_hours(newest))
    moved_cells = rows.astype(np.uint64) << _ROW_SHIFT | np.where(old, _day_of(hours), slots)
    return moved_cells[stays], stays


def rows_of(cells: NDArray[np.uint64]) -> Places:
    """The number of each cell's row."""
    return _rows(cells)


def begins(buckets: Buckets, rows: int) -> Places:
    """intp[rows + 1]: where the cells of each of so many rows begin; those of one end where the next one's begin."""
    first = _FIRST[: rows + 1] if rows < len(_FIRST) else np.arange(rows + 1, dtype=np.uint64) << _ROW_SHIFT
    return buckets.cells.searchsorted(first)


def middle_hours(cells: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The middle of each cell's bucket: whole hours since the epoch, an hour's own or a day's twelfth."""
    return (cells.astype(np.uint32) % _MIDDLE).astype(np.int64)


def moved(buckets: Buckets, placed: Placed) -> Buckets:
    """The same buckets after counters were inserted before, between or after their own."""
    if placed.old is None or not len(buckets.cells):
        return buckets
    return _renumbered(buckets, placed.old.astype(np.uint64))


def joined(one: Buckets, other: Buckets, placed: Placed, newest: int) -> Buckets:
    """The buckets of two subjects whose counters were merged as `placed` says; `newest` is of both."""
    theirs = _renumbered(other, placed.new.astype(np.uint64)) if len(other.cells) else other
    both = _merge(moved(one, placed), theirs) if len(theirs.cells) else moved(one, placed)
    return rolled(both, newest) if len(both.cells) else both


def rolled(buckets: Buckets, newest: int) -> Buckets:
    """Old hours become days, and what ended before the horizon goes."""
    slots = buckets.cells & _SLOT
    stays = _ends(slots) > _begin(newest)
    hours = slots & _NUMBER
    old = (slots < _DAY) & (hours < _oldest_hour(newest))
    if stays.all() and not old.any():
        return buckets
    slots = np.where(old, _day_of(hours), slots)
    cells = (buckets.cells - (buckets.cells & _SLOT) | slots)[stays]
    return _gathered(cells, buckets.tallies[stays])


def of_rows(buckets: Buckets, stays: NDArray[np.bool_]) -> Buckets:
    """The buckets of the counters that stay, renumbered."""
    kept = stays[_rows(buckets.cells)]
    numbers = (np.cumsum(stays) - 1).astype(np.uint64)
    return _renumbered(Buckets(buckets.cells[kept], buckets.tallies[kept]), numbers)


def bounded(buckets: Buckets, most: int = MOST_BUCKETS) -> Buckets:
    """At most `most` buckets, given that there are not more than `most / 2` counters.

    The newer half stays as it is. Of the older half each counter keeps one bucket, its latest, holding all their
    tallies: windows may count more than the truth for it, never less.
    """
    if len(buckets.cells) <= most:
        return buckets
    ends = _ends(buckets.cells & _SLOT)
    older = np.ones(len(ends), np.bool_)
    older[np.argsort(ends, kind="stable")[len(ends) - most // 2 :]] = False
    return _merge(Buckets(buckets.cells[~older], buckets.tallies[~older]), _one_a_row(buckets, older, ends))


def counts_since(buckets: Buckets, rows: Places, since: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tallies of n counters in the buckets that are wholly or partly at or after n moments (ms)."""
    own = rows.astype(np.uint64) << _ROW_SHIFT
    hours = (np.maximum(since, 0) // HOUR_MS).astype(np.uint64)
    bounds = np.concatenate((own | hours, own | _DAY, own | _day_of(hours), own + _NEXT_ROW))
    sums = np.zeros(len(buckets.tallies) + 1, np.int64)
    buckets.tallies.cumsum(out=sums[1:])
    hour, day, this_day, end = sums[buckets.cells.searchsorted(bounds)].reshape(4, -1)
    counts: NDArray[np.int64] = day - hour + end - this_day
    return counts


def count_since(buckets: Buckets, row: int, since: int) -> int:
    """The same of one counter and one moment."""
    own, hours = row << 32, max(since, 0) // HOUR_MS
    bounds = np.array((own | hours, own | 1 << 31, own | 1 << 31 | hours - hours % 24, row + 1 << 32), np.uint64)
    hour, day, this_day, end = buckets.cells.searchsorted(bounds).tolist()
    tallies: list[int] = buckets.tallies[hour:day].tolist() + buckets.tallies[this_day:end].tolist()
    return sum(tallies)


class Spans(NamedTuple):
    """Buckets of one counter: each with its first and last millisecond and its tally. `total`: of all its buckets."""

    spans: list[tuple[int, int, int]]
    total: int


def spans(buckets: Buckets, row: int, since: int) -> Spans:
    """The buckets of a counter that are wholly or partly at or after `since` (ms).

    The oldest of all reaches back to the beginning: it may hold what older ones held (see `bounded`).
    """
    own, hour = row << 32, since // HOUR_MS
    bounds = np.array((own, own | hour, own | 1 << 31, own | 1 << 31 | hour - hour % 24, row + 1 << 32), np.uint64)
    begin, hours, days, this_day, end = buckets.cells.searchsorted(bounds).tolist()
    oldest = days if days < end else begin
    found = [
        (0 if at == oldest else first, last, tally)
        for low, high in ((hours, days), (this_day, end))
        for at, (first, last), tally in zip(
            range(low, high),
            map(_span, buckets.cells[low:high].tolist()),
            buckets.tallies[low:high].tolist(),
            strict=True,
        )
    ]
    return Spans(found, int(buckets.tallies[begin:end].sum()))


def _span(cell: int) -> tuple[int, int]:
    begin = (cell & 0x7FFFFFFF) * HOUR_MS
    return begin, begin + (DAY_MS if cell & 1 << 31 else HOUR_MS) - 1


def _one_a_row(buckets: Buckets, chosen: NDArray[np.bool_], ends: NDArray[np.int64]) -> Buckets:
    cells, tallies, ends = buckets.cells[chosen], buckets.tallies[chosen], ends[chosen]
    rows = _rows(cells)
    order = np.lexsort((ends, rows))
    last = np.flatnonzero(np.diff(rows[order], append=-1))
    starts = np.concatenate(([0], last[:-1] + 1))
    return Buckets(cells[order[last]], np.add.reduceat(tallies[order], starts).astype(np.uint32))


def _oldest_hour(newest: int) -> int:
    return max(0, newest // DAY_MS * 24 - HOURS)


def _oldest_hours(newest: NDArray[np.int64]) -> NDArray[np.uint64]:
    return np.maximum(newest // DAY_MS * 24 - HOURS, 0).astype(np.uint64)


def _begin(newest: int) -> int:
    """What ended by this moment (ms) goes: the beginning of the horizon's day."""
    return (newest // DAY_MS - DAYS) * DAY_MS


def _begins(newest: NDArray[np.int64]) -> NDArray[np.int64]:
    return (newest // DAY_MS - DAYS) * DAY_MS


def _slots(times: NDArray[np.int64], newest: int) -> NDArray[np.uint64]:
    hours = (times // HOUR_MS).astype(np.uint64)
    return np.where(hours < _oldest_hour(newest), _day_of(hours), hours)


def _day_of(hours: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return hours - hours % _HOURS_A_DAY | _DAY


def _ends(slots: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The first millisecond after each bucket."""
    hours = (slots & _NUMBER).astype(np.int64)
    return (hours + np.where(slots < _DAY, 1, 24)) * HOUR_MS


def _rows(cells: NDArray[np.uint64]) -> Places:
    return (cells >> _ROW_SHIFT).astype(np.intp)


def _renumbered(buckets: Buckets, numbers: NDArray[np.uint64]) -> Buckets:
    cells = numbers[_rows(buckets.cells)] << _ROW_SHIFT | buckets.cells & _SLOT
    return Buckets(cells, buckets.tallies)


def _gathered(cells: NDArray[np.uint64], tallies: NDArray[np.uint32]) -> Buckets:
    if not len(cells):
        return NO_BUCKETS
    together = runs(cells)
    return Buckets(together.keys, np.add.reduceat(tallies[together.order], together.starts).astype(np.uint32))


def _merge(old: Buckets, new: Buckets) -> Buckets:
    if not len(old.cells):
        return new
    placed = place(old.cells, new.cells)
    cells, tallies = np.empty(placed.size, np.uint64), np.zeros(placed.size, np.uint32)
    before = slice(None) if placed.old is None else placed.old
    cells[before], tallies[before] = old.cells, old.tallies
    cells[placed.new] = new.cells
    tallies[placed.new] += new.tallies
    return Buckets(cells, tallies)

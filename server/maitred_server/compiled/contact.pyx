"""Counters of a profile as they lie in memory, and what contact policies make of them: twins of `store.windows`,
`decide.capped`.
"""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_Next, PyDict_Size
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport qsort
from libc.string cimport memset

cimport cython
cimport numpy as cnp

cnp.import_array()

if sys.byteorder != "little":
    raise ImportError("profiles are read as they lie in memory, which is for little-endian processors")

cdef extern from "Python.h":
    unsigned long long PyLong_AsUnsignedLongLong(PyObject*) except? 0xFFFFFFFFFFFFFFFF
    long long PyLong_AsLongLong(PyObject*) except? -1

cdef packed struct Row:
    uint64_t id
    double value
    int64_t first
    int64_t last
    uint64_t quantity
    uint32_t type
    uint32_t count

cdef packed struct Event:
    int64_t time
    uint64_t action
    uint64_t item
    uint32_t type
    uint32_t quantity

# When each thing happened at the earliest, and at the latest: both rising.
cdef struct Moments:
    int64_t* lows
    int64_t* highs
    Py_ssize_t size
    int64_t most

cdef enum:
    MOST_RECENT = 256
    MANY_ROWS = 256
    NEAR = 8

cdef int64_t HOUR_MS = 3_600_000
cdef int64_t HORIZON_MS = 92 * 24 * HOUR_MS
cdef int64_t NO_LIMIT = <int64_t> 1 << 62
cdef uint64_t DAY = <uint64_t> 1 << 31
cdef uint64_t GOLDEN = 0x9E3779B97F4A7C15
cdef uint64_t ANY_KEY = 0


cdef cnp.ndarray flat(cnp.ndarray array, Py_ssize_t size):
    """The array, or a copy that lies as processors like it. Raises TypeError for elements of another size."""
    if cnp.PyArray_NDIM(array) != 1 or cnp.PyArray_ITEMSIZE(array) != size:
        raise TypeError(f"an array of one axis, with elements of {size} bytes, is wanted")
    if cnp.PyArray_IS_C_CONTIGUOUS(array) and <uintptr_t> cnp.PyArray_DATA(array) % min(size, 8) == 0:
        return array
    return array.copy()


@cython.final
@cython.freelist(4)
cdef class Counted:
    """A profile's counters. Recent events and buckets are looked up when a window asks for them."""

    cdef object profile
    cdef cnp.ndarray kept_rows
    cdef cnp.ndarray kept_ring
    cdef cnp.ndarray kept_cells
    cdef cnp.ndarray kept_tallies
    cdef const Row* rows
    cdef const Event* ring
    cdef const uint64_t* cells
    cdef const uint32_t* tallies
    cdef Py_ssize_t size
    cdef Py_ssize_t events
    cdef Py_ssize_t buckets
    cdef int64_t newest
    cdef bint opened

    cdef int open(self) except -1:
        """Looks up what windows are counted with."""
        if self.opened:
            return 0
        cells, tallies = self.profile.buckets
        self.kept_ring = flat(self.profile.ring, sizeof(Event))
        self.kept_cells, self.kept_tallies = flat(cells, 8), flat(tallies, 4)
        self.events = cnp.PyArray_DIM(self.kept_ring, 0)
        self.buckets = cnp.PyArray_DIM(self.kept_cells, 0)
        if cnp.PyArray_DIM(self.kept_tallies, 0) != self.buckets:
            raise ValueError("each bucket has one tally")
        self.ring = <const Event*> cnp.PyArray_DATA(self.kept_ring)
        self.cells = <const uint64_t*> cnp.PyArray_DATA(self.kept_cells)
        self.tallies = <const uint32_t*> cnp.PyArray_DATA(self.kept_tallies)
        self.newest = self.profile.newest
        self.opened = True
        return 0

    cdef Py_ssize_t find(self, uint64_t id) noexcept:
        """The place of a counter; -1: there is none."""
        cdef Py_ssize_t low = 0, high = self.size, middle
        while low < high:
            middle = (low + high) >> 1
            if self.rows[middle].id < id:
                low = middle + 1
            else:
                high = middle
        return low if low < self.size and self.rows[low].id == id else -1

    cdef int64_t most_since(self, Py_ssize_t place, int64_t since) except -1:
        """By buckets alone."""
        cdef const Row* row = self.rows + place
        cdef int64_t within
        if row.last < since:
            return 0
        if row.first >= since:
            return row.count
        self.open()
        if since < self.newest - HORIZON_MS:
            return row.count
        within = self.in_buckets(place, since)
        return within if within < row.count else row.count

    cdef int64_t in_buckets(self, Py_ssize_t place, int64_t since) noexcept:
        cdef uint64_t own = <uint64_t> place << 32, hours = <uint64_t> (since // HOUR_MS if since > 0 else 0)
        cdef Py_ssize_t at = self.bucket(own | hours)
        cdef int64_t found = 0
        while at < self.buckets and self.cells[at] < (own | DAY):
            found += self.tallies[at]
            at += 1
        if at < self.buckets and self.cells[at] < (own | DAY | (hours - hours % 24)):
            at = self.bucket(own | DAY | (hours - hours % 24))
        while at < self.buckets and self.cells[at] < own + (<uint64_t> 1 << 32):
            found += self.tallies[at]
            at += 1
        return found

    cdef Py_ssize_t bucket(self, uint64_t cell) noexcept:
        cdef Py_ssize_t low = 0, high = self.buckets, middle
        while low < high:
            middle = (low + high) >> 1
            if self.cells[middle] < cell:
                low = middle + 1
            else:
                high = middle
        return low

    cdef bint reaches(self, int64_t since) noexcept:
        """Whether every event at or after a moment is among the recent ones."""
        return self.events != MOST_RECENT or since > self.ring[0].time

    cdef int64_t count_since(self, Py_ssize_t place, int64_t since, bint of_item) except -1:
        cdef const Row* row = self.rows + place
        cdef int64_t most = self.most_since(place, since), recent = 0
        cdef Py_ssize_t at
        cdef uint64_t key
        if row.first >= since or not most or not of_item or not self.reaches(since):
            return most
        key = row.id ^ row.type * GOLDEN
        at = self.events - 1
        while at >= 0 and self.ring[at].time >= since:
            recent += self.ring[at].type == row.type and (key == ANY_KEY or self.ring[at].item == key)
            at -= 1
        return recent if recent else most

    cdef int closes(self, Py_ssize_t place, int64_t most, int64_t window, int64_t suppress, int64_t now) except -1:
        """Whether a limit closes what a counter counts."""
        cdef const Row* row = self.rows + place
        if self.most_since(place, now - window - suppress + 1) < most:
            return False
        if row.last - row.first < window and max(row.last + suppress, row.first + window) > now:
            return True
        return True if most <= 1 else self.closes_by_moments(place, most, window, suppress, now)

    cdef int closes_by_moments(
        self, Py_ssize_t place, int64_t most, int64_t window, int64_t suppress, int64_t now
    ) except -1:
        cdef const Row* row = self.rows + place
        cdef int64_t since = now - window - suppress + 1, began, until
        cdef Py_ssize_t at, met = 0
        cdef uint64_t key = row.id ^ row.type * GOLDEN
        cdef int64_t* times
        cdef int found = False
        self.open()
        times = <int64_t*> PyMem_Malloc(max(self.events, 1) * sizeof(int64_t))
        if times == NULL:
            raise MemoryError
        if self.reaches(since):
            for at in range(self.events):
                if self.ring[at].type != row.type or self.ring[at].time < since:
                    continue
                if key == ANY_KEY or self.ring[at].item == key:
                    times[met] = self.ring[at].time
                    met += 1
        if not met:  # a bound of buckets is the last word of a window
            found = suppress <= 0 or self.closed_until(place, most, window, suppress, now) > now
        for at in range(most - 1, met):
            until, began = times[at], times[at - most + 1]
            if until - began < window and max(until + suppress, began + window) > now:
                found = True
                break
        PyMem_Free(times)
        return found

    cdef int64_t closed_until(
        self, Py_ssize_t place, int64_t most, int64_t window, int64_t suppress, int64_t now
    ) except? -1:
        """Until when a limit closes what a counter counts, see `store.windows.held_until`."""
        cdef int64_t since = max(now - window - suppress + 1, 0), began, until, found = 0, room
        cdef Moments moments
        cdef Py_ssize_t at
        self.open()
        if self.rows[place].last < since:
            return 0
        room = 1 + self.events + min(self.rows[place].count, most)
        for at in range(self.bucket(<uint64_t> place << 32), self.bucket(<uint64_t> (place + 1) << 32)):
            room += min(self.tallies[at], most)
        moments.lows = <int64_t*> PyMem_Malloc(room * 2 * sizeof(int64_t))
        if moments.lows == NULL:
            raise MemoryError
        moments.highs, moments.size, moments.most = moments.lows + room, 0, most
        if not self.recent_times(&moments, place, since):
            self.bucket_times(&moments, place, since)
            qsort(moments.lows, moments.size, sizeof(int64_t), rising)
            qsort(moments.highs, moments.size, sizeof(int64_t), rising)
        for at in range(moments.size - 1, most - 2, -1):
            began = moments.highs[at - most + 1]
            until = max(moments.highs[at] + suppress, began + window)
            if until <= now or moments.lows[at] - began < window:
                found = until
                break
        PyMem_Free(moments.lows)
        return found

    cdef bint recent_times(self, Moments* moments, Py_ssize_t place, int64_t since) noexcept:
        """The times at or after a moment, when the recent events tell all of them."""
        cdef const Row* row = self.rows + place
        cdef uint64_t key = row.id ^ row.type * GOLDEN
        cdef const Event* event
        cdef Py_ssize_t at
        if not self.reaches(since):
            return False
        for at in range(self.events):
            event = self.ring + at
            if event.type == row.type and event.time >= since:
                if key == ANY_KEY or event.item == key or event.action == key:
                    moments.lows[moments.size] = moments.highs[moments.size] = event.time
                    moments.size += 1
        return moments.size > 0

    cdef void bucket_times(self, Moments* moments, Py_ssize_t place, int64_t since) noexcept:
        cdef const Row* row = self.rows + place
        cdef uint64_t own = <uint64_t> place << 32, hour = <uint64_t> (since // HOUR_MS)
        cdef Py_ssize_t begin = self.bucket(own), hours = self.bucket(own | hour), days = self.bucket(own | DAY)
        cdef Py_ssize_t today = self.bucket(own | DAY | (hour - hour % 24))
        cdef Py_ssize_t end = self.bucket(own + (<uint64_t> 1 << 32)), oldest = days if days < end else begin, at
        cdef int64_t covered = self.newest - HORIZON_MS, before = row.count, first, last
        for at in range(begin, end):
            before -= self.tallies[at]
        if since < covered and before > 0:
            add(moments, row.first, min(covered, row.last), before)
        for at in range(hours, end):
            if days <= at < today:
                continue
            first = <int64_t> (self.cells[at] & (DAY - 1)) * HOUR_MS
            last = first + (24 * HOUR_MS if self.cells[at] & DAY else HOUR_MS) - 1
            add(moments, max(0 if at == oldest else first, row.first), min(last, row.last), self.tallies[at])


cdef void add(Moments* moments, int64_t low, int64_t high, int64_t times) noexcept:
    cdef int64_t number
    for number in range(min(times, moments.most)):
        moments.lows[moments.size], moments.highs[moments.size] = low, high
        moments.size += 1


cdef int rising(const void* one, const void* other) noexcept nogil:
    cdef int64_t a = (<const int64_t*> one)[0], b = (<const int64_t*> other)[0]
    return (a > b) - (a < b)


cdef Counted counted(profile):
    cdef Counted made = Counted.__new__(Counted)
    made.profile = profile
    made.kept_rows = flat(profile.rows, sizeof(Row))
    made.rows = <const Row*> cnp.PyArray_DATA(made.kept_rows)
    made.size = cnp.PyArray_DIM(made.kept_rows, 0)
    return made


def count_since(profile not None, Py_ssize_t place, int64_t since, bint of_item=True):
    """How often a counter counted at or after a moment. See `store.windows`."""
    cdef Counted of = counted(profile)
    if place < 0 or place >= of.size:
        raise IndexError(f"no counter {place} of {of.size}")
    return of.count_since(place, since, of_item)


def value_at(cnp.ndarray rows not None, uint64_t sought):
    """The sum of the values of one counter; 0 where there is none. See `store.counters`."""
    cdef Counted of = Counted.__new__(Counted)
    cdef Py_ssize_t place
    of.kept_rows = flat(rows, sizeof(Row))
    of.rows = <const Row*> cnp.PyArray_DATA(of.kept_rows)
    of.size = cnp.PyArray_DIM(of.kept_rows, 0)
    place = of.find(sought)
    return 0.0 if place < 0 else of.rows[place].value


cdef class Capped:
    """What a placement's policies say of the counters of one profile. See `decide.capped`."""

    cdef tuple kept
    cdef const uint64_t* ids
    cdef const int64_t* targets
    cdef const int64_t* pattern_of
    cdef const char* patterns
    cdef const int64_t* least
    cdef const int64_t* most
    cdef const int64_t* window
    cdef const int64_t* suppress
    cdef const int64_t* held
    cdef const int* end_row
    cdef const int* member_rows
    cdef const int64_t* member_starts
    cdef const char* reach
    cdef const int64_t* codes
    cdef Py_ssize_t size, caps, rows, groups, types
    cdef int64_t longest, near

    def __init__(self, table, cnp.ndarray reach not None):
        """`table`: the policies as a `CapTable`; `reach`: bool[p, m]: the rows that each may close."""
        import numpy as np

        def column(values, dtype):
            return np.array(values, dtype, order="C", copy=True)

        ids, targets = column(table.ids, np.uint64), column(table.targets, np.int64)
        pattern_of, patterns = column(table.pattern_of, np.int64), column(table.patterns, np.bool_)
        least, held = column(table.least, np.int64), column(table.held, np.int64)
        most, window, suppress = (column(one, np.int64) for one in table.limits)
        end_row, member_rows = column(table.end_row, np.int32), column(table.member_rows, np.int32)
        member_starts, codes = column(table.member_starts, np.int64), column(sorted(table.types), np.int64)
        reach = column(reach, np.bool_)
        self.kept = (
            ids, targets, pattern_of, patterns, least, held, most, window, suppress, end_row, member_rows,
            member_starts, reach, codes,
        )
        self.size, self.caps, self.rows = len(ids), len(most), len(end_row)
        self.groups, self.types = len(member_starts) - 1, len(codes)
        sides = [len(one) for one in (window, suppress, held, reach)]
        if sides != [self.caps] * 4 or reach.shape[1] != self.rows or patterns.shape[1] != self.caps:
            raise ValueError("of each policy one limit, and of each row one place in its reach, are wanted")
        if [len(one) for one in (targets, pattern_of, least)] != [self.size] * 3:
            raise ValueError("of each counter one target, one pattern and one bound are wanted")
        if self.size and not (0 <= pattern_of.min() and pattern_of.max() < len(patterns)):
            raise ValueError("a counter has a pattern that is not there")
        if len(member_rows) and not (0 <= member_rows.min() and member_rows.max() < self.rows):
            raise ValueError("a group has a row that is not there")
        if len(end_row) and not (0 <= end_row.min() and end_row.max() <= self.rows):
            raise ValueError("an item ends after the last row")
        if self.groups < 0 or (np.diff(member_starts) < 0).any() or member_starts[self.groups] > len(member_rows):
            raise ValueError("a group ends after the last member")
        if member_starts[0] < 0:
            raise ValueError("a group begins before the first member")
        self.ids = <const uint64_t*> cnp.PyArray_DATA(ids)
        self.targets = <const int64_t*> cnp.PyArray_DATA(targets)
        self.pattern_of = <const int64_t*> cnp.PyArray_DATA(pattern_of)
        self.patterns = <const char*> cnp.PyArray_DATA(patterns)
        self.least, self.held = <const int64_t*> cnp.PyArray_DATA(least), <const int64_t*> cnp.PyArray_DATA(held)
        self.most, self.window = <const int64_t*> cnp.PyArray_DATA(most), <const int64_t*> cnp.PyArray_DATA(window)
        self.suppress = <const int64_t*> cnp.PyArray_DATA(suppress)
        self.end_row = <const int*> cnp.PyArray_DATA(end_row)
        self.member_rows = <const int*> cnp.PyArray_DATA(member_rows)
        self.member_starts = <const int64_t*> cnp.PyArray_DATA(member_starts)
        self.reach = <const char*> cnp.PyArray_DATA(reach)
        self.codes = <const int64_t*> cnp.PyArray_DATA(codes)
        self.longest, self.near = table.longest, table.near

    def look(self, profile not None, int64_t now, cnp.ndarray holding not None):
        """How much is missing to the nearest bound, and what policies close."""
        cdef Counted of = counted(profile)
        cdef const char* holds = self.flags(holding)
        cdef Py_ssize_t place, over = 0, at
        cdef int64_t spare = NEAR, missing, counts
        cdef list found = None
        for place in range(of.size):
            over += of.rows[place].count >= self.near
        if over:
            for place in range(of.size):
                counts = of.rows[place].count
                if counts < self.near or not self.counts(of.rows[place].type):
                    continue
                if over > MANY_ROWS and of.rows[place].last <= now - self.longest:
                    continue
                at = self.find(of.rows[place].id)
                if at < 0:
                    continue
                missing = self.least[at] - counts
                spare = min(spare, missing)
                if missing <= 0:
                    found = found if found is not None else []
                    self.close(of, place, at, now, holds, found)
        if not found:
            return spare, None
        return spare, (numbers(found, 0), numbers(found, 1), numbers(found, 2))

    cdef const char* flags(self, cnp.ndarray holding) except NULL:
        if cnp.PyArray_TYPE(holding) != cnp.NPY_BOOL or holding.ndim != 1 or not cnp.PyArray_IS_C_CONTIGUOUS(holding):
            raise TypeError("bool[p], contiguous, is wanted")
        if cnp.PyArray_DIM(holding, 0) != self.caps:
            raise ValueError("of each policy it has to be said whether it holds")
        return <const char*> cnp.PyArray_DATA(holding)

    cdef bint counts(self, uint32_t code) noexcept:
        cdef Py_ssize_t at
        for at in range(self.types):
            if self.codes[at] == code:
                return True
        return False

    cdef Py_ssize_t find(self, uint64_t id) noexcept:
        """A counter's place among those that policies look at; -1: none does."""
        cdef Py_ssize_t low = 0, high = self.size, middle
        while low < high:
            middle = (low + high) >> 1
            if self.ids[middle] < id:
                low = middle + 1
            else:
                high = middle
        return low if low < self.size and self.ids[low] == id else -1

    cdef int close(
        self, Counted of, Py_ssize_t place, Py_ssize_t at, int64_t now, const char* holds, list found
    ) except -1:
        """Adds the policies that close what a counter counts."""
        cdef const char* pattern = self.patterns + self.pattern_of[at] * self.caps
        cdef const Row* row = of.rows + place
        cdef Py_ssize_t cap
        for cap in range(self.caps):
            if not (pattern[cap] and holds[cap] and row.count >= self.most[cap] and row.last > now - self.held[cap]):
                continue
            if of.closes(place, self.most[cap], self.window[cap], self.suppress[cap], now):
                found.append((cap, self.targets[at], place))
        return 0

    def without(self, hits):
        """bool[m]: the rows that are left when each of some policies closes its target."""
        cdef cnp.npy_intp size = self.rows
        cdef cnp.ndarray left = cnp.PyArray_EMPTY(1, &size, cnp.NPY_BOOL, 0)
        cdef char* rows = <char*> cnp.PyArray_DATA(left)
        cdef cnp.ndarray caps = flat(hits[0], 8), targets = flat(hits[1], 8)
        cdef Py_ssize_t at
        if cnp.PyArray_DIM(targets, 0) != cnp.PyArray_DIM(caps, 0):
            raise ValueError("of each policy one target is wanted")
        memset(rows, 1, size)
        for at in range(cnp.PyArray_DIM(caps, 0)):
            self.take(rows, (<const int64_t*> cnp.PyArray_DATA(caps))[at], (<const int64_t*> cnp.PyArray_DATA(targets))[at])
        return left

    cdef int take(self, char* rows, int64_t cap, int64_t target) except -1:
        """Closes the rows of a target that a policy reaches."""
        cdef Py_ssize_t row, at
        cdef const char* reach = self.reach + cap * self.rows
        if cap < 0 or cap >= self.caps or target < -1 or target >= self.rows + self.groups:
            raise IndexError(f"no policy {cap}, or no target {target}")
        if target >= self.rows:
            for at in range(self.member_starts[target - self.rows], self.member_starts[target - self.rows + 1]):
                row = self.member_rows[at]
                rows[row] &= not reach[row]
            return 0
        for row in range(max(target, 0), self.rows if target < 0 else self.end_row[target]):
            rows[row] &= not reach[row]
        return 0

    def left(self, profile, list allowances not None, dict added not None, int64_t now):
        """Of each candidate that is about to be shown: how often it may be, until a policy forbids one."""
        cdef Counted of = None if profile is None else counted(profile)
        cdef Py_ssize_t size = PyDict_Size(added)
        cdef uint64_t* keys = <uint64_t*> PyMem_Malloc((size + 1) * 16)
        if keys == NULL:
            raise MemoryError
        try:
            unpacked(added, keys, <int64_t*> (keys + size))
            return [self.left_of(of, one[3], keys, <int64_t*> (keys + size), size, now) for one in allowances]
        finally:
            PyMem_Free(keys)

    cdef int64_t left_of(
        self, Counted of, object packed, const uint64_t* keys, const int64_t* times, Py_ssize_t size, int64_t now
    ) except? -1:
        """See `decide.allowance.packed` for the layout."""
        cdef const int64_t* word
        cdef const int64_t* end
        cdef int64_t least = NO_LIMIT, share, most
        cdef Py_ssize_t at, place, bounds, caps
        if not PyBytes_CheckExact(packed) or PyBytes_GET_SIZE(packed) % 8:
            raise TypeError("an allowance is packed as words of 8 bytes")
        word = <const int64_t*> PyBytes_AS_STRING(packed)
        end = word + PyBytes_GET_SIZE(packed) // 8
        while word < end:
            caps = self.checked(word, end)
            share = share_of(<uint64_t> word[0], keys, times, size)
            least = min(least, quotient(self.most[word[4]], share))
            word += 4 + caps
        if of is None:
            return least
        word = <const int64_t*> PyBytes_AS_STRING(packed)
        while word < end:
            caps = word[3]
            place = of.find(<uint64_t> word[1])
            if place >= 0 and of.rows[place].count:
                share = share_of(<uint64_t> word[0], keys, times, size)
                for at in range(caps):
                    most = self.most[word[4 + at]]
                    if quotient(most - of.rows[place].count, share) >= least:
                        break  # those of the others leave more
                    most -= of.count_since(place, now - self.window[word[4 + at]] + 1, word[2])
                    least = min(least, quotient(most, share))
            word += 4 + caps
        return least

    cdef Py_ssize_t checked(self, const int64_t* word, const int64_t* end) except -1:
        """How many policies look at a counter: one at least."""
        cdef Py_ssize_t at
        if end - word < 5 or word[3] < 1 or word[3] > end - word - 4:
            raise ValueError("an allowance ends too early")
        for at in range(word[3]):
            if word[4 + at] < 0 or word[4 + at] >= self.caps:
                raise IndexError(f"no policy {word[4 + at]}")
        return word[3]


def add_up(dict added not None, list allowances not None, tuple keys not None):
    """See `decide.capped`."""
    for one in allowances:
        add_one(added, one[0])
    add_one(added, keys)


cdef int add_one(dict added, tuple keys) except -1:
    cdef PyObject* known
    for key in keys:
        known = PyDict_GetItem(added, key)
        added[key] = 1 if known == NULL else <object> known + 1
    return 0


cdef int unpacked(dict added, uint64_t* keys, int64_t* times) except -1:
    cdef PyObject* key
    cdef PyObject* value
    cdef Py_ssize_t at = 0, number = 0
    while PyDict_Next(added, &at, &key, &value):
        keys[number] = PyLong_AsUnsignedLongLong(key)
        times[number] = PyLong_AsLongLong(value)
        number += 1
    return 0


cdef int64_t share_of(uint64_t key, const uint64_t* keys, const int64_t* times, Py_ssize_t size) noexcept:
    """How often the page shows what a key counts; 1: it is not among what is added."""
    cdef Py_ssize_t at
    for at in range(size):
        if keys[at] == key:
            return times[at]
    return 1


cdef int64_t quotient(int64_t number, int64_t share) noexcept:
    """Rounded down."""
    if share <= 1:
        return number
    return number // share - (number < 0 and number % share != 0)


cdef cnp.ndarray numbers(list found, int which):
    cdef cnp.npy_intp size = len(found)
    cdef cnp.ndarray column = cnp.PyArray_EMPTY(1, &size, cnp.NPY_INTP, 0)
    cdef cnp.npy_intp* of = <cnp.npy_intp*> cnp.PyArray_DATA(column)
    cdef Py_ssize_t at
    for at in range(size):
        of[at] = found[at][which]
    return column

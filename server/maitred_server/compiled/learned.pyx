"""How subjects meet the candidates of a placement, in one step; stands for `policy.encounters` and what that calls.

One walk over the profile's counters works out what was done with the candidates and their groups. Features are made of
the few candidates that were met; of all others they are a few columns, made while predictions are added up.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.math cimport exp, expm1, fabs, log, log1p
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

import sys

import numpy as np

cimport cython
cimport numpy as cnp

from maitred_server.policy.families import OWN, SHARED, SLOT
from maitred_server.policy.grid import HIGH_POINT, LOW_POINT, UNIT
from maitred_server.policy.meeting import SHRINK, TYPICAL_BASKET
from maitred_server.policy.past import FADED_HOURLY, FADES_DAYS, sought
from maitred_server.policy.told import places
from maitred_server.store import buckets, counters

cnp.import_array()
if sys.byteorder != "little":
    raise ImportError("profiles are read as they are stored, on little-endian machines only")

cdef extern from *:
    """
    #include <stddef.h>

    /* Sums over the n candidates; loops that compilers turn into vector instructions, of the width there is. */
    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    #define MAITRED_WIDE __attribute__((target_clones("avx2", "default")))
    #else
    #define MAITRED_WIDE
    #endif
    /* To the nearest whole number, of equals the even one; below 2^51. */
    #define MAITRED_WHOLE(x) (((x) + 6755399441055744.0) - 6755399441055744.0)

    MAITRED_WIDE static void maitred_weigh(
        double *restrict out, ptrdiff_t n, const double *restrict rows, const ptrdiff_t *at, const double *by,
        ptrdiff_t count
    ) {
        ptrdiff_t i, k = 0;
        for (i = 0; i < n; i++) out[i] = 0.0;
        for (; k + 4 <= count; k += 4) {
            const double *restrict a = rows + at[k], *restrict b = rows + at[k + 1];
            const double *restrict c = rows + at[k + 2], *restrict d = rows + at[k + 3];
            const double p = by[k], q = by[k + 1], r = by[k + 2], s = by[k + 3];
            for (i = 0; i < n; i++) out[i] += (a[i] * p + b[i] * q) + (c[i] * r + d[i] * s);
        }
        for (; k < count; k++) {
            const double *restrict a = rows + at[k];
            const double p = by[k];
            for (i = 0; i < n; i++) out[i] += a[i] * p;
        }
    }

    MAITRED_WIDE static void maitred_popular(
        double *restrict out, ptrdiff_t n, const double *restrict shares, double basket
    ) {
        for (ptrdiff_t i = 0; i < n; i++) {
            const double x = shares[i] * basket;
            out[i] = x > 1.0 ? 1.0 : x;
        }
    }

    MAITRED_WIDE static void maitred_linear(
        double *restrict out, ptrdiff_t n, const double *restrict rows, const double *restrict of, const double *by,
        ptrdiff_t count
    ) {
        ptrdiff_t i, k = 0;
        for (; k + 4 <= count; k += 4, rows += 4 * n) {
            const double p = by[k], q = by[k + 1], r = by[k + 2], s = by[k + 3];
            for (i = 0; i < n; i++) {
                const double x = of[i];
                out[i] += (rows[i] * MAITRED_WHOLE(p * x) + rows[n + i] * MAITRED_WHOLE(q * x))
                    + (rows[2 * n + i] * MAITRED_WHOLE(r * x) + rows[3 * n + i] * MAITRED_WHOLE(s * x));
            }
        }
        for (; k < count; k++, rows += n) {
            const double p = by[k];
            for (i = 0; i < n; i++) out[i] += rows[i] * MAITRED_WHOLE(p * of[i]);
        }
    }

    MAITRED_WIDE static void maitred_squared(
        double *restrict out, ptrdiff_t n, const double *restrict row, const double *restrict of, double by
    ) {
        for (ptrdiff_t i = 0; i < n; i++) {
            const double x = by * of[i];
            out[i] += row[i] * MAITRED_WHOLE(x * x);
        }
    }

    MAITRED_WIDE static void maitred_clip(double *restrict out, ptrdiff_t n) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double x = out[i];
            x = x < 0.0 ? 0.0 : x;
            out[i] = x > 1.0 ? 1.0 : x;
        }
    }

    MAITRED_WIDE static void maitred_add(double *restrict out, ptrdiff_t n, const double *restrict row, double by) {
        for (ptrdiff_t i = 0; i < n; i++) out[i] += row[i] * by;
    }
    """
    double MAITRED_WHOLE(double) noexcept nogil
    void maitred_weigh(double*, Py_ssize_t, const double*, const Py_ssize_t*, const double*, Py_ssize_t) noexcept nogil
    void maitred_popular(double*, Py_ssize_t, const double*, double) noexcept nogil
    void maitred_linear(double*, Py_ssize_t, const double*, const double*, const double*, Py_ssize_t) noexcept nogil
    void maitred_squared(double*, Py_ssize_t, const double*, const double*, double) noexcept nogil
    void maitred_clip(double*, Py_ssize_t) noexcept nogil
    void maitred_add(double*, Py_ssize_t, const double*, double) noexcept nogil

ctypedef struct Row:  # as `counters.ROW`
    uint64_t id
    double value
    int64_t first
    int64_t last
    uint64_t quantity
    uint32_t type
    uint32_t count

ctypedef struct Thing:  # an item, a group, or both
    int32_t begin  # where its candidates begin in `rows`
    int32_t span  # and how many there are
    int32_t group  # its number; -1: it is none

ctypedef struct Hit:  # a counter of a thing, and its buckets
    Py_ssize_t row
    Py_ssize_t thing
    Py_ssize_t begin
    Py_ssize_t end

ctypedef struct Did:  # see `past.Past`
    double count
    double visits
    double first
    double last
    double faded[3]

ctypedef struct Held:  # of a profile, and the moment
    const Row* rows
    const uint64_t* cells
    const uint32_t* tallies
    Py_ssize_t n
    Py_ssize_t m
    int64_t now
    int64_t hour
    double horizon

cdef enum:
    FADES = 3
    FADE = 1  # of them that of groups
    MOST_VALUES = 4096  # of a trait whose columns are kept

cdef enum:  # as `families.OWN`
    POPULAR
    PLAIN_SHARE
    TIMES
    SHARE_BY_VISITS
    NEVER
    FADED
    SQUARED = FADED + FADES
    BY_BASKET
    BY_PAUSE
    WEEK
    MONTH
    LAST_VISIT
    FRESH
    DUE
    OVERDUE
    FRESH_BY_FADED
    DUE_BY_FADED
    GROUP_FADED
    OWNS

cdef enum:  # as `families.SHARED`
    BASKET
    PAUSE
    KNOWN
    SLOT_LATER
    SLOT_DEPTH
    SHAREDS

cdef int64_t HOUR_MS = buckets.HOUR_MS
cdef int64_t DAY_MS = buckets.DAY_MS
cdef int64_t BUCKETS_MS = buckets.DAYS * DAY_MS
cdef uint32_t MIDDLE = (1 << 31) - 12  # see `buckets.middle_hours`
cdef double MOMENT = 1e-6
cdef double DAYS_A_MS = 1.0 / DAY_MS
cdef double SHRINK_SHARE = 10.0
cdef double SHRINK_FADED = SHRINK
cdef double TYPICAL = TYPICAL_BASKET
cdef double TO_POINTS = UNIT
cdef double TO_GRID = 1.0 / UNIT
cdef double LOW = LOW_POINT
cdef double HIGH = HIGH_POINT
cdef double WITHIN = HIGH_POINT / UNIT
cdef double[FADES] RATES
RATES[0], RATES[1], RATES[2] = (-1.0 / days for days in FADES_DAYS)
cdef cnp.ndarray HOURLY = np.ascontiguousarray(FADED_HOURLY)
cdef const double* BY_AGE = <const double*> cnp.PyArray_DATA(HOURLY)
cdef int64_t HOURS = HOURLY.shape[1]
cdef object ROW = counters.ROW

IN_ORDER = [OWN.index(one) for one in ("popular", "share", "faded_30", "faded_squared", "week", "fresh", "group_faded")]
if (
    IN_ORDER != [POPULAR, PLAIN_SHARE, FADED, SQUARED, WEEK, FRESH, GROUP_FADED]
    or (len(OWN), len(FADES_DAYS)) != (OWNS, FADES)
    or SHARED != ("basket", "pause", "known", *SLOT)
    or ROW.itemsize != sizeof(Row)
):
    raise ImportError("compiled from other features; compile again")


@cython.final
cdef class Encounters:
    """See `policy.encounters.Encounters`."""

    cdef object scorer, space, names, keys, values
    cdef list kept  # the arrays that pointers point into
    cdef Py_ssize_t n, responses, own, shared, columns, linear, squared, numbers, groups, things, said, slot
    cdef uint32_t code
    cdef uint64_t any_id
    cdef int shift
    cdef bint lone
    cdef const uint64_t* ids  # of the things' counters, rising
    cdef const int32_t* marks  # where those begin that begin with some bits
    cdef const Thing* of_id
    cdef const Py_ssize_t* rows
    cdef const int32_t* group_of  # with `lone`: the group's number of each candidate, `groups` for none
    cdef const int32_t* ragged  # else where each candidate's groups begin in `group_of`
    cdef const double* group_share
    cdef const double* shares
    cdef const double* own_weights
    cdef const double* always
    cdef const double* shared_weights
    cdef const double* column_weights
    cdef const int32_t* of_own  # where the own features are in `families.OWN`
    cdef const int32_t* of_shared
    cdef const int32_t* features  # of the pattern's columns
    cdef const double* scales
    cdef const int16_t* blank
    cdef const int32_t* from_subject
    cdef double* popular  # float64[n], for one prediction
    cdef double* of_groups
    cdef double* sums
    cdef Hit* hits
    cdef Py_ssize_t most_hits

    def __init__(self, scorer, stage, counts):
        cdef Py_ssize_t at
        space, pattern = scorer.space, scorer.pattern
        self.kept = []
        self.scorer, self.space = scorer, space
        self.n, self.things = stage.size, len(stage.keys)
        self.responses = scorer.linear.rows.shape[1]
        self.own, self.shared, self.slot = space.own, space.width - space.own, space.slot
        self.columns, self.linear, self.squared = len(pattern.features), pattern.squared.start, pattern.squared.stop
        self.numbers = len(space.of_shared)
        self._index(stage, counts)
        self.lone = stage.lone
        self.rows = <const Py_ssize_t*> self._kept(stage.rows, np.intp)
        self.shares = <const double*> self._kept(stage.shares, np.float64)
        self.group_share = <const double*> self._kept(stage.group_share, np.float64)
        edges = np.searchsorted(stage.group_owner, np.arange(self.n + 1))
        self.ragged = <const int32_t*> self._kept(edges, np.int32)
        self.own_weights = <const double*> self._kept(scorer.linear.rows, np.float64)
        self.always = <const double*> self._kept(scorer.always, np.float64)
        self.shared_weights = <const double*> self._kept(scorer.shared, np.float64)
        self.column_weights = <const double*> self._kept(scorer.columns, np.float64)
        self.of_own = <const int32_t*> self._kept(space.of_own, np.int32)
        self.of_shared = <const int32_t*> self._kept(space.of_shared, np.int32)
        self.features = <const int32_t*> self._kept(pattern.features, np.int32)
        self.scales = <const double*> self._kept(pattern.scales, np.float64)
        self.blank = <const int16_t*> self._kept(pattern.blank, np.int16)
        told = [(name, *name.partition(".")) for name in space.traits]
        self.names, self.keys = [one[0] for one in told], [one[3] for one in told]
        self.from_subject = <const int32_t*> self._kept([one[1] == "subject" for one in told], np.int32)
        self.said = len(told)
        self.values = [{} for _ in told]
        self.popular = <double*> malloc((self.n + 1) * 3 * sizeof(double))
        if self.popular == NULL:
            raise MemoryError
        self.of_groups, self.sums = self.popular + self.n, self.popular + 2 * self.n

    def __dealloc__(self):
        free(self.popular)
        free(self.hits)

    cdef void* _kept(self, values, kind) except NULL:
        """Where the values begin, in an array of a kind that stays as long as this."""
        cdef cnp.ndarray array = np.require(values, kind, ["C", "A"])
        self.kept.append(array)
        return cnp.PyArray_DATA(array)

    cdef int _index(self, stage, counts) except -1:
        """The things by the ids of their counters, which is how a profile's rows are sorted."""
        code, mask, any_id = sought(counts)
        self.code, self.any_id = int(code), int(any_id)
        ids = np.asarray(stage.keys, np.uint64) ^ mask
        order = np.argsort(ids)
        ids = ids[order]
        bits = max(1, min(20, int(self.things).bit_length()))
        self.shift = 64 - bits
        marks = np.searchsorted(ids >> np.uint64(self.shift), np.arange((1 << bits) + 1, dtype=np.uint64))
        grouped = np.zeros(self.things + 1, np.bool_)
        grouped[stage.group_at] = True
        grouped[self.things] = False
        numbers = np.where(grouped, np.cumsum(grouped) - 1, -1)
        self.groups = np.count_nonzero(grouped)
        of_id = np.stack([stage.begins[order], stage.spans[order], numbers[: self.things][order]], 1)
        self.ids = <const uint64_t*> self._kept(ids, np.uint64)
        self.marks = <const int32_t*> self._kept(marks, np.int32)
        self.of_id = <const Thing*> self._kept(of_id, np.int32)
        numbers[self.things] = self.groups
        self.group_of = <const int32_t*> self._kept(numbers[stage.group_at], np.int32)
        return 0

    def meet(self, profile, now, subject, context):
        """See `policy.encounters.Encounters.meet`."""
        cdef Encounter one = Encounter.__new__(Encounter)
        one.of = self
        self._met(profile, now, one)
        self._told(subject, context, one.shared_points + self.numbers)
        return one

    cdef int _met(self, profile, int64_t now, Encounter one) except -1:
        cdef Held held
        cdef Did did
        cdef Hit whole
        cdef Py_ssize_t hits = 0, k = 0, at, to
        cdef const Hit* hit
        cdef const Thing* thing
        cdef double faded
        whole.row = -1
        if profile is not None:
            rows = column(profile.rows, ROW)
            of_late = profile.buckets
            cells, tallies = column(of_late.cells, UINT64), column(of_late.tallies, UINT32)
            held.rows = <const Row*> cnp.PyArray_DATA(<cnp.ndarray> rows)
            held.n = (<cnp.ndarray> rows).shape[0]
            held.cells = <const uint64_t*> cnp.PyArray_DATA(<cnp.ndarray> cells)
            held.tallies = <const uint32_t*> cnp.PyArray_DATA(<cnp.ndarray> tallies)
            held.m = min((<cnp.ndarray> cells).shape[0], (<cnp.ndarray> tallies).shape[0])
            held.now, held.hour = now, now // HOUR_MS - (1 if now % HOUR_MS < 0 else 0)
            held.horizon = max(0.0, <double> (now - (<int64_t> profile.newest - BUCKETS_MS)) / DAY_MS)
            hits = self._hits(&held, &whole)
        for at in range(hits):
            k += self.of_id[self.hits[at].thing].span
        one.reserve(k)
        if whole.row < 0:
            memset(&did, 0, sizeof(Did))
            one.know(&did, 0.0)
            return 0
        work_out(&held, &whole, 0, FADES, &did)
        if did.visits == 0.0:
            raise ZeroDivisionError("a counter of nothing")
        one.know(&did, did.count / did.visits)
        for at in range(hits):
            hit = &self.hits[at]
            thing = &self.of_id[hit.thing]
            if thing.group >= 0:
                work_out(&held, hit, FADE, FADE + 1, &did)
                one.by_group[thing.group] = did.faded[FADE] / (one.whole.faded[FADE] + SHRINK_FADED)
        for at in range(hits):  # when all groups are known
            hit = &self.hits[at]
            thing = &self.of_id[hit.thing]
            if thing.span:
                work_out(&held, hit, 0, FADES, &did)
                for to in range(thing.begin, thing.begin + thing.span):
                    one.met_one(self.rows[to], &did)
        return 0

    cdef Py_ssize_t _hits(self, Held* held, Hit* whole) except -1:
        """Fills in the counters of things, and of all of the type; returns how many there are of the former."""
        cdef Py_ssize_t row, cell = 0, begin, found, hits = 0
        cdef const Row* one
        cdef bint any_found = False
        cdef uint32_t most = 0
        if held.n > self.most_hits:
            self._grow(held.n)
        for row in range(held.n):
            one = &held.rows[row]
            if one.type != self.code:
                continue
            while cell < held.m and <Py_ssize_t> (held.cells[cell] >> 32) < row:
                cell += 1
            begin = cell
            while cell < held.m and <Py_ssize_t> (held.cells[cell] >> 32) == row:
                cell += 1
            if not any_found and (one.id == self.any_id or whole.row < 0 or one.count > most):
                any_found = one.id == self.any_id
                most = one.count
                whole.row, whole.begin, whole.end = row, begin, cell
            found = self._find(one.id)
            if found >= 0:
                self.hits[hits].row, self.hits[hits].thing = row, found
                self.hits[hits].begin, self.hits[hits].end = begin, cell
                hits += 1
        return hits

    cdef int _grow(self, Py_ssize_t most) except -1:
        cdef Hit* hits = <Hit*> realloc(self.hits, most * sizeof(Hit))
        if hits == NULL:
            raise MemoryError
        self.hits, self.most_hits = hits, most
        return 0

    cdef inline Py_ssize_t _find(self, uint64_t sought) noexcept:
        """Which thing has a counter of this id; -1: none."""
        cdef uint64_t begins = sought >> self.shift
        cdef Py_ssize_t low = self.marks[begins], high = self.marks[begins + 1], middle, end = high
        while low < high:
            middle = (low + high) >> 1
            if self.ids[middle] < sought:
                low = middle + 1
            else:
                high = middle
        return low if low < end and self.ids[low] == sought else -1

    cdef int _told(self, subject, context, double* out) except -1:
        """Adds the columns of what is said; `told.told`, in points of the grid, and the 1."""
        cdef Py_ssize_t at, width = self.shared - self.numbers - 1, one
        cdef const int32_t* spots
        cdef bytes stored
        for at in range(self.said):
            value = said_of(subject if self.from_subject[at] else context, self.keys[at])
            if value is None:
                continue
            stored = self._places(at, value, width)
            spots = <const int32_t*> PyBytes_AS_STRING(stored)
            for one in range(PyBytes_GET_SIZE(stored) // <Py_ssize_t> sizeof(int32_t)):
                if spots[one] >= 0:
                    out[spots[one]] += TO_POINTS
                else:
                    out[~spots[one]] -= TO_POINTS
        for one in range(width):
            out[one] = clipped(out[one])
        out[width] = TO_POINTS
        return 0

    cdef bytes _places(self, Py_ssize_t at, value, Py_ssize_t width):
        """The columns of a value as int32; ~column for those with a minus."""
        cdef PyObject* kept
        if type(value) is list:
            return self._new_places(at, value, width)
        by_value = (<dict> (<list> self.values)[at]).get(type(value))
        if by_value is None:
            by_value = (<dict> (<list> self.values)[at])[type(value)] = {}
        kept = PyDict_GetItemWithError(by_value, value)
        if kept != NULL:
            return <bytes> kept
        stored = self._new_places(at, value, width)
        if len(<dict> by_value) >= MOST_VALUES:
            (<dict> by_value).clear()
        (<dict> by_value)[value] = stored
        return stored

    cdef bytes _new_places(self, Py_ssize_t at, value, Py_ssize_t width):
        found = [column if sign > 0.0 else ~column for column, sign in places(self.names[at], value, width)]
        return np.array(found, np.int32).tobytes()


@cython.final
@cython.no_gc  # it is held by nothing that it holds
@cython.freelist(8)
cdef class Encounter:
    """See `policy.scorer.Encounter`."""

    cdef Encounters of
    cdef Did whole  # what was done with all things together
    cdef double basket, usual, log_visits, log_basket, log_pause
    cdef bint beyond  # some column may lie beyond the grid
    cdef Py_ssize_t k, most
    cdef double* shared_points  # of what is shared, in units of the grid
    cdef double* scaled  # of each of the pattern's columns: its factor, to units of the grid
    cdef double* by_group  # what was done with each group; 0 for none
    cdef double* own_points  # float64[k, own]: of those that were met, in units of the grid
    cdef Py_ssize_t* rows  # intp[k]: which they are

    def __dealloc__(self):
        free(self.shared_points)

    cdef int reserve(self, Py_ssize_t k) except -1:
        """Room for k candidates that were met. Of groups and what is said nothing is known yet."""
        cdef Encounters of = self.of
        cdef Py_ssize_t begins = of.shared + of.columns + of.groups + 1
        self.most = k
        self.shared_points = <double*> malloc((begins + k * of.own) * sizeof(double) + k * sizeof(Py_ssize_t))
        if self.shared_points == NULL:
            raise MemoryError
        memset(self.shared_points, 0, begins * sizeof(double))
        self.scaled = self.shared_points + of.shared
        self.by_group = self.scaled + of.columns
        self.own_points = self.by_group + of.groups + 1
        self.rows = <Py_ssize_t*> (self.own_points + k * of.own)
        return 0

    cdef int know(self, const Did* whole, double basket) except -1:
        """What was done with all things together, of which come what is shared and the factors of what was not met."""
        cdef double[OWNS] factors
        cdef double[SHAREDS] numbers
        cdef double factor, share
        cdef Py_ssize_t at
        self.whole = whole[0]
        self.basket = (basket * whole.visits + TYPICAL * SHRINK_FADED) / (whole.visits + SHRINK_FADED)
        self.usual = SHRINK_FADED / (whole.faded[FADE] + SHRINK_FADED)
        self.log_visits = log(whole.visits + 2.0)
        self.log_basket, self.log_pause = log(self.basket), log1p(whole.last)
        share = SHRINK_SHARE / (whole.visits + SHRINK_SHARE)
        memset(factors, 0, sizeof(factors))
        factors[POPULAR], factors[PLAIN_SHARE], factors[SHARE_BY_VISITS] = 1.0, share, share / self.log_visits
        for at in range(FADES):
            factors[FADED + at] = SHRINK_FADED / (whole.faded[at] + SHRINK_FADED)
        factors[SQUARED] = self.usual
        factors[BY_BASKET], factors[BY_PAUSE] = self.usual * self.log_basket, self.usual * self.log_pause
        factors[GROUP_FADED] = 1.0
        for at in range(self.of.columns):
            factor = factors[self.of.of_own[self.of.features[at]]]
            self.scaled[at] = factor * self.of.scales[at]
            self.beyond = self.beyond or fabs(factor) > WITHIN
        numbers[BASKET], numbers[PAUSE], numbers[KNOWN] = self.log_basket, self.log_pause, whole.visits > 0.0
        numbers[SLOT_LATER] = numbers[SLOT_DEPTH] = 0.0  # of the first slot
        for at in range(self.of.numbers):
            self.shared_points[at] = on_point(numbers[self.of.of_shared[at]] * TO_POINTS)
        return 0

    cdef int met_one(self, Py_ssize_t row, const Did* did) except -1:
        """Makes the features of a candidate; see `families.of_met`."""
        cdef double[OWNS] out
        cdef double popular = self.popular_of(row), usual, r
        cdef double* points = self.own_points + self.k * self.of.own
        cdef Py_ssize_t at
        if self.k >= self.most:
            raise IndexError("more was met than counted")
        out[POPULAR], out[TIMES], out[NEVER] = popular, log1p(did.count), 0.0
        out[PLAIN_SHARE] = (popular * SHRINK_SHARE + did.visits) / (self.whole.visits + SHRINK_SHARE)
        out[SHARE_BY_VISITS] = out[PLAIN_SHARE] / self.log_visits
        for at in range(FADES):
            out[FADED + at] = (did.faded[at] + SHRINK_FADED * popular) / (self.whole.faded[at] + SHRINK_FADED)
        usual = out[FADED + FADE]
        out[SQUARED], out[BY_BASKET], out[BY_PAUSE] = usual * usual, usual * self.log_basket, usual * self.log_pause
        out[WEEK], out[MONTH] = exp(did.last * (-1.0 / 7.0)), exp(did.last * (-1.0 / 30.0))
        out[LAST_VISIT] = did.last <= self.whole.last
        r = did.last * max(did.visits + 1.0, 2.0) / (did.first - did.last + 60.0)
        out[FRESH], out[DUE], out[OVERDUE] = exp(-r), max(min(r, 2.0 - r), 0.0), min(r, 3.0)
        out[FRESH_BY_FADED], out[DUE_BY_FADED] = out[FRESH] * usual, out[DUE] * usual
        out[GROUP_FADED] = self.groups_of(row)
        for at in range(self.of.own):
            points[at] = on_point(out[self.of.of_own[at]] * TO_POINTS)
        self.rows[self.k] = row
        self.k += 1
        return 0

    cdef inline double popular_of(self, Py_ssize_t row) noexcept:
        cdef double found = self.of.shares[row] * self.basket
        return 1.0 if found > 1.0 else found

    cdef inline double groups_of(self, Py_ssize_t row) noexcept:
        """What was done with the groups of a candidate."""
        cdef double found = 0.0
        cdef Py_ssize_t at
        if self.of.lone:
            return self.by_group[self.of.group_of[row]]
        for at in range(self.of.ragged[row], self.of.ragged[row + 1]):
            found += self.by_group[self.of.group_of[at]] * self.of.group_share[at]
        return found

    cdef inline double unmet_point(self, Py_ssize_t column, double popular, double of_groups) noexcept:
        """A feature of the pattern's columns, of a candidate that was never met."""
        cdef double found = self.scaled[column] * (popular if column < self.of.squared else of_groups)
        if self.of.linear <= column < self.of.squared:
            found *= found
        return MAITRED_WHOLE(clipped(found) if self.beyond else found)

    cdef int respond(self, Py_ssize_t response, double* out) except -1:
        """Predictions float64[n] of one response, in [0, 1]."""
        cdef Encounters of = self.of
        cdef Py_ssize_t n = of.n, at, column, count = 0
        cdef const double* weights = of.column_weights + response * of.columns * n
        cdef const double* own
        cdef const double* points
        cdef size_t room = of.shared * sizeof(Py_ssize_t) + (of.shared + self.k) * sizeof(double)
        cdef Py_ssize_t* said = <Py_ssize_t*> malloc(room)  # which weights of what is shared are read
        cdef double* by = <double*> (said + of.shared)
        cdef double* mine = by + of.shared
        if said == NULL:
            raise MemoryError
        for at in range(of.shared):
            if self.shared_points[at] != 0.0:
                said[count], by[count] = at * of.responses * n + response * n, self.shared_points[at] * TO_GRID
                count += 1
        maitred_weigh(out, n, of.shared_weights, said, by, count)
        for at in range(self.k):
            own = of.own_weights + (self.rows[at] * of.responses + response) * of.own
            points = self.own_points + at * of.own
            mine[at] = 0.0
            for column in range(of.own):
                mine[at] += own[column] * points[column]
            mine[at] = mine[at] * TO_GRID + out[self.rows[at]] - of.always[response * n + self.rows[at]]
        if self.beyond:
            for column in range(of.columns):
                for at in range(n):
                    out[at] += weights[column * n + at] * self.unmet_point(column, of.popular[at], of.of_groups[at])
        else:
            maitred_linear(out, n, weights, of.popular, self.scaled, of.linear)
            for column in range(of.linear, of.squared):
                maitred_squared(out, n, weights + column * n, of.popular, self.scaled[column])
            maitred_linear(
                out, n, weights + of.squared * n, of.of_groups, self.scaled + of.squared, of.columns - of.squared
            )
        for at in range(self.k):
            out[self.rows[at]] = mine[at]
        maitred_clip(out, n)
        free(said)
        return 0

    cdef int look(self) except -1:
        """Lays out how popular the candidates are, and what was done with their groups, for `respond`."""
        cdef Encounters of = self.of
        cdef Py_ssize_t at
        maitred_popular(of.popular, of.n, of.shares, self.basket)
        if of.columns > of.squared:
            for at in range(of.n):
                of.of_groups[at] = self.groups_of(at)
        return 0

    @property
    def shared(self):
        """float64[d - own], on the grid."""
        cdef Py_ssize_t at
        cdef cnp.ndarray found = doubles(1, self.of.shared, 0)
        for at in range(self.of.shared):
            (<double*> cnp.PyArray_DATA(found))[at] = self.shared_points[at] * TO_GRID
        return found

    def predict(self):
        """Responses float64[t, n], in [0, 1]."""
        cdef cnp.ndarray found = doubles(2, self.of.responses, self.of.n)
        cdef Py_ssize_t response
        self.look()
        for response in range(self.of.responses):
            self.respond(response, <double*> cnp.PyArray_DATA(found) + response * self.of.n)
        return found

    def weighed(self, cnp.ndarray worth not None):
        """What all responses are worth together, and the first response: float64[n] each."""
        cdef cnp.ndarray priority = doubles(1, self.of.n, 0)
        cdef cnp.ndarray first = doubles(1, self.of.n, 0)
        cdef double* to = <double*> cnp.PyArray_DATA(priority)
        cdef double* one = <double*> cnp.PyArray_DATA(first)
        cdef Py_ssize_t response
        cdef const double* each = <const double*> cnp.PyArray_DATA(column(worth, FLOAT64))
        if worth.shape[0] != self.of.responses:
            raise ValueError(f"{self.of.responses} numbers are wanted, not {worth.shape[0]}")
        self.look()
        memset(to, 0, self.of.n * sizeof(double))
        for response in range(self.of.responses):
            self.respond(response, one if response == 0 else self.of.sums)
            maitred_add(to, self.of.n, one if response == 0 else self.of.sums, each[response])
        return priority, first

    def deviations(self):
        """float64[n]: of the first response; see `Linear.deviations`."""
        return self.of.scorer.linear.deviations(self.own(), self.shared)

    def own(self):
        """float64[n, own]: the own features of all candidates."""
        cdef Encounters of = self.of
        cdef cnp.ndarray found = doubles(2, of.n, of.own)
        cdef double* out = <double*> cnp.PyArray_DATA(found)
        cdef Py_ssize_t row, at
        cdef double popular, of_groups
        for row in range(of.n):
            popular, of_groups = self.popular_of(row), self.groups_of(row)
            for at in range(of.own):
                out[row * of.own + at] = of.blank[at] * TO_GRID
            for at in range(of.columns):
                out[row * of.own + of.features[at]] = self.unmet_point(at, popular, of_groups) * TO_GRID
        for row in range(self.k):
            for at in range(of.own):
                out[self.rows[row] * of.own + at] = self.own_points[row * of.own + at] * TO_GRID
        return found

    def features(self, rows, slots):
        """int16[s, d], in units of the grid: by what some choices were scored."""
        return np.frombuffer(b"".join(self.sealed(rows, slots)), "<i2").reshape(len(rows), -1)

    def sealed(self, rows, slots):
        """The same, packed as in `grid.packed`."""
        cdef Py_ssize_t at
        if len(rows) != len(slots):
            raise ValueError("a slot for each row is wanted")
        return [self.sealed_one(rows[at], slots[at]) for at in range(len(rows))]

    cdef bytes sealed_one(self, Py_ssize_t row, Py_ssize_t slot):
        cdef Encounters of = self.of
        cdef bytes found = PyBytes_FromStringAndSize(NULL, (of.own + of.shared) * sizeof(int16_t))
        cdef int16_t* out = <int16_t*> PyBytes_AS_STRING(found)
        cdef Py_ssize_t at, met = self.where(row)
        cdef double popular, of_groups
        if not 0 <= row < of.n:
            raise IndexError(f"row {row} is none of {of.n} candidates")
        if met >= 0:
            for at in range(of.own):
                out[at] = packed(self.own_points[met * of.own + at])
        else:
            popular, of_groups = self.popular_of(row), self.groups_of(row)
            memcpy(out, of.blank, of.own * sizeof(int16_t))
            for at in range(of.columns):
                out[of.features[at]] = packed(self.unmet_point(at, popular, of_groups))
        for at in range(of.shared):
            out[of.own + at] = packed(self.shared_points[at])
        if of.slot >= 0:
            out[of.slot] = <int16_t> TO_POINTS if slot > 0 else 0
            out[of.slot + 1] = packed(on_point(log1p(<double> slot) * TO_POINTS))
        return found

    def met(self, rows):
        """Of some rows, whether the subject did each before."""
        return [self.where(row) >= 0 for row in rows]

    cdef Py_ssize_t where(self, Py_ssize_t row) noexcept:
        """Where among those that were met a row is; -1: it was not."""
        cdef Py_ssize_t at
        for at in range(self.k):
            if self.rows[at] == row:
                return at
        return -1


cdef void work_out(const Held* held, const Hit* hit, int least, int most, Did* out) noexcept nogil:
    """What was done with a thing; faded by the fades from `least` to before `most`. See `policy.past`."""
    cdef const Row* row = &held.rows[hit.row]
    cdef double tally = 0.0, cells = <double> (hit.end - hit.begin), older, span, fall
    cdef int64_t age
    cdef Py_ssize_t cell
    cdef int fade
    out.count = row.count
    out.first = max(<double> <int64_t> (<uint64_t> held.now - <uint64_t> row.first) * DAYS_A_MS, 0.0)
    out.last = max(<double> <int64_t> (<uint64_t> held.now - <uint64_t> row.last) * DAYS_A_MS, 0.0)
    for fade in range(FADES):
        out.faded[fade] = 0.0
    for cell in range(hit.begin, hit.end):
        tally += held.tallies[cell]
        age = held.hour - <int64_t> (<uint32_t> held.cells[cell] % MIDDLE)
        age = 0 if age < 0 else HOURS - 1 if age >= HOURS else age
        for fade in range(least, most):
            out.faded[fade] += BY_AGE[fade * HOURS + age]
    older = out.count - tally
    if older != 0.0:
        older = older / max(tally, 1.0) * max(cells, 1.0)
        cells += older
        if older > 0.0:
            span = max(out.first - max(out.last, held.horizon), MOMENT)
            for fade in range(least, most):
                fall = span * RATES[fade]
                out.faded[fade] += exp((out.first - span) * RATES[fade]) * (expm1(fall) / fall) * older
    out.visits = cells


cdef inline double clipped(double points) noexcept nogil:
    return LOW if points < LOW else HIGH if points > HIGH else points


cdef inline double on_point(double points) noexcept nogil:
    return MAITRED_WHOLE(clipped(points))


cdef inline int16_t packed(double points) noexcept nogil:
    """0 for what is no number."""
    return 0 if points != points else <int16_t> clipped(points)


cdef inline object said_of(said, key):
    cdef PyObject* found
    if PyDict_CheckExact(said):
        found = PyDict_GetItemWithError(said, key)
        return None if found == NULL else <object> found
    return said.get(key)


cdef object FLOAT64 = np.dtype(np.float64)
cdef object UINT64 = np.dtype(np.uint64)
cdef object UINT32 = np.dtype(np.uint32)


cdef inline cnp.ndarray column(array, kind):
    """The array, or a copy that can be read from one end to the other. Raises TypeError for another kind."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"an array is wanted, not {type(array).__name__}")
    cdef cnp.ndarray given = array
    if <PyObject*> cnp.PyArray_DESCR(given) != <PyObject*> kind and given.dtype != kind:
        raise TypeError(f"{kind} is wanted, not {given.dtype}")
    if given.ndim == 1 and cnp.PyArray_IS_C_CONTIGUOUS(given) and <size_t> cnp.PyArray_DATA(given) & 7 == 0:
        return given
    return given.reshape(-1).copy()


cdef inline cnp.ndarray doubles(int dimensions, Py_ssize_t first, Py_ssize_t second):
    cdef cnp.npy_intp[2] shape
    shape[0], shape[1] = first, second
    return cnp.PyArray_EMPTY(dimensions, shape, cnp.NPY_DOUBLE, 0)

"""From priorities to choices: what is closed, which rows fill the slots with which probability, what is told of them.

All in the order of `decide.filling` and of the policies' Python code, with sums added up as numpy does, so that both
give the same bits.
"""

from cpython.long cimport PyLong_AsUnsignedLongLongMask
from cpython.mem cimport PyMem_Realloc
from cpython.object cimport PyObject, PyTypeObject
from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t, uint64_t

cimport numpy as cnp

from maitred_server.model import Reason

cnp.import_array()

cdef object LEARNED = Reason.LEARNED, EXPLORED = Reason.EXPLORED, RULE = Reason.RULE

cdef double LEAST = 1e-9
cdef double[2] OPEN = [-INFINITY, 0.0]  # what is added to a row that is closed, and open
cdef Py_ssize_t BLOCK = 128  # numpy adds up as many at once, in eight sums

cdef enum:  # `policy.base.Kind`
    BEST = 1
    EVENLY = 2
    SHARE = 3
    GAP = 4
    ASKED = 0  # the policy itself


cdef struct Way:
    int kind
    double strength
    double share
    double scale


cdef struct Found:
    Py_ssize_t row
    double probability
    bint tried


cdef double* kept = NULL  # room for as many numbers as were ever needed; nothing in it outlives a call
cdef Py_ssize_t most_kept = 0


cdef double* scratch(Py_ssize_t n) except NULL:
    global kept, most_kept
    cdef double* made
    if n > most_kept or kept == NULL:
        made = <double*> PyMem_Realloc(kept, (n + BLOCK) * sizeof(double))
        if made == NULL:
            raise MemoryError()
        kept, most_kept = made, n + BLOCK
    return kept


cdef Way way_of(object policy) except *:
    cdef Way way
    cdef object recipe = getattr(policy, "recipe", None)
    way.kind, way.strength, way.share, way.scale = ASKED, 0.0, 1.0, 1.0
    if recipe is not None:
        kind, strength, share, scale = recipe
        way.kind, way.strength, way.share, way.scale = kind, strength, share, scale
    return way


cdef double highest(const double* of, Py_ssize_t n) noexcept:
    cdef double a = -INFINITY, b = -INFINITY, c = -INFINITY, d = -INFINITY
    cdef Py_ssize_t row = 0
    while row + 4 <= n:
        a = of[row] if of[row] > a else a
        b = of[row + 1] if of[row + 1] > b else b
        c = of[row + 2] if of[row + 2] > c else c
        d = of[row + 3] if of[row + 3] > d else d
        row += 4
    while row < n:
        a = of[row] if of[row] > a else a
        row += 1
    a = b if b > a else a
    c = d if d > c else c
    return c if c > a else a


cdef Py_ssize_t count_open(const double* of, Py_ssize_t n) noexcept:
    cdef Py_ssize_t row, found = 0
    for row in range(n):
        found += of[row] > -INFINITY
    return found


cdef double added_up(const double* of, Py_ssize_t n) noexcept:
    """In the order of `numpy.add.reduce`."""
    cdef double a, b, c, d, e, f, g, h, found
    cdef Py_ssize_t at = 8, half
    if n > BLOCK:
        half = n // 2
        half -= half % 8
        return added_up(of, half) + added_up(of + half, n - half)
    if n < 8:
        found = 0.0
        for at in range(n):
            found += of[at]
        return found
    a, b, c, d, e, f, g, h = of[0], of[1], of[2], of[3], of[4], of[5], of[6], of[7]
    while at < n - n % 8:
        a += of[at]
        b += of[at + 1]
        c += of[at + 2]
        d += of[at + 3]
        e += of[at + 4]
        f += of[at + 5]
        g += of[at + 6]
        h += of[at + 7]
        at += 8
    found = ((a + b) + (c + d)) + ((e + f) + (g + h))
    while at < n:
        found += of[at]
        at += 1
    return found


cdef Found chosen(const Way* way, const double* of, Py_ssize_t n, double draw, double* others) noexcept:
    """As the policy of a recipe chooses. `others`: room for n numbers. Row -1: none is open."""
    cdef Found found
    cdef double top = highest(of, n), left, certain, sought, inverse, evenly, summed = 0.0
    cdef Py_ssize_t row = 0, best = 0, last = -1, opened, before
    found.row, found.probability, found.tried = -1, 1.0, False
    if top == -INFINITY:
        return found
    while of[best] != top:
        best += 1
    if way.kind == BEST:
        found.row = best
        return found
    opened = count_open(of, n)
    if way.kind == EVENLY:
        before = <Py_ssize_t> (draw * opened)
        for row in range(n):
            if of[row] > -INFINITY:
                last = row
                if before == 0:
                    break
                before -= 1
        found.row, found.probability = last, 1.0 / opened
        found.tried = found.probability < 1.0 and of[last] < top
        return found
    if way.kind == SHARE:
        evenly = way.strength / opened
        left = evenly + 1.0 - way.strength
        for row in range(n):
            others[row] = evenly if of[row] > -INFINITY else 0.0
        others[best] = 0.0
    else:
        inverse = way.strength / (way.scale if way.scale != 0.0 else max(fabs(top), LEAST))
        evenly = top + opened / inverse
        inverse = 1.0 / inverse
        for row in range(n):
            others[row] = inverse / (evenly - of[row])
        others[best] = 0.0
        left = 1.0 - added_up(others, n)
        left = left if left > 0.0 else 0.0
    certain = way.share * left + (1.0 - way.share)
    found.row, found.probability = best, certain
    if draw < certain:
        return found
    sought = (draw - certain) / way.share
    for row in range(n):
        summed += others[row]
        if others[row] != 0.0:
            last = row
        if summed > sought:
            break
    if last >= 0:
        found.row, found.probability = last, others[last] * way.share
        found.tried = found.probability < 1.0 and of[last] < top
    return found


cdef double drawn(uint64_t seed, uint64_t step) noexcept:
    """As `decide.filling.draw`."""
    cdef uint64_t z = seed + (step + 1) * <uint64_t> 0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
    return <double> ((z ^ (z >> 31)) >> 11) / 9007199254740992.0


cdef const double* offered(const double* of, Py_ssize_t n, double* room) noexcept:
    """Without the negative rows, as long as a positive one is open; see `arbitration.above_nothing`."""
    cdef Py_ssize_t row
    if not highest(of, n) > 0.0:
        return of
    for row in range(n):
        room[row] = of[row] if of[row] >= 0.0 else -INFINITY
    return room


def choose(policy, cnp.ndarray priority not None, double draw):
    """As `policy.choose(priority, draw)`."""
    cdef Way way = way_of(policy)
    cdef Py_ssize_t n = priority.shape[0]
    cdef Found found
    if way.kind == ASKED:
        return policy.choose(priority, draw)
    found = chosen(&way, doubles(priority), n, draw, scratch(n))
    return None if found.row < 0 else (found.row, found.probability)


def fill(
    cnp.ndarray priority not None,
    policy,
    Py_ssize_t slots,
    seed,
    Py_ssize_t step,
    cnp.ndarray first_row not None,
    cnp.ndarray end_row not None,
    bint guarded,
):
    """See `decide.filling.fill`."""
    cdef Way way = way_of(policy)
    cdef Py_ssize_t n = priority.shape[0], slot, row
    cdef double* of = <double*> doubles(priority, True)
    cdef const double* those
    cdef double* room = scratch(2 * n)
    cdef const int32_t* first = numbers(first_row, n)
    cdef const int32_t* end = numbers(end_row, n)
    cdef uint64_t state = PyLong_AsUnsignedLongLongMask(seed)
    cdef Found found
    cdef list made = []
    for slot in range(slots):
        if way.kind == ASKED:
            found = asked(policy, priority, drawn(state, step + slot), guarded)
            if not found.row < n:
                raise IndexError("a policy chose what is no candidate")
        else:
            those = offered(of, n, room + n) if guarded else of
            found = chosen(&way, those, n, drawn(state, step + slot), room)
        if found.row < 0:
            break
        made.append((slot, found.row, found.probability, of[found.row], found.tried, False, False))
        for row in range(max(first[found.row], 0), min(<Py_ssize_t> end[found.row], n)):
            of[row] = -INFINITY  # no item twice, in whatever variant
    return made


cdef Found asked(policy, cnp.ndarray priority, double draw, bint guarded) except *:
    """By a policy without a recipe."""
    cdef Found found
    cdef Py_ssize_t n = priority.shape[0]
    cdef cnp.ndarray those = priority
    cdef double* of
    if guarded:
        those = cnp.PyArray_EMPTY(1, cnp.PyArray_DIMS(priority), cnp.NPY_DOUBLE, 0)
        of = <double*> cnp.PyArray_DATA(those)
        if offered(doubles(priority), n, of) != of:
            those = priority
    found.row, found.probability, found.tried = -1, 1.0, False
    said = policy.choose(those, draw)
    if said is not None:
        found.row, found.probability = said
        of = <double*> cnp.PyArray_DATA(those)
        found.tried = 0 <= found.row < n and found.probability < 1.0 and of[found.row] < highest(of, n)
    return found


def choices(make, list filled not None, cnp.ndarray actions not None, names_of, served, scores, features, met):
    """See `decide.filling.choices`."""
    cdef Py_ssize_t n = actions.shape[0], row, at
    cdef const int32_t* those = numbers(actions, n)
    cdef const double* of = NULL
    cdef double priority
    cdef list made = []
    propensity, reasons, second = scores.propensity, scores.reasons, scores.second
    if propensity is not None:
        if (<cnp.ndarray?> propensity).shape[0] != n:
            raise ValueError("as many propensities as candidates are wanted")
        of = doubles(<cnp.ndarray> propensity)
    for at in range(len(filled)):
        slot, place, probability, worth, tried, stretch, pinned = filled[at]
        row, priority = place, worth
        if not 0 <= row < n:
            raise IndexError("what was chosen is no candidate")
        action = <object> those[row]
        item, variant = names_of(action)
        if pinned:
            reason = RULE
        elif served is not None:
            reason = served
        else:
            reason = reasons[1 if place in second else 0]
            if tried and reason is LEARNED:
                reason = EXPLORED
        fields = ((
            slot,
            action,
            item,
            variant,
            reason,
            None if of == NULL else <object> of[row],
            probability,
            worth if priority > -INFINITY else 0.0,  # a pin stands where the policy would choose nothing
            stretch,
            None,
            "",
            None,
            b"" if features is None else features[at],
            False if met is None else met[at],
            place,
        ),)
        made.append((<PyTypeObject*> tuple).tp_new(make, <PyObject*> fields, NULL))
    return made


def close(cnp.ndarray priority not None, open_rows):
    """As `decide.scoring.closed_where`; always an array of its own."""
    cdef cnp.ndarray given = cnp.PyArray_FROMANY(priority, cnp.NPY_DOUBLE, 1, 1, cnp.NPY_ARRAY_CARRAY_RO)
    cdef Py_ssize_t n = given.shape[0], row
    cdef cnp.ndarray made = cnp.PyArray_EMPTY(1, cnp.PyArray_DIMS(given), cnp.NPY_DOUBLE, 0)
    cdef cnp.ndarray mask
    cdef const double* of = <const double*> cnp.PyArray_DATA(given)
    cdef double* to = <double*> cnp.PyArray_DATA(made)
    cdef const unsigned char* is_open
    if open_rows is None:
        for row in range(n):
            to[row] = of[row] if of[row] - of[row] == 0.0 else -INFINITY  # neither NaN nor infinite
        return made
    mask = cnp.PyArray_FROMANY(open_rows, cnp.NPY_BOOL, 1, 1, cnp.NPY_ARRAY_CARRAY_RO)
    if mask.shape[0] != n:
        raise ValueError("as many rows as candidates are wanted")
    is_open = <const unsigned char*> cnp.PyArray_DATA(mask)
    for row in range(n):
        to[row] = of[row] + OPEN[is_open[row] != 0]
    for row in range(n):
        to[row] = to[row] if to[row] - to[row] == 0.0 else -INFINITY
    return made


def weighed(cnp.ndarray found not None, cnp.ndarray by not None):
    """float64[n]: a product, without a word on what overflows."""
    cdef Py_ssize_t n = found.shape[0], row
    cdef const double* a = doubles(found)
    cdef const double* b = doubles(by)
    cdef cnp.ndarray made = cnp.PyArray_EMPTY(1, cnp.PyArray_DIMS(found), cnp.NPY_DOUBLE, 0)
    cdef double* to = <double*> cnp.PyArray_DATA(made)
    if by.shape[0] != n:
        raise ValueError("as many weights as candidates are wanted")
    for row in range(n):
        to[row] = a[row] * b[row]
    return made


cdef const double* doubles(cnp.ndarray array, bint changed=False) except? NULL:
    if cnp.PyArray_TYPE(array) != cnp.NPY_DOUBLE or array.ndim != 1 or not cnp.PyArray_ISCARRAY_RO(array):
        raise TypeError("float64[n], contiguous, is wanted")
    if changed and not cnp.PyArray_ISWRITEABLE(array):
        raise ValueError("an array that may be changed is wanted")
    return <const double*> cnp.PyArray_DATA(array)


cdef const int32_t* numbers(cnp.ndarray array, Py_ssize_t n) except? NULL:
    if cnp.PyArray_TYPE(array) != cnp.NPY_INT32 or array.ndim != 1 or not cnp.PyArray_ISCARRAY_RO(array):
        raise TypeError("int32[n], contiguous, is wanted")
    if array.shape[0] != n:
        raise ValueError("as many rows as candidates are wanted")
    return <const int32_t*> cnp.PyArray_DATA(array)

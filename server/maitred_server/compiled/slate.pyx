"""From priorities to choices: what is closed, which rows fill the slots with which probability, what is told of them.

All in the order of `decide.filling` and of the policies' Python code, with sums added up as numpy does, so that both
give the same bits.
"""

from cpython.long cimport PyLong_AsUnsignedLongLongMask
from cpython.mem cimport PyMem_Realloc
from cpython.object cimport PyObject, PyTypeObject
from cpython.tuple cimport PyTuple_GetSlice
from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t, uint64_t

cimport cython
cimport numpy as cnp

from maitred_server.model import Reason

cnp.import_array()

cdef object LEARNED = Reason.LEARNED, EXPLORED = Reason.EXPLORED, RULE = Reason.RULE

cdef Py_ssize_t REMAINING = 9, ALL = 64  # its place among the fields of a choice, and more than these
cdef double LEAST = 1e-9
cdef double[2] OPEN = [-INFINITY, 0.0]  # what is added to a row that is closed, and open


cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    #define MAITRED_CLONES __attribute__((target_clones("avx2", "default"))) /* the same bits, twice as many at once */
    #else
    #define MAITRED_CLONES
    #endif
    MAITRED_CLONES static void gaps_of(const double *of, Py_ssize_t n, double inverse, double evenly, double *to) {
        for (Py_ssize_t at = 0; at < n; at++) to[at] = inverse / (evenly - of[at]);
    }
    """
    void gaps_of(const double* of, Py_ssize_t n, double inverse, double evenly, double* to) noexcept


cdef enum:
    BLOCK = 128  # rows; numpy adds up as many at once, in eight sums


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
    cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0  # four at once: a compiler makes vectors of them
    cdef Py_ssize_t row = 0
    while row + 4 <= n:
        a += 1.0 if of[row] > -INFINITY else 0.0
        b += 1.0 if of[row + 1] > -INFINITY else 0.0
        c += 1.0 if of[row + 2] > -INFINITY else 0.0
        d += 1.0 if of[row + 3] > -INFINITY else 0.0
        row += 4
    while row < n:
        a += 1.0 if of[row] > -INFINITY else 0.0
        row += 1
    return <Py_ssize_t> (a + b + c + d)


cdef struct Field:
    const double* of  # float64[n]: the priorities
    Py_ssize_t n
    Py_ssize_t opened
    double* tops  # of each block of rows the highest


cdef void look(Field* field, const double* of, Py_ssize_t n, double* tops) noexcept:
    cdef Py_ssize_t at
    field.of, field.n, field.tops = of, n, tops
    field.opened = count_open(of, n)
    for at in range((n + BLOCK - 1) // BLOCK):
        tops[at] = highest(of + at * BLOCK, min(BLOCK, n - at * BLOCK))


cdef void close_rows(Field* field, double* of, Py_ssize_t begin, Py_ssize_t end) noexcept:
    cdef Py_ssize_t row, at
    for row in range(begin, end):
        field.opened -= of[row] > -INFINITY
        of[row] = -INFINITY
    for at in range(begin // BLOCK, (end + BLOCK - 1) // BLOCK):
        field.tops[at] = highest(of + at * BLOCK, min(BLOCK, field.n - at * BLOCK))


cdef double behind(const double* of, Py_ssize_t n, Py_ssize_t best, double inverse, double evenly, double* to) noexcept:
    """Each row's share, 0 for the best one, and their sum: in the order of `numpy.add.reduce`."""
    cdef double a, b, c, d, e, f, g, h, found = 0.0
    cdef Py_ssize_t at, half, whole = n - n % 8
    if n > BLOCK:
        half = n // 2
        half -= half % 8
        found = behind(of, half, best, inverse, evenly, to)
        return found + behind(of + half, n - half, best - half, inverse, evenly, to + half)
    gaps_of(of, n, inverse, evenly, to)
    if 0 <= best < n:
        to[best] = 0.0
    if n < 8:
        for at in range(n):
            found += to[at]
        return found
    a, b, c, d, e, f, g, h = to[0], to[1], to[2], to[3], to[4], to[5], to[6], to[7]
    for at in range(8, whole, 8):
        a += to[at]
        b += to[at + 1]
        c += to[at + 2]
        d += to[at + 3]
        e += to[at + 4]
        f += to[at + 5]
        g += to[at + 6]
        h += to[at + 7]
    found = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for at in range(whole, n):
        found += to[at]
    return found


cdef Found chosen(const Way* way, const Field* field, double draw, double* others) noexcept:
    """As the policy of a recipe chooses. `others`: room for n numbers. Row -1: none is open."""
    cdef Found found
    cdef const double* of = field.of
    cdef Py_ssize_t n = field.n, opened = field.opened, row = 0, best = 0, last = -1, before
    cdef double top = highest(field.tops, (n + BLOCK - 1) // BLOCK), left, certain, sought, inverse, evenly
    cdef double summed = 0.0
    found.row, found.probability, found.tried = -1, 1.0, False
    if top == -INFINITY:
        return found
    while field.tops[best] != top:
        best += 1
    best *= BLOCK
    while of[best] != top:
        best += 1
    if way.kind == BEST:
        found.row = best
        return found
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
        left = 1.0 - behind(of, n, best, inverse, evenly, others)
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


cdef void without_negative(const double* of, Py_ssize_t n, double* to) noexcept:
    cdef Py_ssize_t row
    for row in range(n):
        to[row] = of[row] if of[row] >= 0.0 else -INFINITY


def choose(policy, cnp.ndarray priority not None, double draw):
    """As `policy.choose(priority, draw)`."""
    cdef Way way = way_of(policy)
    cdef Py_ssize_t n = priority.shape[0]
    cdef const double* of
    cdef double* room
    cdef Field field
    cdef Found found
    if way.kind == ASKED:
        return policy.choose(priority, draw)
    of, room = doubles(priority), scratch(2 * n)
    look(&field, of, n, room + n)
    found = chosen(&way, &field, draw, room)
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
    cdef Py_ssize_t n = priority.shape[0], slot, blocks = (n + BLOCK - 1) // BLOCK
    cdef double* of = <double*> doubles(priority, True)
    cdef const int32_t* first = numbers(first_row, n)
    cdef const int32_t* end = numbers(end_row, n)
    cdef uint64_t state = PyLong_AsUnsignedLongLongMask(seed)
    cdef double* room = scratch(4 * n)  # shares, heights, what is not negative, its heights
    cdef Field whole, field
    cdef Found found
    cdef list made = []
    if way.kind == ASKED:
        return ask(priority, policy, slots, state, step, first, end, guarded)
    look(&whole, of, n, room + n)
    for slot in range(slots):
        field = whole
        if guarded and highest(whole.tops, blocks) > 0.0:
            without_negative(of, n, room + 2 * n)
            look(&field, room + 2 * n, n, room + 3 * n)
        found = chosen(&way, &field, drawn(state, step + slot), room)
        if found.row < 0:
            break
        made.append((slot, found.row, found.probability, of[found.row], found.tried, False, False))
        # No item twice, in whatever variant.
        close_rows(&whole, of, max(first[found.row], 0), min(<Py_ssize_t> end[found.row], n))
    return made


cdef list ask(
    cnp.ndarray priority,
    policy,
    Py_ssize_t slots,
    uint64_t state,
    Py_ssize_t step,
    const int32_t* first,
    const int32_t* end,
    bint guarded,
):
    """By a policy without a recipe. It may use what is kept here itself."""
    cdef Py_ssize_t n = priority.shape[0], slot, row, chosen
    cdef double* of = <double*> cnp.PyArray_DATA(priority)
    cdef double probability
    cdef cnp.ndarray those
    cdef list made = []
    for slot in range(slots):
        those = priority
        if guarded and highest(of, n) > 0.0:
            those = cnp.PyArray_EMPTY(1, cnp.PyArray_DIMS(priority), cnp.NPY_DOUBLE, 0)
            without_negative(of, n, <double*> cnp.PyArray_DATA(those))
        said = policy.choose(those, drawn(state, step + slot))
        if said is None:
            break
        chosen, probability = said
        if not 0 <= chosen < n:
            raise IndexError("a policy chose what is no candidate")
        tried = probability < 1.0 and doubles(those)[chosen] < highest(doubles(those), n)
        made.append((slot, chosen, probability, of[chosen], tried, False, False))
        for row in range(max(first[chosen], 0), min(<Py_ssize_t> end[chosen], n)):
            of[row] = -INFINITY
    return made


@cython.boundscheck(True)
def choices(make, list filled not None, cnp.ndarray actions not None, names_of, served, scores, features, met):
    """See `decide.filling.choices`."""
    cdef Py_ssize_t n = actions.shape[0], row, at
    cdef const int32_t* those = numbers(actions, n)
    cdef const double* of = NULL
    cdef double priority
    cdef list made = []
    if not issubclass(make, tuple):
        raise TypeError("a kind of tuple is wanted")
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


def with_remaining(choices not None, left not None):
    """See `decide.filling.with_remaining`."""
    cdef list made = []
    for choice, most in zip(choices, left, strict=True):
        if most is not None:
            if not isinstance(choice, tuple):
                raise TypeError("choices are wanted")
            before, behind = PyTuple_GetSlice(choice, 0, REMAINING), PyTuple_GetSlice(choice, REMAINING + 1, ALL)
            fields = (before + (most,) + behind,)
            choice = (<PyTypeObject*> tuple).tp_new(type(choice), <PyObject*> fields, NULL)
        made.append(choice)
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

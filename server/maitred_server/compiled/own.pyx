"""What a subject did with the candidates already: found among its counters, and added to what all did."""

from cpython.mem cimport PyMem_Realloc
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cimport numpy as cnp

cnp.import_array()


cdef packed struct Row:  # `store.counters.ROW`
    uint64_t id
    double value
    int64_t first
    int64_t last
    uint64_t quantity
    uint32_t type
    uint32_t count


cdef struct Match:
    Py_ssize_t at
    uint32_t count


cdef Match* kept = NULL  # nothing in it outlives a call
cdef Py_ssize_t most_kept = 0


cdef Match* scratch(Py_ssize_t n) except NULL:
    global kept, most_kept
    cdef Match* made
    if n > most_kept or kept == NULL:
        made = <Match*> PyMem_Realloc(kept, (n + 64) * sizeof(Match))
        if made == NULL:
            raise MemoryError()
        kept, most_kept = made, n + 64
    return kept


def of_rows(cnp.ndarray rows not None, long code, cnp.ndarray ids not None, cnp.ndarray begins not None,
            cnp.ndarray spans not None):
    """See `decide.own.OwnIndex.of`: rows intp[k] and counts uint32[k]; None: nothing. `code`: of the counters' type."""
    cdef Py_ssize_t n = rows.shape[0], m = ids.shape[0], place, low, half, at, step, size = 0, total = 0, begin, span
    cdef const uint64_t* those = <const uint64_t*> data_of(ids, cnp.NPY_UINT64, m)
    cdef const cnp.npy_intp* first = <const cnp.npy_intp*> data_of(begins, cnp.NPY_INTP, m)
    cdef const cnp.npy_intp* widths = <const cnp.npy_intp*> data_of(spans, cnp.NPY_INTP, m)
    cdef const char* read = <const char*> cnp.PyArray_DATA(rows)
    cdef Match* found
    cdef Row row
    cdef cnp.npy_intp many
    cdef cnp.npy_intp* to_rows
    cdef uint32_t* to_counts
    if rows.ndim != 1 or cnp.PyArray_ITEMSIZE(rows) != sizeof(Row) or not cnp.PyArray_IS_C_CONTIGUOUS(rows):
        raise TypeError("counters, contiguous, are wanted")
    if not m:
        return None
    found = scratch(n)
    for place in range(n):
        memcpy(&row, read + place * <Py_ssize_t> sizeof(Row), sizeof(Row))
        if row.type != <uint32_t> code:
            continue
        low, half = 0, m
        while half > 1:
            step = half >> 1
            low = low + step if those[low + step] <= row.id else low
            half -= step
        if those[low] == row.id:
            found[size].at, found[size].count = low, row.count
            size += 1
            total += widths[low]
    if not size:
        return None
    many = total
    made_rows = cnp.PyArray_EMPTY(1, &many, cnp.NPY_INTP, 0)
    made_counts = cnp.PyArray_EMPTY(1, &many, cnp.NPY_UINT32, 0)
    to_rows = <cnp.npy_intp*> cnp.PyArray_DATA(<cnp.ndarray> made_rows)
    to_counts = <uint32_t*> cnp.PyArray_DATA(<cnp.ndarray> made_counts)
    at = 0
    for place in range(size):
        begin, span = first[found[place].at], widths[found[place].at]
        for step in range(span):
            to_rows[at], to_counts[at] = begin + step, found[place].count
            at += 1
    return made_rows, made_counts


def added(cnp.ndarray scaled not None, cnp.ndarray rows not None, cnp.ndarray counts not None):
    """What `policy.habit` ranks by, float64[n], and which rows the subject did something with."""
    cdef Py_ssize_t n = scaled.shape[0], k = rows.shape[0], at
    cdef const cnp.npy_intp* those = <const cnp.npy_intp*> data_of(rows, cnp.NPY_INTP, k)
    cdef const uint32_t* many = <const uint32_t*> data_of(counts, cnp.NPY_UINT32, k)
    cdef const double* of = <const double*> data_of(scaled, cnp.NPY_DOUBLE, n)
    cdef cnp.ndarray made = cnp.PyArray_EMPTY(1, cnp.PyArray_DIMS(scaled), cnp.NPY_DOUBLE, 0)
    cdef double* to = <double*> cnp.PyArray_DATA(made)
    cdef list met = []
    memcpy(to, of, n * sizeof(double))
    for at in range(k):
        if not 0 <= those[at] < n:
            raise IndexError("what was met is no candidate")
        to[those[at]] += many[at]
        met.append(<object> those[at])
    return made, frozenset(met)


cdef const void* data_of(cnp.ndarray array, int kind, Py_ssize_t n) except? NULL:
    if not cnp.PyArray_EquivTypenums(cnp.PyArray_TYPE(array), kind) or array.ndim != 1 or not cnp.PyArray_ISCARRAY_RO(array):
        raise TypeError("an array of another type, or contiguous, is wanted")
    if array.shape[0] != n:
        raise ValueError("arrays of one length are wanted")
    return cnp.PyArray_DATA(array)

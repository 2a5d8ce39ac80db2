"""What the values of a subject come to in all formulas: rows of words, ORed."""

import struct
import sys
from bisect import bisect_left, bisect_right

from maitred_server.playbook.rules.errors import Failure

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItemWithError
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

if sys.byteorder != "little":
    raise ImportError("words are little-endian here")

cdef extern from "Python.h":
    object _PyLong_FromByteArray(const unsigned char* octets, size_t size, int little_endian, int is_signed)

cdef enum:
    MOST_KEPT = 1024

cdef int64_t EXACT = 1 << 53  # whole numbers up to this are the same as doubles


cdef class Layout:
    """How bits are laid out in words: those of the formulas, then those of each place of a clause."""

    cdef readonly Py_ssize_t size, places, part, words  # `part`: words of one place, or of the formulas

    def __init__(self, Py_ssize_t size, int places):
        self.size, self.places, self.part = size, places, (size + 63) // 64
        self.words = self.part * (1 + places)

    def row(self, bits):
        """Bits as words, in bytes."""
        cdef object one = 1  # of Python: there are more bits than a word has
        mask = (one << self.size) - 1
        return b"".join(
            [(bits >> place * self.size & mask).to_bytes(8 * self.part, "little") for place in range(1 + self.places)]
        )


cdef class Table:
    """Rows of words by a value."""

    cdef Py_ssize_t words
    cdef bytes rows
    cdef const uint64_t* row

    def __init__(self, Layout layout, entries):
        self.words = layout.words
        self.rows = b"".join([layout.row(bits) for bits in entries])
        self.row = <const uint64_t*> PyBytes_AS_STRING(self.rows)

    cdef int join(self, PyObject* value, uint64_t* found) except -1:
        """OR what follows from a value. NULL or None: an error."""
        raise NotImplementedError

    cdef inline int add(self, Py_ssize_t number, uint64_t* found) except -1:
        cdef Py_ssize_t word
        cdef const uint64_t* row = self.row + number * self.words
        for word in range(self.words):
            found[word] |= row[word]
        return 0


cdef class TextTable(Table):
    cdef dict numbers

    def __init__(self, Layout layout, texts):
        Table.__init__(self, layout, [texts.other, *texts.entries.values()])
        self.numbers = {value: number for number, value in enumerate(texts.entries, 1)}

    cdef int join(self, PyObject* value, uint64_t* found) except -1:
        cdef PyObject* number = PyDict_GetItemWithError(self.numbers, None if value == NULL else <object> value)
        return self.add(0 if number == NULL else <Py_ssize_t> <object> number, found)


cdef class CutTable(Table):
    cdef list cuts
    cdef bytes kept
    cdef const double* sorted
    cdef Py_ssize_t count
    cdef bint exact  # the cuts are the same as doubles

    def __init__(self, Layout layout, cuts):
        Table.__init__(self, layout, [*cuts.entries, cuts.nan, cuts.error])
        self.cuts, self.count = list(cuts.cuts), len(cuts.cuts)
        self.exact = all([type(cut) is float or abs(cut) <= EXACT for cut in cuts.cuts])
        self.kept = struct.pack(f"{self.count}d", *cuts.cuts) if self.exact else b""
        self.sorted = <const double*> PyBytes_AS_STRING(self.kept)

    cdef int join(self, PyObject* value, uint64_t* found) except -1:
        cdef int overflows = 0
        cdef int64_t whole
        if value == NULL or <object> value is None:
            return self.add(2 * self.count + 2, found)
        if self.exact and PyFloat_CheckExact(<object> value):
            return self.add(self.place(PyFloat_AS_DOUBLE(<object> value)), found)
        if self.exact and PyLong_CheckExact(<object> value):
            whole = PyLong_AsLongLongAndOverflow(<object> value, &overflows)
            if not overflows and -EXACT <= whole <= EXACT:
                return self.add(self.place(<double> whole), found)
        return self.add(self.place_of(<object> value), found)

    cdef Py_ssize_t place(self, double value) noexcept:
        cdef Py_ssize_t low = 0, high = self.count, middle
        if value != value:
            return 2 * self.count + 1
        while low < high:
            middle = (low + high) >> 1
            if self.sorted[middle] < value:
                low = middle + 1
            else:
                high = middle
        return 2 * low + (low < self.count and self.sorted[low] == value)

    cdef Py_ssize_t place_of(self, object value) except -1:
        """The same of numbers that doubles do not hold."""
        if value != value:
            return 2 * self.count + 1
        return bisect_left(self.cuts, value) + bisect_right(self.cuts, value)


cdef class FlagTables(Table):
    """A table by each eight flags, all of 256 rows but the last."""

    cdef Py_ssize_t octets

    def __init__(self, Layout layout, tables):
        Table.__init__(self, layout, [bits for table in tables for bits in table])
        self.octets = len(tables)

    cdef int add_flags(self, const uint8_t* flags, uint64_t* found) except -1:
        cdef Py_ssize_t octet
        for octet in range(self.octets):
            self.add(256 * octet + flags[octet], found)
        return 0


cdef class NameTable(FlagTables):
    cdef dict numbers
    cdef bytes error

    def __init__(self, Layout layout, names):
        FlagTables.__init__(self, layout, names.tables)
        self.numbers = {name: at for at, name in enumerate(names.numbers)}
        self.error = layout.row(names.error)

    cdef int join(self, PyObject* value, uint64_t* found) except -1:
        cdef PyObject* number
        cdef bytes held
        cdef uint8_t* flags
        cdef Py_ssize_t at
        if value == NULL or <object> value is None:
            return add_words(<const uint64_t*> PyBytes_AS_STRING(self.error), self.words, found)
        held = PyBytes_FromStringAndSize(NULL, self.octets + 8)
        flags = <uint8_t*> PyBytes_AS_STRING(held)
        memset(flags, 0, self.octets)
        for name in <object> value:
            number = PyDict_GetItemWithError(self.numbers, name)
            if number != NULL:
                at = <Py_ssize_t> <object> number
                flags[at >> 3] |= <uint8_t> (1 << (at & 7))
        return self.add_flags(flags, found)


cdef inline int add_words(const uint64_t* row, Py_ssize_t words, uint64_t* found) except -1:
    cdef Py_ssize_t word
    for word in range(words):
        found[word] |= row[word]
    return 0


cdef class Answering:
    """What the values of a subject come to in many formulas. As `playbook.rules.answering.Answering`."""

    cdef Layout layout
    cdef bytes start, clauses
    cdef tuple of_subject, of_context, computed
    cdef FlagTables segments
    cdef dict of_segments

    def __init__(self, tables):
        size, start, clauses, subject, context, computed, segments = tables
        places = max(0, clauses.bit_length() - 1) // size + 1 if clauses else 0
        self.layout = Layout(size, places)
        self.start, self.clauses = self.layout.row(start), self.layout.row(clauses << size)
        self.of_subject = tuple([(name, self.table(one)) for name, one in subject])
        self.of_context = tuple([(name, self.table(one)) for name, one in context])
        self.computed = tuple([(evaluate, self.table(one)) for evaluate, one in computed])
        self.segments = FlagTables(self.layout, segments) if segments else None
        self.of_segments = {}

    def table(self, one):
        """A table of Python's as rows."""
        for field, made in (("entries", TextTable), ("numbers", NameTable)):
            if hasattr(one, field) and not hasattr(one, "cuts"):
                return made(self.layout, one)
        return CutTable(self.layout, one)

    def failing(self, dict subject not None, dict context not None, list frame, segments):
        """The formulas that do not hold, as bits."""
        cdef bytes scratch = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.start), 8 * self.layout.words)
        cdef uint64_t* found = <uint64_t*> PyBytes_AS_STRING(scratch)
        cdef const uint64_t* clauses = <const uint64_t*> PyBytes_AS_STRING(self.clauses)
        cdef Py_ssize_t part = self.layout.part, place, word
        values = self.values(frame) if self.computed else ()
        self.look_up(self.of_subject, subject, found)
        self.look_up(self.of_context, context, found)
        if self.computed:
            self.join_computed(values, found)
        if self.segments is not None:
            add_words(self.by_segments(segments), self.layout.words, found)
        for place in range(1, 1 + self.layout.places):
            for word in range(part):
                found[word] |= found[place * part + word] ^ clauses[place * part + word]
        return _PyLong_FromByteArray(<const unsigned char*> found, 8 * part, 1, 0)

    cdef int look_up(self, tuple fields, dict values, uint64_t* found) except -1:
        cdef tuple field
        for field in fields:
            (<Table> field[1]).join(PyDict_GetItemWithError(values, field[0]), found)
        return 0

    cdef list values(self, list frame):
        """What terms that are more than a field come to. None: an error."""
        cdef list values = []
        cdef tuple one
        for one in self.computed:
            try:
                values.append(one[0](frame))
            except Failure:
                values.append(None)
        return values

    cdef int join_computed(self, list values, uint64_t* found) except -1:
        cdef Py_ssize_t at
        for at in range(len(values)):
            value = values[at]
            (<Table> (<tuple> self.computed[at])[1]).join(<PyObject*> value, found)
        return 0

    cdef const uint64_t* by_segments(self, object segments) except NULL:
        cdef PyObject* kept = PyDict_GetItemWithError(self.of_segments, segments)
        cdef bytes flags, row
        if kept == NULL:
            if len(self.of_segments) >= MOST_KEPT:
                self.of_segments.clear()
            flags = segments.to_bytes(self.segments.octets, "little")
            row = bytes(8 * self.layout.words)
            self.segments.add_flags(<const uint8_t*> PyBytes_AS_STRING(flags), <uint64_t*> PyBytes_AS_STRING(row))
            self.of_segments[segments] = row
            kept = <PyObject*> row
        return <const uint64_t*> PyBytes_AS_STRING(<object> kept)

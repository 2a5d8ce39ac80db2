"""Which rows the playbook's rules leave open: twin of `playbook.rules.guards`."""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cimport cython
cimport numpy as cnp

cnp.import_array()

if sys.byteorder != "little":
    raise ImportError("rows are words of bits, which is for little-endian processors")

cdef uint64_t[256] OPENED  # eight bools by the bits of a byte
cdef uint8_t[8] FLAGS
cdef int _byte, _bit

for _byte in range(256):
    for _bit in range(8):
        FLAGS[_bit] = _byte >> _bit & 1
    memcpy(&OPENED[_byte], FLAGS, 8)


@cython.final
cdef class Guards:
    """The rows that are left when some rules fail. Immutable.

    Of each formula the words of 64 rows that it guards lie one after the other: a decision goes through those that fail.
    """

    cdef uint64_t* words  # of all formulas
    cdef uint64_t* rows  # that are left when nothing fails
    cdef Py_ssize_t* begins  # [formulas + 1]: where those of each begin
    cdef uint32_t* firsts  # [formulas]: the word of rows that they begin with
    cdef uint64_t* left  # of the decision that is being made
    cdef Py_ssize_t formulas, length, size

    def __cinit__(self, guarded, Py_ssize_t length, whole):
        """See `playbook.rules.guards`."""
        cdef Py_ssize_t at
        cdef bytes octets
        self.formulas = max(guarded, default=-1) + 1
        self.length, self.size = length, (length + 63) // 64
        parts = [_words(guarded.get(number, 0), self.size) for number in range(self.formulas)]
        self.words = <uint64_t*> PyMem_Malloc(sum(len(part) for _, part in parts) + 8)
        self.rows = <uint64_t*> PyMem_Malloc(self.size * 8 + 8)
        self.begins = <Py_ssize_t*> PyMem_Malloc((self.formulas + 1) * sizeof(Py_ssize_t))
        self.firsts = <uint32_t*> PyMem_Malloc(self.formulas * 4 + 4)
        self.left = <uint64_t*> PyMem_Malloc(self.size * 8 + 8)
        if self.words == NULL or self.rows == NULL or self.left == NULL or self.begins == NULL or self.firsts == NULL:
            raise MemoryError
        octets = whole.to_bytes(self.size * 8, "little")
        memcpy(self.rows, PyBytes_AS_STRING(octets), self.size * 8)
        self.begins[0] = 0
        for at in range(self.formulas):
            self.firsts[at], octets = parts[at]
            memcpy(self.words + self.begins[at], PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))
            self.begins[at + 1] = self.begins[at] + PyBytes_GET_SIZE(octets) // 8

    def __dealloc__(self):
        PyMem_Free(self.words)
        PyMem_Free(self.rows)
        PyMem_Free(self.left)
        PyMem_Free(self.begins)
        PyMem_Free(self.firsts)

    def bits(self, failing):
        """The rows that are left, as bits. `failing`: formulas as bits."""
        self.meet(failing)
        return int.from_bytes(PyBytes_FromStringAndSize(<const char*> self.left, self.size * 8), "little")

    def open(self, failing, closed):
        """bool[m]: the rows that are left; None: all of them. `closed`: rows that are closed beside, as bits."""
        cdef bytes octets
        cdef uint64_t[1] word
        cdef uint64_t shut = 0
        cdef Py_ssize_t at
        self.meet(failing)
        if closed:
            octets = closed.to_bytes(self.size * 8, "little")
            for at in range(self.size):
                memcpy(word, PyBytes_AS_STRING(octets) + at * 8, 8)
                self.left[at] &= ~word[0]
        for at in range(self.length // 64):
            shut |= ~self.left[at]
        if self.length % 64:
            shut |= ~self.left[self.size - 1] & ((<uint64_t> 1 << self.length % 64) - 1)
        return self.unpacked() if shut else None

    cdef int meet(self, failing) except -1:
        """Works out the rows that are left."""
        cdef bytes flags = failing.to_bytes((failing.bit_length() + 7) // 8, "little")
        cdef const uint8_t* byte = <const uint8_t*> PyBytes_AS_STRING(flags)
        cdef Py_ssize_t octet, number
        cdef uint8_t left
        memcpy(self.left, self.rows, self.size * 8)
        for octet in range(min(PyBytes_GET_SIZE(flags), (self.formulas + 7) // 8)):
            left, number = byte[octet], octet * 8
            while left:
                if left & 1 and number < self.formulas:
                    self.close(number)
                left >>= 1
                number += 1
        return 0

    cdef void close(self, Py_ssize_t number) noexcept:
        cdef const uint64_t* word = self.words + self.begins[number]
        cdef uint64_t* rows = self.left + self.firsts[number]
        cdef Py_ssize_t at
        for at in range(self.begins[number + 1] - self.begins[number]):
            rows[at] &= ~word[at]

    cdef cnp.ndarray unpacked(self):
        cdef cnp.npy_intp length = self.length
        cdef cnp.ndarray rows = cnp.PyArray_EMPTY(1, &length, cnp.NPY_BOOL, 0)
        cdef uint8_t* row = <uint8_t*> cnp.PyArray_DATA(rows)
        cdef Py_ssize_t at
        for at in range(length // 8):
            memcpy(row + at * 8, &OPENED[self.left[at // 8] >> at % 8 * 8 & 0xFF], 8)
        for at in range(length // 8 * 8, length):
            row[at] = self.left[at // 64] >> at % 64 & 1
        return rows


def _words(bits, size):
    """The first word that is not empty, and the words up to the last such, as bytes."""
    octets = bits.to_bytes(size * 8, "little")
    first = (len(octets) - len(octets.lstrip(b"\0"))) // 8
    last = (len(octets.rstrip(b"\0")) + 7) // 8
    return (first, octets[first * 8 : last * 8]) if last > first else (0, b"")

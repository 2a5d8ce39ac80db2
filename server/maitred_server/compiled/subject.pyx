"""Who asks: a stored profile taken apart, and what rules may see of it, each in one step."""

import sys
from zlib import crc32

from maitred_server.errors import RecordDamaged

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next, PyDict_SetItem
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact, PyFloat_FromDouble
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact, PyLong_FromDouble, PyLong_FromUnsignedLongLong
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.set cimport PySet_Contains
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_DecodeUTF8
from libc.math cimport floor
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cimport numpy as cnp

cnp.import_array()

if sys.byteorder != "little":
    raise ImportError("stored profiles are little-endian")

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewFromDescr(
        PyTypeObject* of, cnp.dtype dtype, int dimensions, const cnp.npy_intp* shape, const cnp.npy_intp* strides,
        void* data, int flags, object template
    )

cdef extern from *:
    """
    /* CRC-32 as zlib has it, by carry-less multiplication: what lies 16 or 64 bytes ahead is what is here times a power
       of x, modulo the polynomial. All is reflected: bit 0 is the highest power. (Gopal et al., "Fast CRC computation
       for generic polynomials using PCLMULQDQ instruction", Intel, 2009.) Quick also where its code and data have left
       the caches, which zlib's tables have by the time that a decision begins. */
    #include <stdint.h>
    #include <string.h>
    static uint32_t crc_steps(uint32_t state, const uint8_t* at, Py_ssize_t size) {
        static const uint32_t nibble[16] = {
            0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
            0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
        for (; size > 0; --size) {
            state ^= *at++;
            state = (state >> 4) ^ nibble[state & 15];
            state = (state >> 4) ^ nibble[state & 15];
        }
        return state;
    }
    #if defined(__GNUC__) && defined(__x86_64__)
    #include <immintrin.h>
    #define AHEAD(x, by) _mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11))
    #define HERE(at) _mm_loadu_si128((const __m128i*)(at))
    static int can_fold(void) { return __builtin_cpu_supports("pclmul"); }
    __attribute__((target("pclmul"))) static uint32_t crc_folded(
        const uint8_t* at, Py_ssize_t size, const uint8_t* key, Py_ssize_t key_size) {
        const __m128i by64 = _mm_set_epi64x(0x1c6e41596LL, 0x154442bd4LL);
        const __m128i by16 = _mm_set_epi64x(0x0ccaa009eLL, 0x1751997d0LL);
        uint32_t state = crc_steps(0xffffffffu, key, key_size);
        uint8_t left[16];
        __m128i one = _mm_xor_si128(HERE(at), _mm_cvtsi32_si128((int)state));
        __m128i two = HERE(at + 16), three = HERE(at + 32), four = HERE(at + 48);
        for (at += 64, size -= 64; size >= 64; at += 64, size -= 64) {
            one = _mm_xor_si128(AHEAD(one, by64), HERE(at));
            two = _mm_xor_si128(AHEAD(two, by64), HERE(at + 16));
            three = _mm_xor_si128(AHEAD(three, by64), HERE(at + 32));
            four = _mm_xor_si128(AHEAD(four, by64), HERE(at + 48));
        }
        two = _mm_xor_si128(AHEAD(one, by16), two);
        three = _mm_xor_si128(AHEAD(two, by16), three);
        one = _mm_xor_si128(AHEAD(three, by16), four);
        for (; size >= 16; at += 16, size -= 16) one = _mm_xor_si128(AHEAD(one, by16), HERE(at));
        _mm_storeu_si128((__m128i*)left, one);
        return ~crc_steps(crc_steps(0, left, 16), at, size);
    }
    #else
    static int can_fold(void) { return 0; }
    static uint32_t crc_folded(const uint8_t* at, Py_ssize_t size, const uint8_t* key, Py_ssize_t key_size) {
        return ~crc_steps(crc_steps(0xffffffffu, key, key_size), at, size);
    }
    #endif
    """
    bint can_fold() noexcept
    uint32_t crc_folded(const uint8_t* at, Py_ssize_t size, const uint8_t* key, Py_ssize_t key_size) noexcept

cdef extern from "Python.h":
    enum: PyBUF_READ


# A stored profile

cdef packed struct Header:
    uint32_t checksum
    uint16_t layout
    uint8_t kind
    uint8_t flags
    uint64_t sequence
    int64_t first_seen
    int64_t last_seen
    int64_t newest
    uint32_t evicted
    uint32_t rows
    uint32_t ring
    uint32_t cells
    uint32_t traits
    uint32_t consents
    char unit[16]
    uint64_t totals[16]

cdef enum:
    MERGED = 1
    HAS_UNIT = 2

cdef bint HAS_FOLDING = can_fold()
cdef cnp.dtype CELLS = cnp.PyArray_DescrFromType(cnp.NPY_UINT64)
cdef cnp.dtype TALLIES = cnp.PyArray_DescrFromType(cnp.NPY_UINT32)


cdef class Fields:
    """Reads stored profiles. As `store.profiles.Fields`."""

    cdef cnp.dtype row, recent
    cdef object no_rows, no_ring, no_buckets
    cdef type buckets
    cdef dict kinds
    cdef int layout

    def __init__(self, int layout, Py_ssize_t header, dict kinds, no_rows, no_ring, no_buckets):
        """`header`: its size. `no_rows`, `no_ring`, `no_buckets`: what a profile without such has."""
        if header != sizeof(Header):
            raise ValueError(f"the header of a stored profile has {header} bytes, not {sizeof(Header)}")
        self.layout, self.kinds = layout, kinds
        self.no_rows, self.no_ring, self.no_buckets, self.buckets = no_rows, no_ring, no_buckets, type(no_buckets)
        self.row, self.recent = no_rows.dtype, no_ring.dtype

    def read(self, bytes subject not None, bytes stored not None):
        """The fields of the profile stored under `subject`, in their order. Raises RecordDamaged."""
        cdef const char* at = PyBytes_AS_STRING(stored)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(stored)
        cdef Header header
        cdef uint64_t ring, cells, tallies, traits, consents, stamp
        if size < <Py_ssize_t> sizeof(Header) or checksum(subject, at, size) != (<const uint32_t*> at)[0]:
            raise RecordDamaged("a stored profile fails its checksum")
        memcpy(&header, at, sizeof(Header))
        if header.layout != self.layout:
            raise RecordDamaged(f"a stored profile has layout {header.layout}; this version reads {self.layout}")
        ring = sizeof(Header) + header.rows * <uint64_t> self.row.itemsize
        cells = ring + header.ring * <uint64_t> self.recent.itemsize
        tallies = cells + header.cells * <uint64_t> 8
        traits = tallies + header.cells * <uint64_t> 4
        consents = traits + header.traits
        stamp = consents + header.consents
        if stamp > <uint64_t> size or header.kind not in self.kinds:
            raise RecordDamaged("a stored profile is not what its header says")
        return (
            self.kinds[header.kind],
            header.sequence,
            header.first_seen,
            header.last_seen,
            header.newest,
            header.evicted,
            totals_of(&header),
            array_over(stored, self.row, header.rows, sizeof(Header)) if header.rows else self.no_rows,
            array_over(stored, self.recent, header.ring, ring) if header.ring else self.no_ring,
            self.buckets_over(stored, header.cells, cells, tallies) if header.cells else self.no_buckets,
            PyBytes_FromStringAndSize(at + traits, header.traits),
            PyBytes_FromStringAndSize(at + consents, header.consents),
            PyBytes_FromStringAndSize(header.unit, 16) if header.flags & HAS_UNIT else b"",
            header.flags & MERGED != 0,
            PyBytes_FromStringAndSize(at + stamp, size - <Py_ssize_t> stamp),
        )

    cdef object buckets_over(self, bytes stored, Py_ssize_t count, Py_ssize_t cells, Py_ssize_t tallies):
        both = (array_over(stored, CELLS, count, cells), array_over(stored, TALLIES, count, tallies))
        return tuple.__new__(self.buckets, both)


cdef uint32_t checksum(bytes subject, const char* at, Py_ssize_t size) except? 0:
    """CRC-32 of the key and of what is stored but for its first four bytes. `size`: 68 at least."""
    if HAS_FOLDING:
        return crc_folded(
            <const uint8_t*> at + 4, size - 4, <const uint8_t*> PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject)
        )
    return crc32(PyMemoryView_FromMemory(<char*> at + 4, size - 4, PyBUF_READ), crc32(subject))


cdef tuple totals_of(const Header* header):
    cdef tuple found = PyTuple_New(16)
    cdef Py_ssize_t at
    cdef object one
    for at in range(16):
        one = PyLong_FromUnsignedLongLong(header.totals[at])
        Py_INCREF(one)
        PyTuple_SET_ITEM(found, at, one)
    return found


cdef object array_over(bytes stored, cnp.dtype dtype, Py_ssize_t count, Py_ssize_t at):
    """A read-only array over a part of some bytes, which it keeps. The part must lie within."""
    cdef cnp.npy_intp shape = count
    Py_INCREF(dtype)  # the array takes it over
    cdef cnp.ndarray found = PyArray_NewFromDescr(
        <PyTypeObject*> cnp.ndarray, dtype, 1, &shape, NULL, PyBytes_AS_STRING(stored) + at, cnp.NPY_ARRAY_C_CONTIGUOUS, None
    )
    cnp.PyArray_UpdateFlags(found, cnp.NPY_ARRAY_UPDATE_ALL & ~cnp.NPY_ARRAY_WRITEABLE)
    cnp.set_array_base(found, stored)
    return found


# The traits that may be seen

cdef enum:
    TEXT = 1
    NUMBER = 2
    WHOLE = 3
    FLAG = 4
    TEXTS = 5
    TIME = 6

cdef dict WANTED = {"text": TEXT, "number": NUMBER, "whole": WHOLE, "flag": FLAG, "texts": TEXTS, "time": TIME}
cdef double WHOLE_LIMIT = 2.0**63
cdef int64_t FIRST_MS = -62_135_596_800_000
cdef int64_t LAST_MS = 253_402_300_799_999


cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end


cdef struct Span:
    const char* at
    Py_ssize_t size


cdef struct Declared:
    Span name
    int wanted
    PyObject* text
    PyObject* purpose


cdef class Types:
    """What is declared of a root's names, and what rules see by it. As `playbook.rules.declarations.Types`."""

    cdef tuple kept  # what the pointers below are of
    cdef dict wanted
    cdef Declared* declared
    cdef Py_ssize_t count

    def __cinit__(self, dict types, dict purposes):
        """`types` by name; `purposes`: of those that have one."""
        cdef Py_ssize_t at
        self.kept = tuple([(name, PyUnicode_AsUTF8String(name), purposes.get(name, "")) for name in types])
        self.wanted = {name: WANTED[of] for name, of in types.items()}
        self.count = len(types)
        self.declared = <Declared*> PyMem_Malloc(max(1, self.count) * sizeof(Declared))
        if self.declared == NULL:
            raise MemoryError
        for at, (name, octets, purpose) in enumerate(self.kept):
            self.declared[at].name = Span(PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))
            self.declared[at].wanted = self.wanted[name]
            self.declared[at].text, self.declared[at].purpose = <PyObject*> name, <PyObject*> purpose

    def __dealloc__(self):
        PyMem_Free(self.declared)

    def typed(self, raw):
        """The values that rules see."""
        cdef PyObject* name
        cdef PyObject* value
        cdef PyObject* wanted
        cdef Py_ssize_t place = 0
        cdef dict found = {}
        if type(raw) is not dict:
            raw = dict(raw)
        while PyDict_Next(raw, &place, &name, &value):
            wanted = PyDict_GetItemWithError(self.wanted, <object> name)
            if wanted != NULL:
                seen = as_declared(<object> value, <object> wanted)
                if seen is not None:
                    PyDict_SetItem(found, <object> name, seen)
        return found

    def traits(self, bytes stored not None, frozenset purposes not None, int only):
        """Of stored traits what rules see of those for allowed purposes, with `only` as source (0: any).

        None: they are stored in a way that this does not read.
        """
        cdef Cursor cursor = Cursor(<const uint8_t*> PyBytes_AS_STRING(stored), NULL)
        cdef Py_ssize_t left
        cdef Span allowed = Span(NULL, 0)
        cdef dict found = {}
        cursor.end = cursor.at + PyBytes_GET_SIZE(stored)
        left = array_size(&cursor)
        if left < 0:
            return None
        try:
            while left:
                if not self.next_trait(&cursor, purposes, only, &allowed, found):
                    return None
                left -= 1
        except UnicodeDecodeError:
            return None
        return found if cursor.at == cursor.end else None

    cdef bint next_trait(self, Cursor* cursor, frozenset purposes, int only, Span* allowed, dict found) except -1:
        """One trait. `allowed`: the purpose that was found allowed last."""
        cdef Span name, purpose
        cdef Cursor value
        cdef int source
        cdef const Declared* declared
        if array_size(cursor) != 2 or array_size(cursor) != 5 or not read_text(cursor, &name):
            return False
        value = cursor[0]
        if not skip_value(cursor) or cursor.end - cursor.at < 1:
            return False
        source = cursor.at[0]
        cursor.at += 1
        if not 0 < source < 4 or not read_text(cursor, &purpose) or not skip_whole(cursor) or not skip_whole(cursor):
            return False
        if value.at[0] == 0xc0:  # removed
            return True
        declared = self.find(&name)
        if declared == NULL:
            return True
        text = <object> declared.text
        seen = None
        if (not only or source == only) and is_allowed(&purpose, purposes, allowed):
            if PySet_Contains(purposes, <object> declared.purpose):
                seen = read_value(&value, declared.wanted)
        if seen is not None:
            PyDict_SetItem(found, text, seen)
        else:
            found.pop(text, None)
        return True

    cdef const Declared* find(self, const Span* name) noexcept:
        cdef Py_ssize_t at
        for at in range(self.count):
            if are_same(&self.declared[at].name, name):
                return &self.declared[at]
        return NULL


cdef inline bint are_same(const Span* one, const Span* other) noexcept:
    return one.size == other.size and memcmp(one.at, other.at, one.size) == 0


cdef bint is_allowed(const Span* purpose, frozenset purposes, Span* allowed) except -1:
    if allowed.at != NULL and are_same(purpose, allowed):
        return True
    if not PySet_Contains(purposes, PyUnicode_DecodeUTF8(purpose.at, purpose.size, NULL)):
        return False
    allowed[0] = purpose[0]
    return True


cdef object as_declared(object value, int wanted):
    """A value as rules see it; None: it is of another type."""
    cdef int overflows
    cdef int64_t number
    if wanted == TEXT:
        return value if type(value) is str else None
    if wanted == FLAG:
        return value if type(value) is bool else None
    if wanted == TEXTS:
        return value if type(value) is tuple else None
    if wanted == TIME:
        if not PyLong_CheckExact(value):
            return None
        number = PyLong_AsLongLongAndOverflow(value, &overflows)
        return value if not overflows and FIRST_MS <= number <= LAST_MS else None
    return as_number(PyFloat_AS_DOUBLE(value), wanted) if PyFloat_CheckExact(value) else None


cdef object as_number(double value, int wanted):
    if wanted == NUMBER:
        return PyFloat_FromDouble(value + 0.0) if value == value else None  # -0.0 is 0.0
    if -WHOLE_LIMIT <= value < WHOLE_LIMIT and value == floor(value):
        return PyLong_FromDouble(value)
    return None


cdef object read_value(Cursor* cursor, int wanted):
    """A value that was found whole, as rules see it; None: it is of another type. Raises UnicodeDecodeError."""
    cdef uint8_t tag = cursor.at[0]
    cdef Span text
    cdef Py_ssize_t left
    if tag == 0xc2 or tag == 0xc3:
        return tag == 0xc3 if wanted == FLAG else None
    if tag == 0xcb:
        return as_number(read_double(cursor.at + 1), wanted) if wanted == NUMBER or wanted == WHOLE else None
    if read_text(cursor, &text):
        return PyUnicode_DecodeUTF8(text.at, text.size, NULL) if wanted == TEXT else None
    left = array_size(cursor)
    if left >= 0:
        return read_texts(cursor, left) if wanted == TEXTS else None
    return read_time(cursor) if wanted == TIME else None


cdef tuple read_texts(Cursor* cursor, Py_ssize_t count):
    cdef tuple found = PyTuple_New(count)
    cdef Span text
    cdef Py_ssize_t at
    for at in range(count):
        read_text(cursor, &text)
        one = PyUnicode_DecodeUTF8(text.at, text.size, NULL)
        Py_INCREF(one)
        PyTuple_SET_ITEM(found, at, one)
    return found


cdef object read_time(Cursor* cursor):
    cdef uint8_t tag = cursor.at[0]
    cdef uint64_t bits
    cdef int64_t number
    if tag < 0x80:
        return tag
    if tag >= 0xe0:
        return <int> tag - 0x100
    bits = read_bits(cursor.at + 1, whole_size(tag))
    if tag <= 0xcf:
        return bits if bits <= <uint64_t> LAST_MS else None
    number = as_signed(bits, whole_size(tag))
    return number if FIRST_MS <= number <= LAST_MS else None


cdef inline int64_t as_signed(uint64_t bits, int size) noexcept:
    cdef int unused = 64 - 8 * size
    return (<int64_t> (bits << unused)) >> unused


cdef inline uint64_t read_bits(const uint8_t* at, int size) noexcept:
    """A number of some bytes, the highest first."""
    cdef uint64_t bits = 0
    cdef int place
    for place in range(size):
        bits = bits << 8 | at[place]
    return bits


cdef inline double read_double(const uint8_t* at) noexcept:
    cdef uint64_t bits = read_bits(at, 8)
    cdef double value
    memcpy(&value, &bits, 8)
    return value


cdef inline int whole_size(uint8_t tag) noexcept:
    """How many bytes an integer has behind its tag; -1: it is none."""
    if tag < 0x80 or tag >= 0xe0:
        return 0
    if 0xcc <= tag <= 0xd3:
        return 1 << ((tag - 0xcc) & 3)
    return -1


cdef inline bint skip_whole(Cursor* cursor) noexcept:
    cdef int size
    if cursor.at >= cursor.end:
        return False
    size = whole_size(cursor.at[0])
    if size < 0 or cursor.end - cursor.at < 1 + size:
        return False
    cursor.at += 1 + size
    return True


cdef bint skip_value(Cursor* cursor) except -1:
    cdef Span text
    cdef Py_ssize_t left
    cdef uint8_t tag
    if cursor.at >= cursor.end:
        return False
    tag = cursor.at[0]
    if tag == 0xc0 or tag == 0xc2 or tag == 0xc3:
        cursor.at += 1
        return True
    if tag == 0xcb:
        if cursor.end - cursor.at < 9:
            return False
        cursor.at += 9
        return True
    if read_text(cursor, &text) or skip_whole(cursor):
        return True
    left = array_size(cursor)
    if left < 0:
        return False
    while left:
        if not read_text(cursor, &text):
            return False
        left -= 1
    return True


cdef bint read_text(Cursor* cursor, Span* text) except -1:
    """Where a text lies; False, and nothing is read: there is none. Raises UnicodeDecodeError."""
    cdef uint8_t tag
    cdef Py_ssize_t head, size, there = cursor.end - cursor.at
    if there < 1:
        return False
    tag = cursor.at[0]
    if tag & 0xe0 == 0xa0:
        head, size = 1, tag & 0x1f
    elif 0xd9 <= tag <= 0xdb:
        head = 1 + (1 << (tag - 0xd9))
        if there < head:
            return False
        size = read_bits(cursor.at + 1, head - 1)
    else:
        return False
    if there - head < size:
        return False
    text[0] = Span(<const char*> cursor.at + head, size)
    if not is_plain(text):
        PyUnicode_DecodeUTF8(text.at, text.size, NULL)
    cursor.at += head + size
    return True


cdef inline bint is_plain(const Span* text) noexcept:
    """Whether a text is ASCII."""
    cdef uint8_t seen = 0
    cdef Py_ssize_t at
    for at in range(text.size):
        seen |= <uint8_t> text.at[at]
    return seen < 0x80


cdef Py_ssize_t array_size(Cursor* cursor) noexcept:
    """How many elements follow; -1, and nothing is read: this is no array, or it cannot be whole."""
    cdef uint8_t tag
    cdef Py_ssize_t head, size, there = cursor.end - cursor.at
    if there < 1:
        return -1
    tag = cursor.at[0]
    if tag & 0xf0 == 0x90:
        head, size = 1, tag & 0x0f
    elif tag == 0xdc or tag == 0xdd:
        head = 3 if tag == 0xdc else 5
        if there < head:
            return -1
        size = read_bits(cursor.at + 1, head - 1)
    else:
        return -1
    if there - head < size:  # each has a byte at least
        return -1
    cursor.at += head
    return size

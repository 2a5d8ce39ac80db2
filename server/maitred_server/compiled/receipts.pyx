"""What a receipt holds, written as MessagePack in one pass, without the values of which `decide.receipt` makes it.

Byte for byte what msgspec writes of a `Receipt`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bytes PyBytes_FromStringAndSize(const char* data, Py_ssize_t size)
    int PyFloat_Pack8(double number, char* data, int little) except -1
    bint PyFloat_Check(object one)
    bint PyLong_Check(object one)
    bint PyObject_TypeCheck(object one, type its)
    unsigned long long PyLong_AsUnsignedLongLong(object number) except? 0
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1

# Where the fields of a `Decision` and a `Choice` stand.
cdef enum:
    D_ID = 0
    D_PLACEMENT = 1
    D_SLATE = 2
    D_REASON = 3
    D_POLICY = 4
    D_CHANNEL = 7
    D_SPACE = 8
    C_SLOT = 0
    C_ITEM = 2
    C_VARIANT = 3
    C_REASON = 4
    C_PROPENSITY = 5
    C_PROBABILITY = 6
    C_PRIORITY = 7
    C_STRETCH = 8
    C_FEATURES = 12

cdef tuple FIELDS = (
    ("decision_id", "placement", "slate", "reason", "policy", "ttl_ms", "stale_ms", "channel", "space"),
    (
        "slot", "action", "item", "variant", "reason", "propensity", "probability", "priority", "stretch", "remaining",
        "reason_text", "content", "features",
    ),
)


cdef enum:
    SEGMENTS = 1  # among the fields behind the decisions
    MOST_KEPT = 1024  # as many combinations as `decide.rulebook` keeps


cdef class Packer:
    """Packs receipts. Nothing of one is left for the next; of one thread at a time, which the interpreter's lock sees to."""

    cdef type _decision_type, _choice_type
    cdef char* _memory
    cdef Py_ssize_t _size, _used
    cdef dict _kept  # by address: segments that subjects share, and their bytes; a hundred names lie all over the memory

    def __cinit__(self, nouns):
        """`nouns`: the classes of a decision and a choice."""
        for noun, fields in zip(nouns, FIELDS, strict=True):
            if noun._fields[:len(fields)] != fields:
                raise TypeError(f"a {noun.__name__} has other fields than are read here")
        self._decision_type, self._choice_type = nouns
        self._kept = {}
        self._size = 16_384
        self._memory = <char*> malloc(self._size)
        if self._memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._memory)

    def pack(self, tuple before not None, decisions, wanted, tuple behind not None):
        """A `Receipt`: its fields before its decisions, these with the slots that were asked for, and the fields behind."""
        cdef Py_ssize_t at
        if len(decisions) != len(wanted):
            raise ValueError("each decision has a number of slots that was asked for")
        self._used = 0
        self._head(0x90, 15, 0xDC, len(before) + 1 + len(behind))
        for one in before:
            self._value(one)
        self._head(0x90, 15, 0xDC, len(decisions))
        for at in range(len(decisions)):
            self._decision(decisions[at], wanted[at])
        for at in range(len(behind)):
            if at == SEGMENTS:
                self._shared(behind[at])
            else:
                self._value(behind[at])
        return PyBytes_FromStringAndSize(self._memory, self._used)

    cdef int _shared(self, tuple names) except -1:
        """Texts that come again as the same object."""
        cdef Py_ssize_t begun = self._used
        cdef size_t address = <size_t> <PyObject*> names
        found = self._kept.get(address)
        if found is not None:
            self._copy(PyBytes_AS_STRING(found[1]), PyBytes_GET_SIZE(found[1]))
            return 0
        self._value(names)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[address] = names, PyBytes_FromStringAndSize(self._memory + begun, self._used - begun)

    cdef int _decision(self, one, wanted) except -1:
        cdef Py_ssize_t at
        sure(one, self._decision_type)
        slate = of(one, D_SLATE)
        self._byte(0x98)
        self._text(of(one, D_ID))
        self._text(of(one, D_PLACEMENT))
        self._text(of(one, D_POLICY))
        self._value(of(one, D_REASON))
        self._head(0x90, 15, 0xDC, len(slate))
        for at in range(len(slate)):
            self._choice(slate[at])
        self._value(wanted)
        self._text(of(one, D_CHANNEL))
        self._text(of(one, D_SPACE))

    cdef int _choice(self, one) except -1:
        sure(one, self._choice_type)
        self._byte(0x99)
        self._value(of(one, C_SLOT))
        self._text(of(one, C_ITEM))
        self._text(of(one, C_VARIANT))
        self._value(of(one, C_REASON))
        self._value(of(one, C_PROPENSITY))
        self._value(of(one, C_PROBABILITY))
        self._value(of(one, C_PRIORITY))
        self._value(of(one, C_STRETCH))
        self._value(of(one, C_FEATURES))

    cdef int _value(self, one) except -1:
        if isinstance(one, str):
            self._text(one)
        elif PyFloat_Check(one):
            self._float(one)
        elif one is None or one is False or one is True:
            self._byte(0xC0 if one is None else 0xC3 if one is True else 0xC2)
        elif PyLong_Check(one):
            self._whole(one)
        elif isinstance(one, bytes):
            self._bytes(one)
        elif isinstance(one, (tuple, list)):
            self._head(0x90, 15, 0xDC, len(one))
            for each in one:
                self._value(each)
        elif isinstance(one, dict):
            self._map(one)
        else:
            raise TypeError(f"a receipt holds no {type(one).__name__}")

    cdef int _map(self, dict one) except -1:
        cdef PyObject* key
        cdef PyObject* value
        cdef Py_ssize_t at = 0
        self._head(0x80, 15, 0xDE, len(one))
        while PyDict_Next(one, &at, &key, &value):
            self._text(<object> key)
            self._value(<object> value)

    cdef int _text(self, one) except -1:
        cdef Py_ssize_t size
        cdef const char* data = PyUnicode_AsUTF8AndSize(one, &size)
        if 31 < size < 256:
            self._number(0xD9, size, 1)
        else:
            self._head(0xA0, 31, 0xDA, size)
        self._copy(data, size)

    cdef int _bytes(self, bytes one) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(one)
        self._number(0xC4 if size < 256 else 0xC5 if size < 65_536 else 0xC6, size, 1 if size < 256 else 2 if size < 65_536 else 4)
        self._copy(PyBytes_AS_STRING(one), size)

    cdef int _head(self, unsigned char short, Py_ssize_t most, unsigned char longer, Py_ssize_t size) except -1:
        """Of what has a length: in one byte up to `most`, else `longer` with 16 bits, or the one after it with 32."""
        if size <= most:
            self._byte(<unsigned char> (short | size))
        elif size < 65_536:
            self._number(longer, size, 2)
        else:
            self._number(longer + 1, size, 4)

    cdef int _whole(self, one) except -1:
        cdef int over = 0
        cdef long long number = PyLong_AsLongLongAndOverflow(one, &over)
        if over:
            self._number(0xCF, PyLong_AsUnsignedLongLong(one), 8)
        elif -32 <= number < 128:
            self._byte(<unsigned char> number)
        elif number >= 0:
            self._sized(0xCC, <uint64_t> number, number < 256, number < 65_536, number <= 0xFFFFFFFFLL)
        else:
            self._sized(0xD0, <uint64_t> number, number >= -128, number >= -32_768, number >= -0x80000000LL)

    cdef int _sized(self, unsigned char form, uint64_t number, bint one, bint two, bint four) except -1:
        if one:
            self._number(form, number, 1)
        elif two:
            self._number(form + 1, number, 2)
        elif four:
            self._number(form + 2, number, 4)
        else:
            self._number(form + 3, number, 8)

    cdef int _number(self, unsigned char form, uint64_t number, int size) except -1:
        """The highest byte first."""
        cdef unsigned char[9] written
        cdef int at
        written[0] = form
        for at in range(size):
            written[1 + at] = <unsigned char> (number >> (8 * (size - 1 - at)))
        self._copy(<char*> written, size + 1)

    cdef int _float(self, double number) except -1:
        cdef char[9] written
        written[0] = <char> 0xCB
        PyFloat_Pack8(number, written + 1, 0)
        self._copy(written, 9)

    cdef inline int _byte(self, unsigned char one) except -1:
        self._copy(<char*> &one, 1)

    cdef inline int _copy(self, const char* data, Py_ssize_t size) except -1:
        cdef char* memory
        if size > self._size - self._used:
            memory = <char*> realloc(self._memory, 2 * self._size + size)
            if memory == NULL:
                raise MemoryError
            self._memory, self._size = memory, 2 * self._size + size
        memcpy(self._memory + self._used, data, size)
        self._used += size


cdef inline object of(noun, Py_ssize_t at):
    """The field of one of the nouns that stands there."""
    return <object> PyTuple_GET_ITEM(noun, at)


cdef inline int sure(one, type noun) except -1:
    """So that its fields may be taken by their place."""
    if not PyObject_TypeCheck(one, noun):
        raise TypeError(f"a {noun.__name__} is wanted")

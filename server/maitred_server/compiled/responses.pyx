"""Answers written as the bytes of their messages, from the end to the beginning: what is in a message is known before its length.

As `rpc.encoded` writes them, byte for byte.
"""

from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    const char* PyBytes_AS_STRING(bytes data)
    Py_ssize_t PyBytes_GET_SIZE(bytes data)
    bytes PyBytes_FromStringAndSize(const char* data, Py_ssize_t size)
    int PyFloat_Pack8(double number, char* data, int little) except -1
    bint PyObject_TypeCheck(object one, type its)

cdef enum:
    WHOLE = 0  # how a value is written
    DOUBLE = 1
    BYTES = 2

# What stands before a field's value: its number and how it is written.
cdef enum:
    DECISIONS = 1 << 3 | BYTES
    RECEIPT = 2 << 3 | BYTES
    DECIDED_AT = 5 << 3 | WHOLE
    SUBJECT_TAG = 6 << 3 | BYTES
    DECISION_ID = 1 << 3 | BYTES
    SLATE = 3 << 3 | BYTES
    SLOT = 1 << 3 | WHOLE
    REASON = 6 << 3 | WHOLE
    PROPENSITY = 7 << 3 | DOUBLE
    PROBABILITY = 8 << 3 | DOUBLE
    PRIORITY = 9 << 3 | DOUBLE
    REMAINING = 10 << 3 | WHOLE

# Where the fields of an `Answer`, a `Decision` and a `Choice` stand.
cdef enum:
    A_DECISIONS = 0
    A_RECEIPT = 1
    A_WORLD = 2
    A_DECIDED_AT = 4
    D_ID = 0
    D_PLACEMENT = 1
    D_SLATE = 2
    D_REASON = 3
    D_POLICY = 4
    D_TTL_MS = 5
    D_STALE_MS = 6
    C_SLOT = 0
    C_ACTION = 1
    C_REASON = 4
    C_PROPENSITY = 5
    C_PROBABILITY = 6
    C_PRIORITY = 7
    C_STRETCH = 8
    C_REMAINING = 9
    C_REASON_TEXT = 10
    C_CONTENT = 11

cdef tuple FIELDS = (
    ("decisions", "receipt", "world", "arms", "decided_at"),
    ("decision_id", "placement", "slate", "reason", "policy", "ttl_ms", "stale_ms"),
    (
        "slot", "action", "item", "variant", "reason", "propensity", "probability", "priority", "stretch", "remaining",
        "reason_text", "content",
    ),
)


cdef class Responses:
    """Writes answers. Of one thread."""

    cdef type _answer_type, _decision_type, _choice_type
    cdef object _placement, _rarer
    cdef char* _memory
    cdef Py_ssize_t _size, _left  # bytes in all, and those before what is written

    def __cinit__(self, nouns, placement, rarer):
        """`nouns`: the classes of an answer, a decision and a choice. `placement`: writes what of a placement is often
        the same. `rarer`: writes what few choices have.
        """
        for noun, fields in zip(nouns, FIELDS, strict=True):
            if noun._fields[:len(fields)] != fields:
                raise TypeError(f"a {noun.__name__} has other fields than are read here")
        self._answer_type, self._decision_type, self._choice_type = nouns
        self._placement, self._rarer = placement, rarer
        self._size = 16_384
        self._memory = <char*> malloc(self._size)
        if self._memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._memory)

    def response(self, answer not None, bytes tag not None, bytes shared not None, published):
        """A decision_pb2.DecideResponse. `shared`: what many answers have in common, as bytes."""
        sure(answer, self._answer_type)
        cdef Py_ssize_t at, behind
        cdef long long moment = of(answer, A_DECIDED_AT)
        cdef dict known = published.known
        decisions = of(answer, A_DECISIONS)
        self._left = self._size
        for at in range(len(decisions) - 1, -1, -1):
            behind = self._size - self._left
            self._decision(decisions[at], answer, published, known)
            self._length(DECISIONS, behind)
        self._put(shared)
        self._part(SUBJECT_TAG, tag)
        self._varint(<uint64_t> moment)
        self._byte(DECIDED_AT)
        self._part(RECEIPT, of(answer, A_RECEIPT))
        return PyBytes_FromStringAndSize(self._memory + self._left, self._size - self._left)

    cdef int _decision(self, one, answer, published, dict known) except -1:
        cdef Py_ssize_t at, behind, size
        cdef const char* identity
        sure(one, self._decision_type)
        slate = self._ordered(of(one, D_SLATE))
        for at in range(len(slate) - 1, -1, -1):
            behind = self._size - self._left
            self._choice(slate[at], answer, published, known)
            self._length(SLATE, behind)
        self._put(
            self._placement(
                of(one, D_PLACEMENT), of(one, D_REASON), of(one, D_POLICY), of(one, D_TTL_MS), of(one, D_STALE_MS)
            )
        )
        identity = PyUnicode_AsUTF8AndSize(of(one, D_ID), &size)
        behind = self._size - self._left
        self._copy(identity, size)
        self._length(DECISION_ID, behind)

    cdef object _ordered(self, slate):
        """By slot, which is how most were filled."""
        cdef Py_ssize_t at
        cdef int last = -1, slot
        cdef bint sorted_already = True
        for at in range(len(slate)):
            choice = slate[at]
            sure(choice, self._choice_type)
            slot = of(choice, C_SLOT)
            sorted_already = sorted_already and slot > last
            last = slot
        return slate if sorted_already else sorted(slate)

    cdef int _choice(self, choice, answer, published, dict known) except -1:
        cdef int slot = of(choice, C_SLOT), action = of(choice, C_ACTION), reason = of(choice, C_REASON)
        cdef bint own = of(choice, C_CONTENT) is not None
        if not 0 <= slot <= 127 or not 0 <= reason <= 127:
            raise ValueError("a slot or a reason is not below 128")
        remaining, propensity = of(choice, C_REMAINING), of(choice, C_PROPENSITY)
        if own or of(choice, C_STRETCH) or of(choice, C_REASON_TEXT):
            self._put(self._rarer(choice))
        elif remaining is not None:
            self._varint(remaining)
            self._byte(REMAINING)
        self._number(PRIORITY, of(choice, C_PRIORITY))
        self._number(PROBABILITY, of(choice, C_PROBABILITY))
        if propensity is not None:
            self._number(PROPENSITY, propensity)
        found = known.get(~action if own else action)
        self._put(published.of(action, of(answer, A_WORLD).catalogue, own) if found is None else found)
        if reason:
            self._byte(reason)
            self._byte(REASON)
        if slot:
            self._byte(slot)
            self._byte(SLOT)

    cdef int _part(self, unsigned char field, bytes data) except -1:
        cdef Py_ssize_t behind = self._size - self._left
        self._put(data)
        self._length(field, behind)

    cdef int _length(self, unsigned char field, Py_ssize_t behind) except -1:
        """Before what was written since so many bytes were behind."""
        self._varint(self._size - self._left - behind)
        self._byte(field)

    cdef int _number(self, unsigned char field, double number) except -1:
        cdef char[8] written
        PyFloat_Pack8(number, written, 1)
        self._copy(written, 8)
        self._byte(field)

    cdef int _varint(self, uint64_t number) except -1:
        """Seven bits a byte, the lowest first."""
        cdef char[10] written
        cdef int size = 0
        while number > 127:
            written[size] = <char> (number & 127 | 128)
            number >>= 7
            size += 1
        written[size] = <char> number
        self._copy(written, size + 1)

    cdef int _byte(self, unsigned char one) except -1:
        self._copy(<char*> &one, 1)

    cdef int _put(self, bytes data) except -1:
        if data is None:
            raise TypeError("bytes are wanted")
        self._copy(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    cdef inline int _copy(self, const char* data, Py_ssize_t size) except -1:
        if size > self._left:
            self._grow(size)
        self._left -= size
        memcpy(self._memory + self._left, data, size)

    cdef int _grow(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t written = self._size - self._left, size = 2 * self._size + more
        cdef char* memory = <char*> malloc(size)
        if memory == NULL:
            raise MemoryError
        memcpy(memory + size - written, self._memory + self._left, written)
        free(self._memory)
        self._memory, self._size, self._left = memory, size, size - written


cdef inline object of(noun, Py_ssize_t at):
    """The field of one of the nouns that stands there."""
    return <object> PyTuple_GET_ITEM(noun, at)


cdef inline int sure(one, type noun) except -1:
    """So that its fields may be taken by their place."""
    if not PyObject_TypeCheck(one, noun):
        raise TypeError(f"a {noun.__name__} is wanted")

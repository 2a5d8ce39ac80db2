"""Requests for decisions, read from their bytes in one pass into what the pipeline is asked.

Only what is surely good is taken: at whatever is wrong, and at whatever is rare, there is no answer, and the caller
reads the same bytes by protobuf's classes, a way that knows everything and refuses with words.
"""

from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.math cimport isfinite
from libc.stdint cimport uint64_t

from maitred_server.model import Kind

cdef extern from "Python.h":
    ctypedef struct AnyType "PyTypeObject":
        object (*tp_alloc)(type, Py_ssize_t)

    object PyUnicode_DecodeUTF8(const char* text, Py_ssize_t size, const char* errors)
    double PyFloat_Unpack8(const char* data, int little) except? -1.0
    char* PyBytes_AS_STRING(object data)
    Py_ssize_t PyBytes_GET_SIZE(object data)
    object PyBytes_FromStringAndSize(const char* data, Py_ssize_t size)

# As in `rpc.convert` and `rpc.decisions`, where each has its words.
cdef enum:
    NAME_BYTES = 128
    ID_BYTES = 256
    TEXT_BYTES = 1024
    LIST_TEXTS = 64
    LIST_TEXT_BYTES = 256
    MAX_CONTEXT = 64
    MAX_ALIASES = 8
    MAX_PLACEMENTS = 16
    MAX_SLOTS = 50
    MAX_REQUESTS = 256
    KINDS = 4
    SESSION = 4

cdef long long MIN_TIME_MS = -2_208_988_800_000
cdef long long MAX_TIME_MS = 7_258_118_400_000

# What stands before a field's value: its number and how it is written. In a byte of its own there are numbers to 15.
cdef enum:
    REQUEST = 1 << 3 | 2
    SUBJECT = 1 << 3 | 2
    CONTEXT = 2 << 3 | 2
    PLACEMENTS = 3 << 3 | 2
    SUBJECT_KIND = 1 << 3
    SUBJECT_ID = 2 << 3 | 2
    SUBJECT_ALIASES = 3 << 3 | 2
    PLACEMENT = 1 << 3 | 2
    SLOTS = 2 << 3
    ENTRY_KEY = 1 << 3 | 2
    ENTRY_VALUE = 2 << 3 | 2
    TEXT = 1 << 3 | 2
    NUMBER = 2 << 3 | 1
    FLAG = 3 << 3
    TEXTS = 4 << 3 | 2
    TIME_MS = 5 << 3
    LISTED_TEXT = 1 << 3 | 2

cdef tuple ASK = (
    "brand", "subject", "kind", "units", "placements", "aliases", "context", "pending", "at", "overrides"
)


cdef struct Span:
    const unsigned char* at
    const unsigned char* end


cdef class Requests:
    """Reads requests. Of one thread."""

    cdef type _ask_type
    cdef object _pseudonyms
    cdef tuple _kinds
    cdef int _default
    cdef dict _begun  # by brand: a list by kind of what its subjects' keys begin with; see `Pseudonyms.begun`

    def __init__(self, ask, pseudonyms, default_kind):
        """`ask`: the class `Ask`."""
        if ask._fields != ASK:
            raise TypeError("an Ask has other fields than are filled in here")
        self._ask_type = ask
        self._pseudonyms = pseudonyms
        self._default = default_kind
        self._kinds = (None, *(Kind(number) for number in range(1, KINDS + 1)))
        self._begun = {}

    def one(self, bytes data not None, str brand not None):
        """The `Ask` of a DecideRequest; None: it is to be read the other way."""
        cdef Span span = whole(data)
        return self._ask(&span, brand)

    def batch(self, bytes data not None, str brand not None):
        """The `Ask` of each request of a DecideBatchRequest; None: all of it is to be read the other way."""
        cdef Span span = whole(data)
        cdef Span part
        cdef list found = []
        while span.at < span.end:
            if tag(&span) != REQUEST or not within(&span, &part) or len(found) == MAX_REQUESTS:
                return None
            ask = self._ask(&part, brand)
            if ask is None:
                return None
            found.append(ask)
        return found or None

    cdef object _ask(self, Span* span, str brand):
        cdef Span part, who
        cdef bint known = False
        cdef list placements = []
        cdef dict context = {}
        cdef int keys = 0, field
        while span.at < span.end:
            field = tag(span)
            if not within(span, &part):
                return None
            if field == SUBJECT and not known:
                known, who = True, part
            elif field == CONTEXT and keys < MAX_CONTEXT:
                keys += 1
                if not entry(&part, context):
                    return None
            elif field == PLACEMENTS and len(placements) < MAX_PLACEMENTS:
                asked = placement(&part)
                if asked is None:
                    return None
                placements.append(asked)
            else:
                return None
        if not known or not placements or (len(placements) > 1 and repeated(placements)):
            return None
        return self._addressed(&who, brand, placements, context)

    cdef object _addressed(self, Span* span, str brand, list placements, dict context):
        cdef Span part, name
        cdef int kind = self._default, field
        cdef bint kinded = False, named = False
        cdef list others = None
        while span.at < span.end:
            field = tag(span)
            if field == SUBJECT_KIND and not kinded:
                kinded = True
                if not self._kind(span, &kind):
                    return None
            elif field == SUBJECT_ID and not named:
                named = True
                if not within(span, &name):
                    return None
            elif field == SUBJECT_ALIASES:
                others = [] if others is None else others
                if len(others) == MAX_ALIASES or not within(span, &part):
                    return None
                other = self._alias(&part, brand)
                if other is None:
                    return None
                others.append(other)
            else:
                return None
        subject = self._key(brand, kind, &name) if named else None
        if subject is None:
            return None
        units = {self._kinds[kind]: subject}
        aliases = ()
        if others is not None:
            for other in others:
                units.setdefault(other[0], other[1])
            if kind != SESSION:
                aliases = tuple(others)
        return self._made((brand, subject, self._kinds[kind], units, placements, aliases, context, (), None, {}))

    cdef object _made(self, tuple values):
        """An `Ask`, without the function that its class makes one by."""
        cdef Py_ssize_t at
        made = (<AnyType*> self._ask_type).tp_alloc(self._ask_type, len(values))
        for at in range(len(values)):
            one = values[at]
            Py_INCREF(one)
            PyTuple_SET_ITEM(made, at, one)
        return made

    cdef object _alias(self, Span* span, str brand):
        cdef Span name
        cdef int kind = self._default, field
        cdef bint kinded = False, named = False
        while span.at < span.end:
            field = tag(span)
            if field == SUBJECT_KIND and not kinded:
                kinded = True
                if not self._kind(span, &kind):
                    return None
            elif field == SUBJECT_ID and not named:
                named = True
                if not within(span, &name):
                    return None
            else:
                return None
        key = self._key(brand, kind, &name) if named else None
        return None if key is None else (self._kinds[kind], key)

    cdef bint _kind(self, Span* span, int* kind):
        cdef uint64_t number
        if not varint(span, &number) or number > KINDS:
            return False
        kind[0] = <int> number if number else self._default
        return True

    cdef object _key(self, str brand, int kind, Span* name):
        """The subject's key; None: the id is not as it should be."""
        cdef Py_ssize_t size = name.end - name.at
        if not 0 < size <= ID_BYTES or (not is_ascii(name) and text(name) is None):
            return None
        kinds = self._begun.get(brand)
        if kinds is None:
            kinds = self._begun[brand] = [None if one is None else self._pseudonyms.begun(brand, one) for one in self._kinds]
        prefix, begun = (<list> kinds)[kind]
        digest = begun.copy()
        digest.update(PyBytes_FromStringAndSize(<const char*> name.at, size))
        return <bytes> prefix + <bytes> digest.digest()


cdef bint repeated(list placements):
    return len({asked[0] for asked in placements}) < len(placements)


cdef object placement(Span* span):
    """Name and slots; None: not as they should be."""
    cdef Span part
    cdef uint64_t slots = 0
    cdef bint counted = False
    cdef int field
    asked = None
    while span.at < span.end:
        field = tag(span)
        if field == PLACEMENT and asked is None:
            if not within(span, &part):
                return None
            asked = name_of(&part)
            if asked is None:
                return None
        elif field == SLOTS and not counted:
            counted = True
            if not varint(span, &slots) or slots > MAX_SLOTS:
                return None
        else:
            return None
    return None if asked is None else (asked, <int> slots)


cdef bint entry(Span* span, dict context):
    """Put a key and its value into the context; of two of a key the last counts. False: not as they should be."""
    cdef Span key, part
    cdef bint keyed = False, valued = False
    cdef int field
    while span.at < span.end:
        field = tag(span)
        if field == ENTRY_KEY and not keyed:
            keyed = within(span, &key)
            if not keyed:
                return False
        elif field == ENTRY_VALUE and not valued:
            valued = within(span, &part)
            if not valued:
                return False
        else:
            return False
    if not keyed or not valued:
        return False
    name, value = name_of(&key), value_of(&part)
    if name is None or value is None:
        return False
    context[name] = value
    return True


cdef object value_of(Span* span):
    """A typed value, of which exactly one member is set; None: it is not as it should be."""
    cdef Span part
    cdef uint64_t number
    cdef long long moment
    cdef double real
    cdef int field = tag(span)
    if field == TEXT or field == TEXTS:
        if not within(span, &part) or span.at < span.end:
            return None
        if field == TEXTS:
            return texts(&part)
        return text(&part) if part.end - part.at <= TEXT_BYTES else None
    if field == NUMBER:
        if span.end - span.at != 8:
            return None
        real = PyFloat_Unpack8(<const char*> span.at, 1)
        return real if isfinite(real) else None
    if (field != FLAG and field != TIME_MS) or not varint(span, &number) or span.at < span.end:
        return None
    if field == FLAG:
        return number != 0
    moment = <long long> (number >> 1) ^ -<long long> (number & 1)
    return moment if MIN_TIME_MS <= moment < MAX_TIME_MS else None


cdef object texts(Span* span):
    cdef Span part
    cdef list found = []
    while span.at < span.end:
        if tag(span) != LISTED_TEXT or not within(span, &part) or len(found) == LIST_TEXTS:
            return None
        one = text(&part) if part.end - part.at <= LIST_TEXT_BYTES else None
        if one is None:
            return None
        found.append(one)
    return tuple(found)


cdef object name_of(Span* span):
    """A name without control characters; None: it is none."""
    cdef const unsigned char* at = span.at
    if not 0 < span.end - span.at <= NAME_BYTES:
        return None
    while at < span.end:
        if at[0] < 0x20 or at[0] == 0x7F:
            return None
        at += 1
    return text(span)


cdef object text(Span* span):
    """None: it is not UTF-8."""
    try:
        return PyUnicode_DecodeUTF8(<const char*> span.at, span.end - span.at, NULL)
    except UnicodeDecodeError:
        return None


cdef bint is_ascii(Span* span):
    cdef const unsigned char* at = span.at
    while at < span.end:
        if at[0] > 0x7F:
            return False
        at += 1
    return True


cdef Span whole(bytes data):
    cdef Span span
    span.at = <const unsigned char*> PyBytes_AS_STRING(data)
    span.end = span.at + PyBytes_GET_SIZE(data)
    return span


cdef inline int tag(Span* span):
    """What stands before the next field, when it is one byte; -1: nothing, or more than one byte."""
    cdef int found
    if span.at >= span.end or span.at[0] > 0x7F:
        return -1
    found = span.at[0]
    span.at += 1
    return found


cdef inline bint varint(Span* span, uint64_t* number, int bits=63):
    """A whole number of so many bits: seven a byte, the lowest first."""
    cdef int shift = 0
    cdef unsigned char one
    number[0] = 0
    while span.at < span.end and shift < bits:
        one = span.at[0]
        span.at += 1
        number[0] |= <uint64_t> (one & 0x7F) << shift
        if one < 0x80:
            return True
        shift += 7
    return False


cdef inline bint within(Span* span, Span* part):
    """The bytes of the next value, which begins with their number."""
    cdef uint64_t size
    if not varint(span, &size, 21) or size > <uint64_t> (span.end - span.at):
        return False
    part.at = span.at
    part.end = span.at + size
    span.at = part.end
    return True

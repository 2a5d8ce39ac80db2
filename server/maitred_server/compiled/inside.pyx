"""A filter of Envoy's that answers gRPC calls on the thread that reads the connection: no other is woken.

Envoy loads this library as a dynamic module, and Python imports the same one: what it is told here, the filter does.
What `answer_by` does not name goes on to the next filter, as does everything before it was called.
The functions that Envoy calls and those that it offers are of its ABI of dynamic modules, v0.1.0.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from cpython.pystate cimport PyThreadState
from cpython.ref cimport Py_XINCREF
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy

cdef extern from "<dlfcn.h>" nogil:
    void* RTLD_DEFAULT
    void* dlsym(void* handle, const char* symbol)

cdef extern from "<stdbool.h>" nogil:
    ctypedef bint c_bool "bool"

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct timespec:
        time_t tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* now)

cdef extern from "Python.h" nogil:
    int PyGILState_Ensure()
    PyThreadState* PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState* state)

cdef enum:
    REQUEST_HEADERS = 0
    RECEIVED_BODY = 0
    GO_ON = 0
    STOP = 1  # of headers and of trailers
    STOP_AND_DROP = 3  # of a body
    MOST_HEADERS = 64
    MOST_PATHS = 8
    MOST_SAID = 8
    FEW = 8
    PREFIX = 5
    FEW_BYTES = 65536

cdef public struct Buffer:
    const char* data
    size_t length

cdef struct Header:
    const char* name
    size_t name_length
    const char* value
    size_t value_length

cdef struct Call:
    int path  # -1: not ours
    int open  # it waits for its message
    double since
    char* kept  # what has come of the message
    size_t length

cdef struct Said:
    char* data
    size_t size  # of the memory
    size_t length
    int status_headers  # 0: a message; -1: nothing
    Header headers[MOST_SAID]

cdef size_t (*headers_size)(void*, int) noexcept nogil
cdef c_bool (*get_headers)(void*, int, Header*) noexcept nogil
cdef size_t (*body_size)(void*, int) noexcept nogil
cdef size_t (*chunks_size)(void*, int) noexcept nogil
cdef c_bool (*get_chunks)(void*, int, Buffer*) noexcept nogil
cdef void (*send_headers)(void*, Header*, size_t, c_bool) noexcept nogil
cdef void (*send_data)(void*, Buffer, c_bool) noexcept nogil
cdef void (*send_trailers)(void*, Header*, size_t) noexcept nogil

# Nothing here is given a value: importing would do that, and Envoy may have written before. All begin as zero.
# Written by Python with the GIL, read by Envoy's one thread of the network: `paths_` is set before `paths_there`.
cdef PyObject* serve_
cdef PyObject* paths_
cdef int paths_there
cdef Buffer path_of[MOST_PATHS]
cdef size_t most_bytes
cdef Py_ssize_t most_calls
cdef int closed
# Of that thread alone.
cdef Py_ssize_t open_calls
cdef PyThreadState* state
cdef Said said
cdef int loaded


def within_envoy():
    """Whether Envoy has this library, the very same, as a filter."""
    return loaded != 0


def answer_by(serve, tuple paths not None, Py_ssize_t calls, size_t size):
    """From now on `serve` answers the gRPC calls of these paths, at most eight.

    serve(path, body, whole, headers, waited_s) gives the answer's bytes, or a list of at most seven headers that say a
    status. `whole`: the body is one plain message, whose frame was taken off. `headers` has what there is of the key,
    the encoding, and a timeout that has passed or cannot be read. `body` is None when more than `calls` wait for their
    messages, or after `close`: there must be a refusal then. A body of more than `size` bytes is given as it is so far.
    """
    global serve_, paths_, paths_there, most_calls, most_bytes
    cdef int number
    if paths_there or len(paths) > MOST_PATHS:
        raise ValueError("once, with at most eight paths")
    for number in range(len(paths)):
        path = <bytes?> paths[number]
        path_of[number].data = PyBytes_AS_STRING(path)
        path_of[number].length = PyBytes_GET_SIZE(path)
    Py_XINCREF(<PyObject*> serve)
    Py_XINCREF(<PyObject*> paths)
    serve_, paths_, most_calls, most_bytes = <PyObject*> serve, <PyObject*> paths, calls, size
    paths_there = len(paths)


def close():
    """Begin no more calls."""
    global closed
    closed = 1


def waiting():
    """How many calls wait for their messages."""
    return open_calls


# What Envoy calls.


cdef public const char* envoy_dynamic_module_on_program_init() noexcept nogil:
    return "v0.1.0"


cdef public const void* envoy_dynamic_module_on_http_filter_config_new(void* host, Buffer name, Buffer config) noexcept nogil:
    global headers_size, get_headers, body_size, chunks_size, get_chunks, send_headers, send_data, send_trailers, loaded
    headers_size = <size_t (*)(void*, int) noexcept nogil> offered("envoy_dynamic_module_callback_http_get_headers_size")
    get_headers = <c_bool (*)(void*, int, Header*) noexcept nogil> offered("envoy_dynamic_module_callback_http_get_headers")
    body_size = <size_t (*)(void*, int) noexcept nogil> offered("envoy_dynamic_module_callback_http_get_body_size")
    chunks_size = <size_t (*)(void*, int) noexcept nogil> offered("envoy_dynamic_module_callback_http_get_body_chunks_size")
    get_chunks = <c_bool (*)(void*, int, Buffer*) noexcept nogil> offered("envoy_dynamic_module_callback_http_get_body_chunks")
    send_headers = <void (*)(void*, Header*, size_t, c_bool) noexcept nogil> offered(
        "envoy_dynamic_module_callback_http_send_response_headers"
    )
    send_data = <void (*)(void*, Buffer, c_bool) noexcept nogil> offered("envoy_dynamic_module_callback_http_send_response_data")
    send_trailers = <void (*)(void*, Header*, size_t) noexcept nogil> offered(
        "envoy_dynamic_module_callback_http_send_response_trailers"
    )
    if (
        headers_size == NULL or get_headers == NULL or body_size == NULL or chunks_size == NULL
        or get_chunks == NULL or send_headers == NULL or send_data == NULL or send_trailers == NULL
    ):
        return NULL  # Envoy does not start then
    loaded = 1
    return &loaded


cdef void* offered(const char* name) noexcept nogil:
    return dlsym(RTLD_DEFAULT, name)


cdef public void envoy_dynamic_module_on_http_filter_config_destroy(const void* config) noexcept nogil:
    pass


cdef public const void* envoy_dynamic_module_on_http_filter_new(const void* config, void* host) noexcept nogil:
    cdef Call* call = <Call*> malloc(sizeof(Call))
    if call != NULL:
        call.path, call.open, call.kept, call.length = -1, 0, NULL, 0
    return call


cdef public void envoy_dynamic_module_on_http_filter_destroy(const void* filter) noexcept nogil:
    ended(<Call*> filter)
    free((<Call*> filter).kept)
    free(<void*> filter)


cdef public int envoy_dynamic_module_on_http_filter_request_headers(void* host, const void* filter, c_bool end) noexcept nogil:
    global open_calls
    cdef Call* call = <Call*> filter
    call.path = asked(host)
    if call.path < 0:
        return GO_ON
    call.since = now()
    call.open = 1
    open_calls += 1
    if closed or open_calls > most_calls:
        answer(host, call, 0, 1)
    elif end:
        answer(host, call, 0, 0)
    return STOP


cdef public int envoy_dynamic_module_on_http_filter_request_body(void* host, const void* filter, c_bool end) noexcept nogil:
    cdef Call* call = <Call*> filter
    if call.path < 0:
        return GO_ON
    if call.open and (end or not keep(host, call)):
        answer(host, call, end, 0)
    return STOP_AND_DROP


cdef public int envoy_dynamic_module_on_http_filter_request_trailers(void* host, const void* filter) noexcept nogil:
    cdef Call* call = <Call*> filter
    if call.path < 0:
        return GO_ON
    if call.open:
        answer(host, call, 0, 0)
    return STOP


cdef public int envoy_dynamic_module_on_http_filter_response_headers(void* host, const void* filter, c_bool end) noexcept nogil:
    return GO_ON


cdef public int envoy_dynamic_module_on_http_filter_response_body(void* host, const void* filter, c_bool end) noexcept nogil:
    return GO_ON


cdef public int envoy_dynamic_module_on_http_filter_response_trailers(void* host, const void* filter) noexcept nogil:
    return GO_ON


cdef public void envoy_dynamic_module_on_http_filter_stream_complete(void* host, const void* filter) noexcept nogil:
    ended(<Call*> filter)


# Events that Envoy wants to be told to somebody, and that this filter never causes. Nothing is read of what they bring.


cdef public void envoy_dynamic_module_on_http_filter_scheduled() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_config_scheduled() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_http_callout_done() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_http_stream_headers() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_http_stream_data() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_http_stream_trailers() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_http_stream_complete() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_http_stream_reset() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_config_http_callout_done() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_config_http_stream_headers() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_config_http_stream_data() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_config_http_stream_trailers() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_config_http_stream_complete() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_config_http_stream_reset() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark() noexcept nogil:
    pass


cdef public void envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark() noexcept nogil:
    pass


# What is ours.


cdef void ended(Call* call) noexcept nogil:
    """Once for each call: answered, or the client is gone."""
    global open_calls
    if call.open:
        call.open = 0
        open_calls -= 1


cdef double now() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec + at.tv_nsec * 1e-9


cdef bint equal(const char* data, size_t length, const char* word, size_t word_length) noexcept nogil:
    return length == word_length and memcmp(data, word, length) == 0


cdef int asked(void* host) noexcept nogil:
    """Which of the paths a gRPC call asks for; -1: none of them."""
    cdef Header found[MOST_HEADERS]
    cdef size_t count = headers_size(host, REQUEST_HEADERS), number
    cdef int path = -1, posted = 0, grpc = 0, one
    if paths_there == 0 or count > MOST_HEADERS or not get_headers(host, REQUEST_HEADERS, found):
        return -1
    for number in range(count):
        header = &found[number]
        if equal(header.name, header.name_length, ":path", 5):
            for one in range(paths_there):
                if equal(header.value, header.value_length, path_of[one].data, path_of[one].length):
                    path = one
        elif equal(header.name, header.name_length, ":method", 7):
            posted = equal(header.value, header.value_length, "POST", 4)
        elif equal(header.name, header.name_length, "content-type", 12):
            grpc = (
                equal(header.value, header.value_length, "application/grpc", 16)
                or equal(header.value, header.value_length, "application/grpc+proto", 22)
            )
    return path if posted and grpc else -1


cdef void enter() noexcept nogil:
    """Take the GIL, with a state that this thread keeps."""
    global state
    if state == NULL:
        PyGILState_Ensure()
    else:
        PyEval_RestoreThread(state)


cdef void leave() noexcept nogil:
    global state
    state = PyEval_SaveThread()


cdef void answer(void* host, Call* call, int received, int refused) noexcept nogil:
    """`received`: a part of the body has just come. What Python says is sent without the GIL."""
    said.status_headers = -1
    enter()
    with gil:
        try:
            ask(host, call, received, refused)
        except BaseException:
            PyErr_Clear()
    leave()
    ended(call)
    send(host)  # after this there may be neither call nor host


cdef int ask(void* host, Call* call, int received, int refused) except -1:
    """Ask Python, and write down what it says."""
    cdef double waited = now() - call.since
    cdef bint whole = False
    body = None if refused else body_of(host, call, received, &whole)
    answered = (<object> serve_)((<tuple> paths_)[call.path], body, whole, headers_of(host, waited), waited)
    if type(answered) is bytes:
        write_message(<bytes> answered)
    else:
        write_status(<list?> answered)
    return 0


cdef dict headers_of(void* host, double waited):
    cdef Header found[MOST_HEADERS]
    cdef Header* one
    cdef size_t count = headers_size(host, REQUEST_HEADERS), number
    cdef dict known = {}
    if count > MOST_HEADERS or not get_headers(host, REQUEST_HEADERS, found):
        return known
    for number in range(count):
        one = &found[number]
        if equal(one.name, one.name_length, "grpc-timeout", 12):
            if waited < seconds_of(one.value, one.value_length):
                continue
            known[b"grpc-timeout"] = PyBytes_FromStringAndSize(one.value, one.value_length)
        elif equal(one.name, one.name_length, "authorization", 13):
            known[b"authorization"] = PyBytes_FromStringAndSize(one.value, one.value_length)
        elif equal(one.name, one.name_length, "grpc-encoding", 13):
            known[b"grpc-encoding"] = PyBytes_FromStringAndSize(one.value, one.value_length)
    return known


cdef double seconds_of(const char* timeout, size_t length) noexcept nogil:
    """As gRPC writes a timeout: at most eight digits and a unit; -1: it does not read like one."""
    cdef double seconds = 0.0
    cdef size_t at
    if not 2 <= length <= 9:
        return -1.0
    for at in range(length - 1):
        if not c"0" <= timeout[at] <= c"9":
            return -1.0
        seconds = seconds * 10.0 + (timeout[at] - c"0")
    if timeout[length - 1] == c"m":
        return seconds * 1e-3
    if timeout[length - 1] == c"u":
        return seconds * 1e-6
    return seconds if timeout[length - 1] == c"S" else -1.0  # other units are rare


cdef bytes body_of(void* host, Call* call, int received, bint* whole):
    """What came before and was kept, and what has just come: the one plain message of a body, or all of the body."""
    cdef size_t size = body_size(host, RECEIVED_BODY) if received else 0, length = call.length + size
    cdef bytes large = PyBytes_FromStringAndSize(NULL, length) if length > FEW_BYTES else None
    cdef char* data = room(length) if large is None else PyBytes_AS_STRING(large)
    cdef const unsigned char* prefix = <const unsigned char*> data
    memcpy(data, call.kept, call.length)
    if not copy_received(host, data + call.length, size):
        raise MemoryError
    if large is not None:
        return large
    whole[0] = PREFIX <= length <= most_bytes and prefix[0] == 0 and length - PREFIX == (
        <size_t> prefix[1] << 24 | <size_t> prefix[2] << 16 | <size_t> prefix[3] << 8 | prefix[4]
    )
    if whole[0]:
        return PyBytes_FromStringAndSize(data + PREFIX, length - PREFIX)
    return PyBytes_FromStringAndSize(data, length)


cdef int keep(void* host, Call* call) noexcept nogil:
    """Keep a part of a body. 0: there is too much of it, or no memory."""
    cdef size_t size = body_size(host, RECEIVED_BODY)
    cdef char* kept = <char*> realloc(call.kept, call.length + size + 1)
    if kept == NULL:
        return 0
    call.kept = kept
    if not copy_received(host, kept + call.length, size):
        return 0
    call.length += size
    return call.length <= most_bytes


cdef int copy_received(void* host, char* to, size_t size) noexcept nogil:
    """The `size` bytes that have just come. 0: no memory."""
    cdef Buffer few[FEW]
    cdef Buffer* chunks = &few[0]
    cdef size_t count = chunks_size(host, RECEIVED_BODY) if size else 0, number, length
    if count > FEW:
        chunks = <Buffer*> malloc(count * sizeof(Buffer))
        if chunks == NULL:
            return 0
    if count and get_chunks(host, RECEIVED_BODY, chunks):
        for number in range(count):
            length = min(chunks[number].length, size)
            memcpy(to, chunks[number].data, length)
            to += length
            size -= length
    if chunks != &few[0]:
        free(chunks)
    return size == 0


cdef char* room(size_t size) except NULL:
    """Memory of this size at least, kept from call to call."""
    cdef char* data = said.data
    if said.size < size:
        data = <char*> realloc(data, size)
        if data == NULL:
            raise MemoryError
        said.data, said.size = data, size
    return data


cdef int write_message(bytes message) except -1:
    """A message as a frame: its length before it."""
    cdef size_t length = PyBytes_GET_SIZE(message)
    cdef char* data = room(PREFIX + length)
    data[0] = 0
    data[1], data[2] = <char> (length >> 24), <char> (length >> 16)
    data[3], data[4] = <char> (length >> 8), <char> length
    memcpy(data + PREFIX, PyBytes_AS_STRING(message), length)
    said.length, said.status_headers = PREFIX + length, 0
    return 0


cdef int write_status(list headers) except -1:
    """A status alone, as headers."""
    cdef bytes name, value
    cdef size_t size = 0, number
    if len(headers) >= MOST_SAID:
        raise ValueError
    for name, value in headers:
        size += PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value)
    data = room(size)
    for number in range(<size_t> len(headers)):
        name, value = headers[number]
        said.headers[number + 1] = header(data, PyBytes_GET_SIZE(name), data + PyBytes_GET_SIZE(name), PyBytes_GET_SIZE(value))
        memcpy(data, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        data += PyBytes_GET_SIZE(name)
        memcpy(data, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        data += PyBytes_GET_SIZE(value)
    said.status_headers = len(headers)
    return 0


cdef void send(void* host) noexcept nogil:
    cdef Header ending
    cdef Buffer message
    said.headers[0] = header(":status", 7, "200", 3)
    if said.status_headers > 0:
        send_headers(host, said.headers, 1 + said.status_headers, True)
        return
    said.headers[1] = header("content-type", 12, "application/grpc", 16)
    if said.status_headers < 0:  # a defect: Python said nothing that can be sent
        said.headers[2] = header("grpc-status", 11, "13", 2)
        send_headers(host, said.headers, 3, True)
        return
    message.data, message.length = said.data, said.length
    ending = header("grpc-status", 11, "0", 1)
    send_headers(host, said.headers, 2, False)
    send_data(host, message, False)
    send_trailers(host, &ending, 1)


cdef Header header(const char* name, size_t name_length, const char* value, size_t value_length) noexcept nogil:
    cdef Header made
    made.name, made.name_length, made.value, made.value_length = name, name_length, value, value_length
    return made

"""Unary gRPC calls, taken apart here: a frame comes in, a frame and trailers go out.

Nothing of a call is a task or a coroutine: the body's arrival is the callback in which it is answered.
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import quote

from maitred_server.errors import DeadlinePassed, InvalidRequest, TooLarge
from maitred_server.rpc.access import Access
from maitred_server.rpc.calls import UnderWay, refusal
from maitred_server.rpc.envoy.bootstrap import MOST_BYTES
from maitred_server.rpc.handlers import Handlers
from maitred_server.rpc.status import Status
from maitred_server.telemetry import Telemetry

PREFIX: Final = 5  # one byte: compressed or not; four: how long
CONTENT_TYPES: Final = frozenset({b"application/grpc", b"application/grpc+proto"})
_UNITS: Final = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "S": 1.0, "M": 60.0, "H": 3600.0}
_WINDOWS: Final = {b"gzip": 31, b"deflate": 15}  # as zlib names the formats
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")  # what a status message may hold as it is

_BEGIN: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/grpc")],
    "trailers": True,
}
_END: Final = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")], "more_trailers": False}
_NOTHING: Final = {"type": "http.response.body", "body": b"", "more_body": False}

Headers = Mapping[bytes, bytes]
Send = Callable[[dict[str, Any]], object]


class Arriving(Protocol):
    """What `receive` gives: a future of an event."""

    def result(self) -> Mapping[str, Any]: ...

    def add_done_callback(self, callback: Callable[[Arriving], object]) -> object: ...


Receive = Callable[[], Arriving]


class Call:
    """One call that waits for its message."""

    __slots__ = ("headers", "name", "parts", "receive", "send", "since")

    def __init__(self, name: str, headers: Headers, receive: Receive, send: Send) -> None:
        self.name = name
        self.headers = headers
        self.receive = receive
        self.send = send
        self.parts = b""
        self.since = time.monotonic()


class Framed:
    """Answers calls whose handlers do not wait."""

    def __init__(self, handlers: Handlers, access: Access, telemetry: Telemetry, under_way: UnderWay) -> None:
        self._handlers = handlers
        self._access = access
        self._telemetry = telemetry
        self._under_way = under_way

    def begin(self, name: str, headers: Headers, receive: Receive, send: Send) -> None:
        """Take a call up; it is answered when its message is there."""
        call = Call(name, headers, receive, send)
        try:
            self._under_way.enter()
            self._read(call)
        except Exception as error:  # noqa: BLE001 - every error gets a status
            self._refuse(call, error)

    def _read(self, call: Call) -> None:
        call.receive().add_done_callback(partial(self._arrived, call))

    def _arrived(self, call: Call, event: Arriving) -> None:
        try:
            part = event.result()
            if part["type"] != "http.request":
                self._under_way.leave()  # the client is gone
            elif part["more_body"]:
                _keep(call, part["body"])
                self._read(call)
            else:
                self._answer(call, call.parts + part["body"] if call.parts else part["body"])
        except Exception as error:  # noqa: BLE001
            self._refuse(call, error)

    def _answer(self, call: Call, body: bytes) -> None:
        headers = call.headers
        authorization = headers.get(b"authorization")
        caller = self._access.caller(None if authorization is None else authorization.decode("latin-1"))
        if (timeout := headers.get(b"grpc-timeout")) is not None and passed(timeout, call.since):
            raise DeadlinePassed("the deadline passed before the call was begun")
        answer = self._handlers.call(call.name, message(body, headers), caller)
        assert isinstance(answer, bytes)
        call.send(_BEGIN)
        call.send({"type": "http.response.body", "body": b"\0" + len(answer).to_bytes(4, "big") + answer})
        call.send(_END)
        self._under_way.leave()

    def _refuse(self, call: Call, error: Exception) -> None:
        """The status alone, as headers."""
        status = refusal(call.name, error)
        self._telemetry.refused(status.code)
        call.send({"type": "http.response.start", "status": 200, "headers": told(status)})
        call.send(_NOTHING)
        self._under_way.leave()


def _keep(call: Call, part: bytes) -> None:
    call.parts += part
    if len(call.parts) > MOST_BYTES + PREFIX:
        raise TooLarge(f"the message has more than {MOST_BYTES} bytes")


def told(status: Status) -> list[tuple[bytes, bytes]]:
    """The headers that say a status."""
    return [
        (b"content-type", b"application/grpc"),
        (b"grpc-status", str(status.code).encode()),
        (b"grpc-message", quote(status.message, safe=_PLAIN).encode()),
        (b"grpc-status-details-bin", base64.b64encode(status.details).rstrip(b"=")),
    ]


def passed(timeout: bytes, since: float) -> bool:
    """Whether a deadline passed. `timeout`: as in `grpc-timeout`, digits and a unit; `since`: monotonic seconds.

    Raises InvalidRequest.
    """
    digits, unit = timeout[:-1].decode("latin-1"), timeout[-1:].decode("latin-1")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 8 and unit in _UNITS):
        raise InvalidRequest("grpc-timeout must be at most 8 digits and one of H, M, S, m, u, n")
    return time.monotonic() - since >= int(digits) * _UNITS[unit]


def message(body: bytes, headers: Headers) -> bytes:
    """The one message of a body. Raises InvalidRequest, TooLarge."""
    if len(body) < PREFIX or int.from_bytes(body[1:PREFIX], "big") != len(body) - PREFIX:
        raise InvalidRequest("the body must be one gRPC frame: a flag, four bytes of length, and a message")
    if not body[0]:
        return body[PREFIX:]
    return unpacked(body[PREFIX:], headers.get(b"grpc-encoding", b"identity"))


def unpacked(data: bytes, encoding: bytes) -> bytes:
    """A compressed message, made whole again. Raises InvalidRequest, TooLarge."""
    window = _WINDOWS.get(encoding)
    if window is None:
        raise InvalidRequest("grpc-encoding must be gzip, deflate or identity")
    unpacker = zlib.decompressobj(window)
    try:
        whole = unpacker.decompress(data, MOST_BYTES)
    except zlib.error:
        raise InvalidRequest("the message is not compressed as grpc-encoding says") from None
    if unpacker.unconsumed_tail:
        raise TooLarge(f"the message has more than {MOST_BYTES} bytes")
    if not unpacker.eof:
        raise InvalidRequest("the compressed message ends too early")
    return whole

"""Unary gRPC calls, taken apart here: a frame comes in, a message or the headers of a status go out."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from maitred_server.errors import DeadlinePassed, InvalidRequest, TooLarge
from maitred_server.rpc.access import Access
from maitred_server.rpc.calls import refusal
from maitred_server.rpc.envoy.bootstrap import MOST_BYTES
from maitred_server.rpc.status import Status
from maitred_server.rpc.turns import Turns
from maitred_server.telemetry import Telemetry

PREFIX: Final = 5  # one byte: compressed or not; four: how long
CONTENT_TYPES: Final = frozenset({b"application/grpc", b"application/grpc+proto"})
_UNITS: Final = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "S": 1.0, "M": 60.0, "H": 3600.0}
_WINDOWS: Final = {b"gzip": 31, b"deflate": 15}  # as zlib names the formats
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")  # what a status message may hold as it is

Headers = Mapping[bytes, bytes]


class Framed:
    """Answers calls whose handlers do not wait."""

    def __init__(self, turns: Turns, access: Access, telemetry: Telemetry) -> None:
        self._turns = turns
        self._access = access
        self._telemetry = telemetry

    def answer(self, name: str, body: bytes, headers: Headers, since: float, whole: bool = False) -> bytes:
        """The answer's message. `since`: when the call came, monotonic seconds; `whole`: the body is a message without
        a frame. Raises what `refuse` takes.
        """
        authorization = headers.get(b"authorization")
        caller = self._access.caller(None if authorization is None else authorization.decode("latin-1"))
        if (timeout := headers.get(b"grpc-timeout")) is not None and passed(timeout, since):
            raise DeadlinePassed("the deadline passed before the call was begun")
        answer = self._turns.call(name, body if whole else message(body, headers), caller)
        assert isinstance(answer, bytes)
        return answer

    def refuse(self, name: str, error: Exception) -> list[tuple[bytes, bytes]]:
        """The headers that say why a call was not answered."""
        status = refusal(name, error)
        self._telemetry.refused(status.code)
        return told(status)


def check_size(body: bytes) -> None:
    """Raises TooLarge."""
    if len(body) > MOST_BYTES + PREFIX:
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
    check_size(body)
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

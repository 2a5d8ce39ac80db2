"""Unary gRPC calls as ASGI brings them, where nothing was compiled.

Nothing of a call is a task or a coroutine: the body's arrival is the callback in which it is answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from maitred_server.rpc.calls import UnderWay
from maitred_server.rpc.envoy.framed import Framed, Headers, check_size

_BEGIN: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/grpc")],
    "trailers": True,
}
_END: Final = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")], "more_trailers": False}
_NOTHING: Final = {"type": "http.response.body", "body": b"", "more_body": False}

Send = Callable[[dict[str, Any]], object]


class Event(Protocol):
    """What `receive` gives: a future of an event."""

    def result(self) -> Mapping[str, Any]: ...

    def add_done_callback(self, callback: Callable[[Event], object]) -> object: ...


Receive = Callable[[], Event]


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


class Arriving:
    """Collects the messages of calls, and sends the answers."""

    def __init__(self, framed: Framed, under_way: UnderWay) -> None:
        self._framed = framed
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
        event = call.receive()
        if hasattr(event, "add_done_callback"):
            event.add_done_callback(partial(self._arrived, call))
        else:  # pyvoy's, of a call that ended with its headers
            self._answer(call, b"")

    def _arrived(self, call: Call, event: Event) -> None:
        try:
            part = event.result()
            if part["type"] != "http.request":
                self._under_way.leave()  # the client is gone
            elif part["more_body"]:
                call.parts += part["body"]
                check_size(call.parts)
                self._read(call)
            else:
                self._answer(call, call.parts + part["body"] if call.parts else part["body"])
        except Exception as error:  # noqa: BLE001
            self._refuse(call, error)

    def _answer(self, call: Call, body: bytes) -> None:
        answer = self._framed.answer(call.name, body, call.headers, call.since)
        call.send(_BEGIN)
        call.send({"type": "http.response.body", "body": b"\0" + len(answer).to_bytes(4, "big") + answer})
        call.send(_END)
        self._under_way.leave()

    def _refuse(self, call: Call, error: Exception) -> None:
        """The status alone, as headers."""
        call.send({"type": "http.response.start", "status": 200, "headers": self._framed.refuse(call.name, error)})
        call.send(_NOTHING)
        self._under_way.leave()

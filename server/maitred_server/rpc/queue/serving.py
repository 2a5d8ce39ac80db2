"""gRPC's server and its completion queue, and the thread that serves it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, TypeAlias

import structlog

from maitred_server.telemetry import frames

KNOWN_GRPCIO: Final = frozenset({"1.85"})  # releases that were tried without another thread for reading and writing


def without_another_thread(release: str) -> None:
    """Let the queue's thread wait, read and write itself, from when gRPC is begun to be used. Only in releases that
    know the name: others would tell standard error that they do not.
    """
    if ".".join(release.split(".")[:2]) in KNOWN_GRPCIO:
        os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")


with contextlib.suppress(PackageNotFoundError):
    without_another_thread(version("grpcio"))

try:
    from grpc._cython import cygrpc as _cygrpc  # type: ignore[attr-defined]
except ImportError:
    _cygrpc = None

_NEEDED: Final = (
    "CompletionQueue",
    "ReceiveCloseOnServerOperation",
    "ReceiveMessageOperation",
    "SendInitialMetadataOperation",
    "SendMessageOperation",
    "SendStatusFromServerOperation",
    "Server",
)
NO_FLAGS: Final = 0
NOTHING: Final = ()  # no metadata
STARTED: Final = 0  # what a batch of operations that could be started says

cygrpc: Final[Any] = _cygrpc
Event: TypeAlias = Any  # of a completion queue
Call: TypeAlias = Any  # what operations are started on
Done: TypeAlias = Callable[[Event], object]  # called on the queue's thread

log = structlog.get_logger()


def available() -> bool:
    """Whether this release of grpcio has what this front is made of."""
    return cygrpc is not None and all(hasattr(cygrpc, name) for name in _NEEDED)


class Serving:
    """Begins calls on a thread of its own. `begin`: told of each call; like all that it starts, it must not raise."""

    def __init__(self, options: Sequence[tuple[str, int]], begin: Done) -> None:
        self._begin = begin
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple((name.encode(), value) for name, value in options), False)
        self._server.register_completion_queue(self._queue)
        self._turning = threading.Lock()  # one at a time asks for calls, stops, cancels, or takes the server down
        self._asked = False  # for the next call
        self._stopping = False
        self._shut = False
        self.ended = threading.Event()

    def bind(self, address: str) -> int:
        """Take a port; 0: it cannot be had."""
        return int(self._server.add_http2_port(address.encode()))

    def start(self) -> None:
        """Take calls from now on."""
        self._server.start()
        self._ask()
        threading.Thread(target=self._serve, name="calls", daemon=True).start()

    def shut_down(self) -> None:
        """Take no more calls; `ended` is set when those under way have ended, and the server is no more."""
        with self._turning:
            self._stopping = True
            self._server.shutdown(self._queue, self._emptied)

    def cancel_all(self) -> None:
        """End the calls that are under way, after `shut_down`."""
        with self._turning:
            if not self.ended.is_set():
                self._server.cancel_all_calls()

    def _ask(self) -> None:
        with self._turning:
            self._asked = not self._stopping
            if self._asked:
                self._server.request_call(self._queue, self._queue, self._came)

    def _came(self, event: Event) -> None:
        self._asked = False
        if event.success:
            self._ask()
            self._begin(event)

    def _emptied(self, event: Event) -> None:
        self._shut = True

    def _serve(self) -> None:
        while self._asked or not self._shut:
            event = None  # the one before may hold the last reference to a call, without which a stop does not end
            try:
                event = self._queue.poll()
                event.tag(event)
            except Exception as error:  # noqa: BLE001 - one call's trouble is not the others'
                log.error("call_broken", error=type(error).__name__, at=frames(error))
        with self._turning:
            self._server.destroy()
            self.ended.set()


def answered(call: Call, answer: bytes, done: Done) -> None:
    """Send the one answer of a call, and its end."""
    operations = (
        cygrpc.SendInitialMetadataOperation(NOTHING, NO_FLAGS),
        cygrpc.SendMessageOperation(answer, NO_FLAGS),
        cygrpc.SendStatusFromServerOperation(NOTHING, 0, b"", NO_FLAGS),
        cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS),
    )
    start(call, operations, done)


def start(call: Call, operations: tuple[Any, ...], done: Done) -> None:
    """Begin a batch of operations; `done` is called in any case."""
    if call.start_server_batch(operations, done) != STARTED:
        done(None)

"""How bytes reach the server. The protocol is as small as it can be, so that a fake one is easily made (`testing`)."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from .config import TLS, Config
from .errors import CallFailed

if TYPE_CHECKING:
    import grpc

# What a call brings, or why it brings nothing. Called from any thread.
Receiver: TypeAlias = Callable[[bytes | CallFailed], None]


class Stream(Protocol):
    """An open stream. What the server says goes to the receiver; a CallFailed is the last it is told."""

    def send(self, message: bytes) -> None:
        """Send one message, without waiting."""

    def close(self) -> None:
        """End the stream at once."""


class Transport(Protocol):
    """Calls by method name, bytes in and bytes out."""

    def unary(self, method: str, request: bytes, timeout: float) -> bytes:
        """One call, answered within `timeout` seconds. Raises CallFailed."""

    def unary_later(self, method: str, request: bytes, timeout: float, receiver: Receiver) -> None:
        """The same without waiting: `receiver` is called once, within `timeout` seconds."""

    def stream(self, method: str, receiver: Receiver) -> Stream:
        """Open a stream, without waiting for the server."""

    def after_fork(self) -> Transport:
        """In a forked child: a transport of its own. This one is the parent's and is left alone."""

    def close(self) -> None:
        """End all calls."""


_LEFT_TO_PARENT: list[object] = []  # channels that a forked child must neither use nor destroy

_RETRIED = [{"service": "maitred.v1.DecisionService"}]
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": _RETRIED,
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.005s",
                "maxBackoff": "0.05s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 20_000),
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", 2 * 1024 * 1024),
    ("grpc.use_local_subchannel_pool", 1),  # else all channels share one connection
    ("grpc.enable_retries", 1),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
]


class GrpcTransport:
    """A few gRPC channels: calls take turns on them."""

    def __init__(self, address: str, config: Config) -> None:
        self._address = address
        self._config = config
        self._metadata = [("authorization", f"Bearer {config.api_key}")] if config.api_key else None
        self._channels = [_open(address, config.tls) for _ in range(config.channels)]
        self._turns = itertools.cycle(self._channels)
        self._methods: dict[str, Iterator[Any]] = {}

    def _method(self, name: str) -> Any:
        turns = self._methods.get(name)
        if turns is None:
            turns = self._methods[name] = itertools.cycle([channel.unary_unary(name) for channel in self._channels])
        return next(turns)

    def unary(self, method: str, request: bytes, timeout: float) -> bytes:
        import grpc

        try:
            answer: bytes = self._method(method)(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _failure(error) from None
        except ValueError:  # the channel was closed
            raise CallFailed("CANCELLED", "the client is closed") from None
        return answer

    def unary_later(self, method: str, request: bytes, timeout: float, receiver: Receiver) -> None:
        try:
            call = self._method(method).future(request, timeout=timeout, metadata=self._metadata)
        except ValueError:
            receiver(CallFailed("CANCELLED", "the client is closed"))
            return
        call.add_done_callback(lambda done: receiver(_outcome(done)))

    def stream(self, method: str, receiver: Receiver) -> Stream:
        return _GrpcStream(next(self._turns).stream_stream(method), self._metadata, receiver)

    def after_fork(self) -> GrpcTransport:
        _LEFT_TO_PARENT.append(self)
        return GrpcTransport(self._address, self._config)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()


class _GrpcStream:
    """A bidirectional call: gRPC takes messages from a queue, a thread of ours hands over what comes back."""

    def __init__(self, method: Any, metadata: Any, receiver: Receiver) -> None:
        self._receiver = receiver
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._read, name="maitred-stream", daemon=True)
        with _FORKING[0]:
            self._call = method(iter(self._queue.get, None), metadata=metadata)
            _OPEN.add(self)
            self._thread.start()

    def _read(self) -> None:
        import grpc

        end = CallFailed("UNAVAILABLE", "the server ended the stream")
        try:
            for message in self._call:
                self._receiver(message)
        except grpc.RpcError as error:
            end = _failure(error)
        finally:
            _OPEN.discard(self)
            self._queue.put(None)
            self._receiver(end)

    def send(self, message: bytes) -> None:
        self._queue.put(message)

    def close(self) -> None:
        self._call.cancel()

    def end(self, timeout: float) -> None:
        """Close, and wait until it has ended."""
        self.close()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)


# gRPC aborts a forked child now and then whose parent had a stream open: so before a fork streams end, and none is
# opened until it is done. Whoever had one opens it again.
_OPEN: set[_GrpcStream] = set()
_FORKING = [threading.RLock()]
_BEFORE_FORK = 1.0  # seconds at most


def _before_fork() -> None:
    _FORKING[0].acquire()
    for stream in list(_OPEN):
        stream.end(_BEFORE_FORK)


def _after_fork_in_child() -> None:
    _LEFT_TO_PARENT.extend(_OPEN)
    _OPEN.clear()
    _FORKING[0] = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=lambda: _FORKING[0].release(), after_in_child=_after_fork_in_child
    )


def _open(address: str, tls: TLS | None) -> grpc.Channel:
    import grpc

    if tls is None:
        return grpc.insecure_channel(address, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)
    named = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    return grpc.secure_channel(address, credentials, options=[*_OPTIONS, *named])


def _outcome(done: Any) -> bytes | CallFailed:
    import grpc

    try:
        answer: bytes = done.result()
    except grpc.RpcError as error:
        return _failure(error)
    except grpc.FutureCancelledError:
        return CallFailed("CANCELLED")
    return answer


def _failure(error: Any) -> CallFailed:
    return CallFailed(error.code().name, error.details() or "")

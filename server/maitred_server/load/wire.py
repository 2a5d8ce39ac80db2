"""The only place that knows gRPC: connections of their own, and errors in words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

import grpc
import grpc.aio

from maitred_server.errors import MaitredError
from maitred_server.load.asked import Wire

Call: TypeAlias = Callable[[bytes], Awaitable[bytes]]

DECIDE = "/maitred.v1.DecisionService/Decide"
DECIDE_BATCH = "/maitred.v1.DecisionService/DecideBatch"
RECORD = "/maitred.v1.FeedbackService/Record"
RECORD_DEADLINE_S = 30.0
PROBE_S = 10.0
# Each channel connects for itself; what is measured is one attempt, sent straight to the server.
OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", -1),
]


class Failed(Exception):
    """A call that ended with a status."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Calls(NamedTuple):
    """The calls of one connection. Each raises Failed."""

    decide: Call
    decide_batch: Call
    record: Call


def probe(wire: Wire, method: str, request: bytes) -> bytes:
    """One call before load begins, so that what cannot work is told at once. Raises MaitredError."""
    with grpc.insecure_channel(wire.target, options=OPTIONS) as channel:
        unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        try:
            return unary(request, timeout=PROBE_S, metadata=_metadata(wire.key))
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise MaitredError(f"no server answers at {wire.target}; is it running?") from None
            raise MaitredError(f"{wire.target} answers {error.code().name}: {error.details()}") from None


class Connections:
    """Some connections, each ready before load begins."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> list[Calls]:
        return [await self._connected() for _ in range(self._wire.connections)]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _connected(self) -> Calls:
        channel = await self._stack.enter_async_context(grpc.aio.insecure_channel(self._wire.target, options=OPTIONS))
        await asyncio.wait_for(channel.channel_ready(), PROBE_S)
        metadata, deadline = _metadata(self._wire.key), self._wire.deadline_s
        return Calls(
            _call(channel, DECIDE, deadline, metadata),
            _call(channel, DECIDE_BATCH, deadline, metadata),
            _call(channel, RECORD, RECORD_DEADLINE_S, metadata),
        )


def _call(channel: grpc.aio.Channel, method: str, timeout: float, metadata: Any) -> Call:
    unary: Any = channel.unary_unary(method)

    async def call(request: bytes) -> bytes:
        try:
            answer: bytes = await unary(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise Failed(error.code().name, error.details() or "") from None
        return answer

    return call


def status_name(code: int) -> str:
    """The name of a status code inside an answer."""
    return next((one.name for one in grpc.StatusCode if one.value[0] == code), str(code))


def _metadata(key: str | None) -> Any:
    return (("authorization", f"Bearer {key}"),) if key else ()

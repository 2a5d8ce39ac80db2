"""The calls through connectrpc: gRPC, gRPC-Web and JSON over plain HTTP, from the same handlers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from connectrpc.code import Code
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2
from protobuf.wkt import Any as Detail

from maitred_server.errors import DeadlinePassed
from maitred_server.rpc.access import Access, Caller
from maitred_server.rpc.calls import UnderWay, durable, in_order, pushed, refusal
from maitred_server.rpc.envoy.bootstrap import MOST_BYTES
from maitred_server.rpc.envoy.codecs import Answer, Binary, Json, Kind
from maitred_server.rpc.handlers import METHODS, PACKAGE, Method
from maitred_server.rpc.health import SERVICE, Health
from maitred_server.rpc.status import Status
from maitred_server.rpc.turns import Turns
from maitred_server.telemetry import Telemetry

_FILES = (decision_pb2, feedback_pb2, profile_pb2, admin_pb2, health_pb2)
_SERVICES = {name: service for file in _FILES for name, service in file.DESCRIPTOR.services_by_name.items()}
_CODES = {
    1: Code.CANCELED,
    2: Code.UNKNOWN,
    3: Code.INVALID_ARGUMENT,
    4: Code.DEADLINE_EXCEEDED,
    5: Code.NOT_FOUND,
    6: Code.ALREADY_EXISTS,
    7: Code.PERMISSION_DENIED,
    8: Code.RESOURCE_EXHAUSTED,
    9: Code.FAILED_PRECONDITION,
    10: Code.ABORTED,
    11: Code.OUT_OF_RANGE,
    12: Code.UNIMPLEMENTED,
    13: Code.INTERNAL,
    14: Code.UNAVAILABLE,
    15: Code.DATA_LOSS,
    16: Code.UNAUTHENTICATED,
}
Context = RequestContext[Any, Any]


class Application(ConnectASGIApplication[None]):
    """The ASGI application of connectrpc, with our ways of writing messages."""

    path = ""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        super().__init__(
            service=None,
            endpoints=lambda _: endpoints,
            read_max_bytes=MOST_BYTES,
            compressions=[GzipCompression()],
            codecs=[Binary(), Json()],
        )


class Connected:
    """Every call of the handlers, and health, as endpoints."""

    def __init__(self, turns: Turns, access: Access, telemetry: Telemetry, under_way: UnderWay, health: Health) -> None:
        self._turns = turns
        self._access = access
        self._telemetry = telemetry
        self._under_way = under_way
        self._health = health
        self._streams: set[asyncio.Task[Any]] = set()

    def application(self) -> Application:
        endpoints = {f"/{PACKAGE}.{name}": self._endpoint(name, method) for name, method in METHODS.items()}
        return Application(endpoints | dict(self._of_health()))

    async def close(self) -> None:
        """End the streams that did not end by themselves."""
        streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    def _endpoint(self, name: str, method: Method) -> Any:
        if method.streams:
            return Endpoint.bidi_stream(_info(PACKAGE, name, StreamType.BIDI_STREAM), self._stream(name))
        if method.pushes:
            return Endpoint.bidi_stream(_info(PACKAGE, name, StreamType.BIDI_STREAM), self._push(name))
        return Endpoint.unary(_info(PACKAGE, name, StreamType.UNARY), self._unary(name))

    def _of_health(self) -> Iterator[tuple[str, Any]]:
        package = SERVICE.rpartition(".")[0]
        check = _info(package, "Health/Check", StreamType.UNARY)
        yield f"/{SERVICE}/Check", Endpoint.unary(check, self._check)
        watch = _info(package, "Health/Watch", StreamType.SERVER_STREAM)
        yield f"/{SERVICE}/Watch", Endpoint.server_stream(watch, self._watch)

    def _unary(self, name: str) -> Any:
        kind = _kinds(name)[1]

        async def serve(request: bytes, context: Context) -> Answer:
            with self._refusing(name), self._under_way:
                caller = self._caller(context)
                if context.timeout_ms is not None and context.timeout_ms <= 0:
                    raise DeadlinePassed("the deadline passed before the call was begun")
                answer = self._turns.call(name, request, caller)
                return Answer(answer if isinstance(answer, bytes) else await durable(answer), kind)

        return serve

    def _stream(self, name: str) -> Any:
        kind = _kinds(name)[1]

        async def serve(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Answer]:
            with self._refusing(name), self._open():
                caller = self._caller(context)
                async for answer in in_order(requests, lambda data: self._turns.call(name, data, caller)):
                    yield Answer(answer, kind)

        return serve

    def _push(self, name: str) -> Any:
        kind = _kinds(name)[1]

        async def serve(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Answer]:
            with self._refusing(name), self._open():
                caller = self._caller(context)
                first = await anext(aiter(requests), b"")
                async for told in pushed(requests, lambda wake: self._turns.open(name, first, caller, wake)):
                    yield Answer(told, kind)

        return serve

    async def _check(self, request: bytes, context: Context) -> Answer:
        with self._refusing("Health/Check"):
            return Answer(self._health.check(request), health_pb2.HealthCheckResponse)

    async def _watch(self, request: bytes, context: Context) -> AsyncIterator[Answer]:
        with self._refusing("Health/Watch"), self._open():
            async for told in self._health.watch(request):
                yield Answer(told, health_pb2.HealthCheckResponse)

    def _caller(self, context: Context) -> Caller:
        return self._access.caller(context.request_headers.get("authorization"))

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        """While a stream is open, `close` can end it."""
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            yield
        finally:
            self._streams.discard(task)

    @contextlib.contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        """The one boundary where every error gets a status."""
        try:
            yield
        except ConnectError:  # the library's own: what it cannot read
            raise
        except Exception as error:  # noqa: BLE001
            status = refusal(name, error)
            self._telemetry.refused(status.code)
            raise as_error(status) from None


def as_error(status: Status) -> ConnectError:
    """A status as connectrpc knows it."""
    details = status_pb2.Status.FromString(status.details).details
    told = [ErrorDetail(Detail(type_url=detail.type_url, value=detail.value)) for detail in details]
    return ConnectError(_CODES[status.code], status.message, told)


def _info(package: str, name: str, stream: StreamType) -> MethodInfo[Any, Any]:
    service, method = name.split("/")
    request, answer = _kinds(name)
    return MethodInfo(
        name=method,
        service_name=f"{package}.{service}",
        input=request,
        output=answer,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=stream,
    )


def _kinds(name: str) -> tuple[Kind, Kind]:
    """The messages of a call: what it takes and what it gives."""
    service, method = name.split("/")
    found = _SERVICES[service].methods_by_name[method]
    return GetMessageClass(found.input_type), GetMessageClass(found.output_type)

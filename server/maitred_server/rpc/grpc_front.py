"""The asyncio front, on grpcio's public server: ports, deadlines, statuses, health, reflection, the graceful stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from maitred_server.errors import DeadlinePassed
from maitred_server.rpc.access import Access, Caller
from maitred_server.rpc.calls import UnderWay, durable, in_order, pushed, refusal
from maitred_server.rpc.handlers import METHODS, PACKAGE, SERVICES, Handlers, Method
from maitred_server.rpc.queue.options import OPTIONS
from maitred_server.rpc.watch import MOST_STREAMS
from maitred_server.telemetry import Telemetry

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Context: TypeAlias = grpc.aio.ServicerContext[bytes, bytes]


class GrpcFront:
    """One gRPC server in the running event loop."""

    def __init__(
        self, handlers: Handlers, access: Access, telemetry: Telemetry, *, max_calls: int, reflection: bool = False
    ) -> None:
        self._handlers = handlers
        self._access = access
        self._everybody = access.everybody
        self._telemetry = telemetry
        self._under_way = UnderWay(max_calls)  # gRPC's own limit has room for the streams that push, too
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=max_calls + MOST_STREAMS)
        self._server.add_generic_rpc_handlers(tuple(self._services()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflection:
            _add_reflection(self._server)

    def bind(self, address: str) -> int:
        """Take a port; returns its number. Raises OSError."""
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError:
            raise OSError(f"cannot listen on {address}: the address is in use or not of this machine") from None

    async def start(self) -> None:
        await self._server.start()
        await self.report(serving=True)

    async def report(self, *, serving: bool) -> None:
        """Set the health of every service."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in ("", *(f"{PACKAGE}.{service}" for service in SERVICES)):
            await self._health.set(service, status)

    async def stop(self, drain_s: float, stop_s: float) -> None:
        """Say NOT_SERVING, give clients time to see it, then end: calls under way may finish."""
        await self.report(serving=False)
        await asyncio.sleep(drain_s)
        self._handlers.close()
        await self._server.stop(stop_s)

    def _services(self) -> Iterable[grpc.GenericRpcHandler]:
        for service in SERVICES:
            calls = {
                name.split("/")[1]: self._served(name, method)
                for name, method in METHODS.items()
                if name.startswith(f"{service}/")
            }
            yield grpc.method_handlers_generic_handler(f"{PACKAGE}.{service}", calls)

    def _served(self, name: str, method: Method) -> grpc.RpcMethodHandler[bytes, bytes]:
        if method.pushes:
            return self._push(name)
        return self._stream(name) if method.streams else self._unary(name)

    def _unary(self, name: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def serve(request: bytes, context: Context) -> bytes:
            try:
                with self._under_way:
                    caller = self._everybody or self._caller(context)
                    remaining = context.time_remaining()
                    if remaining is not None and remaining <= 0:
                        raise DeadlinePassed("the deadline passed before the call was begun")
                    answer = self._handlers.call(name, request, caller)
                    return answer if isinstance(answer, bytes) else await durable(answer)
            except Exception as error:  # noqa: BLE001 - the one boundary where every error gets a status
                await self._refuse(context, name, error)
                raise AssertionError("abort always raises") from None

        return grpc.unary_unary_rpc_method_handler(serve)

    def _stream(self, name: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def serve(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            try:
                caller = self._caller(context)
                async for answer in in_order(requests, lambda data: self._handlers.call(name, data, caller)):
                    yield answer
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001
                await self._refuse(context, name, error)

        return grpc.stream_stream_rpc_method_handler(serve)

    def _push(self, name: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def serve(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            try:
                caller = self._caller(context)
                first = await anext(aiter(requests), b"")
                async for message in pushed(requests, lambda wake: self._handlers.open(name, first, caller, wake)):
                    yield message
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001
                await self._refuse(context, name, error)

        return grpc.stream_stream_rpc_method_handler(serve)

    def _caller(self, context: Context) -> Caller:
        return self._access.caller_of(context.invocation_metadata())

    async def _refuse(self, context: Context, name: str, error: Exception) -> None:
        status = refusal(name, error)
        self._telemetry.refused(status.code)
        await context.abort(
            _CODES[status.code], status.message, trailing_metadata=(("grpc-status-details-bin", status.details),)
        )


def _add_reflection(server: grpc.aio.Server) -> None:
    from grpc_reflection.v1alpha import reflection
    from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2  # noqa: F401 - registers the descriptors

    names = [f"{PACKAGE}.{service}" for service in SERVICES]
    reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)

"""grpc.health.v1.Health: how each service is, told once or whenever it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from maitred_server.errors import InvalidRequest, UnknownName

SERVICE = "grpc.health.v1.Health"
_STATUS = health_pb2.HealthCheckResponse


class Health:
    """The health of every service. Of one event loop."""

    def __init__(self, services: Iterable[str]) -> None:
        self._known = {"", *services}
        self._serving = False
        self._ended = False
        self._changed = asyncio.Event()

    def report(self, *, serving: bool) -> None:
        """Set the health of every service."""
        self._serving = serving
        self._wake()

    def close(self) -> None:
        """The server stops: end the streams."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def check(self, data: bytes) -> bytes:
        """Raises InvalidRequest, UnknownName."""
        service = _service(data)
        if service not in self._known:
            raise UnknownName("this service is not known here", "service")
        return self._now(service)

    async def watch(self, data: bytes) -> AsyncGenerator[bytes, None]:
        """The health now, and then each time it is another. Raises InvalidRequest."""
        service, told = _service(data), b""
        while not self._ended:
            changed, now = self._changed, self._now(service)
            if now != told:
                told = now
                yield now
            await changed.wait()

    def _now(self, service: str) -> bytes:
        if service not in self._known:
            status = _STATUS.SERVICE_UNKNOWN
        else:
            status = _STATUS.SERVING if self._serving else _STATUS.NOT_SERVING
        return bytes(_STATUS(status=status).SerializeToString())


def _service(data: bytes) -> str:
    try:
        return str(health_pb2.HealthCheckRequest.FromString(data).service)
    except DecodeError:
        raise InvalidRequest("these bytes are no grpc.health.v1.HealthCheckRequest") from None

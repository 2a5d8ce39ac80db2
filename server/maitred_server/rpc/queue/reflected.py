"""grpc.reflection: which services there are, and what their messages look like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from maitred_server.rpc.handlers import PACKAGE, SERVICES
from maitred_server.rpc.health import SERVICE as HEALTH

SERVICE: Final = "grpc.reflection.v1alpha.ServerReflection"
REFLECTION: Final = frozenset({f"/{SERVICE}/ServerReflectionInfo".encode()})


class Reflected:
    """Answers by the library's own servicer."""

    def __init__(self) -> None:
        from grpc_reflection.v1alpha import reflection, reflection_pb2
        from maitred.v1 import (  # noqa: F401 - registers the descriptors
            admin_pb2,
            decision_pb2,
            feedback_pb2,
            profile_pb2,
        )

        names = [*(f"{PACKAGE}.{service}" for service in SERVICES), HEALTH, SERVICE]
        self._request = reflection_pb2.ServerReflectionRequest
        self._servicer = reflection.aio.ReflectionServicer(names)

    async def answers(self, requests: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """One answer for each request. Raises DecodeError."""
        parsed = (self._request.FromString(data) async for data in requests)
        async for answer in self._servicer.ServerReflectionInfo(parsed, None):
            yield answer.SerializeToString()

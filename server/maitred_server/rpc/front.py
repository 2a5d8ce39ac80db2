"""What carries calls to the handlers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from maitred_server.rpc.grpc_front import GrpcFront
    from maitred_server.rpc.queue_front import QueueFront

log = structlog.get_logger()


class Front(Protocol):
    """A front of one worker, in its event loop."""

    async def start(self) -> None:
        """Take calls from now on."""

    async def report(self, *, serving: bool) -> None:
        """Set the health of every service."""

    async def stop(self, drain_s: float, stop_s: float) -> None:
        """Say NOT_SERVING, give clients `drain_s` to see it, and calls under way at most `stop_s` to end. Seconds."""


def run(main: Coroutine[None, None, None]) -> None:
    """Run to its end what uses a front, in an event loop of its own."""
    with asyncio.Runner(loop_factory=_quickest_loop()) as runner:
        runner.run(main)


def _quickest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's, where there is a build of it for this machine; the standard one does the same in more time."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return asyncio.new_event_loop


def over_grpc(name: str) -> type[QueueFront] | type[GrpcFront]:
    """The front of a name, `grpcio` or `asyncio`; where grpcio lacks what the first one needs it is the second, and the
    log says so.
    """
    if name == "grpcio":
        from maitred_server.rpc.queue.serving import available

        if available():
            from maitred_server.rpc.queue_front import QueueFront

            return QueueFront
        log.warning("slow_front", reason="this release of grpcio lacks what the front `grpcio` is made of")
    from maitred_server.rpc.grpc_front import GrpcFront

    return GrpcFront

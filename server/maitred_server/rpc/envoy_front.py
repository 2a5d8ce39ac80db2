"""The ASGI application that Envoy calls: which of the two ways a call takes, and the graceful stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from maitred_server.rpc.access import Access
from maitred_server.rpc.calls import UnderWay
from maitred_server.rpc.envoy.admin import Admin
from maitred_server.rpc.envoy.arriving import Arriving
from maitred_server.rpc.envoy.connected import Connected
from maitred_server.rpc.envoy.framed import CONTENT_TYPES, Framed
from maitred_server.rpc.envoy.within import Within
from maitred_server.rpc.handlers import PACKAGE, SERVICES, Handlers
from maitred_server.rpc.health import Health
from maitred_server.rpc.turns import Turns
from maitred_server.telemetry import Telemetry, frames

FAST: Final = {f"/{PACKAGE}.{name}": name for name in ("DecisionService/Decide", "DecisionService/DecideBatch")}
FLUSH_S: Final = 0.05  # Envoy's thread writes what was answered last
_PACKED_ANSWERS: Final = b"grpc-accept-encoding"  # not looked at: packing costs more than it saves

Scope = dict[str, Any]
log = structlog.get_logger()


class _Answered:
    """Stands for the task of a call that needs none."""

    def add_done_callback(self, callback: Callable[[Any], object], **_: object) -> None:
        """Nothing is ever reported: a call that fails is answered with a status."""


ANSWERED: Final = _Answered()


def task_factory(loop: asyncio.AbstractEventLoop, work: Any, **how: Any) -> Any:
    """Makes no task for a call that needs none, and the usual one for all else."""
    return work if work is ANSWERED else asyncio.Task(work, loop=loop, **how)


class EnvoyFront:
    """The calls of one worker."""

    def __init__(
        self, handlers: Handlers, access: Access, telemetry: Telemetry, *, max_calls: int, admin: Path
    ) -> None:
        self._turns = Turns(handlers, telemetry.turn)
        self._under_way = UnderWay(max_calls)
        self._health = Health(f"{PACKAGE}.{service}" for service in SERVICES)
        framed = Framed(self._turns, access, telemetry)
        self._within = Within(framed, FAST, max_calls)
        self._arriving = Arriving(framed, self._under_way)
        self._connected = Connected(self._turns, access, telemetry, self._under_way, self._health)
        self._application = self._connected.application()
        self._admin = Admin(admin)

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Any:
        """Begin a call: what is given back is to be made a task of."""
        name = FAST.get(scope["path"])
        if name is not None and scope["method"] == "POST":
            headers = dict(scope["headers"])
            if headers.get(b"content-type") in CONTENT_TYPES:
                self._arriving.begin(name, headers, receive, send)
                return ANSWERED
        return self._by_connect(scope, receive, send)

    async def _by_connect(self, scope: Scope, receive: Any, send: Any) -> None:
        scope["headers"] = [header for header in scope["headers"] if header[0] != _PACKED_ANSWERS]
        try:
            await self._application(scope, receive, send)
        except (OSError, asyncio.CancelledError):
            pass  # the client is gone, or this server stops: pyvoy would print a traceback
        except Exception as error:  # noqa: BLE001 - its text could be a customer's, and pyvoy would print it
            log.warning("call_broken", error=type(error).__name__, at=frames(error))

    async def start(self) -> None:
        """Wait until Envoy takes connections."""
        asyncio.get_running_loop().set_task_factory(task_factory)
        await self._admin.live()
        await self.report(serving=True)

    async def report(self, *, serving: bool) -> None:
        """Set the health of every service."""
        self._health.report(serving=serving)

    async def stop(self, drain_s: float, stop_s: float) -> None:
        """Say NOT_SERVING, give clients time to see it, then end: calls under way may finish."""
        await self.report(serving=False)
        await self._admin.part_gently()
        await asyncio.sleep(drain_s)
        await self._admin.take_no_more()
        self._turns.close()
        self._health.close()
        await asyncio.gather(self._under_way.close(stop_s), self._within.close(stop_s))
        self._turns.end()
        await self._connected.close()
        await asyncio.sleep(FLUSH_S)

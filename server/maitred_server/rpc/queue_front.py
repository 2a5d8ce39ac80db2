"""The grpcio front: which calls are answered at once and which in the event loop, health, and the graceful stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from maitred_server.errors import DeadlinePassed, TooMany
from maitred_server.rpc.access import Access, Caller
from maitred_server.rpc.calls import durable, in_order, pushed, refusal
from maitred_server.rpc.handlers import METHODS, PACKAGE, SERVICES, Handlers
from maitred_server.rpc.health import SERVICE as HEALTH
from maitred_server.rpc.health import Health
from maitred_server.rpc.queue.bridged import Bridged
from maitred_server.rpc.queue.options import OPTIONS
from maitred_server.rpc.queue.prompt import Prompt
from maitred_server.rpc.queue.reflected import REFLECTION, Reflected
from maitred_server.rpc.queue.serving import Event, Serving
from maitred_server.rpc.turns import Turns
from maitred_server.rpc.watch import MOST_STREAMS
from maitred_server.telemetry import Telemetry

PROMPT: Final = {
    f"/{PACKAGE}.{name}".encode(): name for name in ("DecisionService/Decide", "DecisionService/DecideBatch")
}
NAMES: Final = {f"/{PACKAGE}.{name}".encode(): name for name in METHODS}
CHECK, WATCH = f"/{HEALTH}/Check".encode(), f"/{HEALTH}/Watch".encode()
LAST_S: Final = 5.0  # for calls to end that were cancelled
_UNIMPLEMENTED: Final = 12


class QueueFront:
    """One gRPC server, whose calls other than decisions are served in the running event loop."""

    def __init__(
        self, handlers: Handlers, access: Access, telemetry: Telemetry, *, max_calls: int, reflection: bool = False
    ) -> None:
        self._turns = Turns(handlers, telemetry.turn)
        self._access = access
        self._telemetry = telemetry
        self._max_calls = max_calls
        self._prompt = Prompt(self._turns, access, telemetry, max_calls)
        self._health = Health(f"{PACKAGE}.{service}" for service in SERVICES)
        self._reflected = Reflected() if reflection else None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving = Serving(OPTIONS, self._begin)

    def bind(self, address: str) -> int:
        """Take a port; returns its number. Raises OSError."""
        port = self._serving.bind(address)
        if not port:
            raise OSError(f"cannot listen on {address}: the address is in use or not of this machine")
        return port

    async def start(self) -> None:
        self._serving.start()
        await self.report(serving=True)

    async def report(self, *, serving: bool) -> None:
        """Set the health of every service."""
        self._health.report(serving=serving)

    async def stop(self, drain_s: float, stop_s: float) -> None:
        """Say NOT_SERVING, give clients time to see it, then end: calls under way may finish."""
        await self.report(serving=False)
        await asyncio.sleep(drain_s)
        self._turns.close()
        self._health.close()
        self._serving.shut_down()
        if not await asyncio.to_thread(self._serving.ended.wait, stop_s):
            self._serving.cancel_all()
            await asyncio.to_thread(self._serving.ended.wait, LAST_S)
        self._turns.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_S)

    def _begin(self, event: Event) -> None:
        """On the queue's thread: a call came."""
        name = PROMPT.get(event.call_details.method)
        if name is not None:
            self._prompt.begin(name, event)
        else:
            self._loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: Event) -> None:
        """In the event loop."""
        call = Bridged(event.call, self._loop, lambda: task.cancel())
        task = self._loop.create_task(self._serve(call, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, call: Bridged, event: Event) -> None:
        method = event.call_details.method
        try:
            if len(self._tasks) > self._max_calls + MOST_STREAMS:
                raise TooMany(f"{len(self._tasks)} calls are under way already; try again later")
            if method in NAMES:
                await self._ours(call, NAMES[method], event)
            elif method == CHECK:
                await call.end(message=self._health.check(await call.receive() or b""))
            elif method == WATCH:
                await _told(call, self._health.watch(await call.receive() or b""))
            elif self._reflected is not None and method in REFLECTION:
                await _told(call, self._reflected.answers(call))
            else:
                await call.end(_UNIMPLEMENTED, "there is no such call")
        except Exception as error:  # noqa: BLE001 - the one boundary where every error gets a status
            await self._refuse(call, NAMES.get(method, ""), error)

    async def _ours(self, call: Bridged, name: str, event: Event) -> None:
        method, caller = METHODS[name], self._access.caller_of(event.invocation_metadata)
        if method.pushes:
            first = await call.receive() or b""
            await _told(call, pushed(call, lambda wake: self._turns.open(name, first, caller, wake)))
        elif method.streams:
            await _told(call, in_order(call, lambda data: self._turns.call(name, data, caller)))
        else:
            await self._unary(call, name, caller, event.call_details.deadline)

    async def _unary(self, call: Bridged, name: str, caller: Caller, deadline: float) -> None:
        self._prompt.others += 1
        try:
            self._prompt.check()
            message = await call.receive()
            if message is None:
                await call.end(_UNIMPLEMENTED, "exactly one message is wanted")
                return
            if deadline <= time.time():
                raise DeadlinePassed("the deadline passed before the call was begun")
            answer = self._turns.call(name, message, caller)
            await call.end(message=answer if isinstance(answer, bytes) else await durable(answer))
        finally:
            self._prompt.others -= 1

    async def _refuse(self, call: Bridged, name: str, error: Exception) -> None:
        status = refusal(name, error)
        self._telemetry.refused(status.code)
        await call.end(status.code, status.message, status.details)


async def _told(call: Bridged, messages: AsyncGenerator[bytes, None]) -> None:
    async with aclosing(messages):  # also when the client went away while something is sent
        async for message in messages:
            await call.send(message)
    await call.end()

"""The worker inside Envoy: Envoy imports `app`, and calls it by ASGI."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from multiprocessing import resource_tracker, spawn
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

from maitred_server.envoy_process import Told, told
from maitred_server.errors import MaitredError
from maitred_server.processes import STOPPING, end_with
from maitred_server.rpc.envoy.bootstrap import restore_environment
from maitred_server.rpc.envoy_front import EnvoyFront, Scope
from maitred_server.runtime import Worker
from maitred_server.settings import Settings, from_json
from maitred_server.telemetry import frames, set_up_logging

log = structlog.get_logger()


class App:
    """Calls go to the front, which there is once Envoy has asked whether we can begin."""

    _asgi_single_callable = True  # what is called gives back an awaitable, though it is no coroutine function

    def __init__(self) -> None:
        self._front: Any = None

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Any:
        return self._live(receive, send) if scope["type"] == "lifespan" else self._front(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        """Build the worker; after this Envoy takes connections. The worker ends this process by its own hand."""
        stop = asyncio.Event()
        try:
            self._serve(told(), stop)
        except Exception as error:  # noqa: BLE001 - Envoy would print its text
            reason = error.message if isinstance(error, MaitredError) else ""
            log.error("worker_not_started", error=type(error).__name__, reason=reason, at=frames(error))
            await send({"type": "lifespan.startup.failed", "message": "see the line before"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()  # to begin
        await receive()  # Envoy ends, unasked
        stop.set()
        await asyncio.Event().wait()  # until everything is closed

    def _serve(self, told: Told, stop: asyncio.Event) -> None:
        settings = from_json(told.settings)
        _settle_in(settings, told)
        worker = Worker(settings, told.started_at)
        limit, admin = settings.max_concurrent_calls, Path(told.admin)
        self._front = EnvoyFront(worker.handlers, worker.access, worker.telemetry, max_calls=limit, admin=admin)
        ready = Connection(told.ready, readable=False)
        _stop_on_signal(stop)
        serving = asyncio.ensure_future(worker.run(self._front, lambda: ready.send(None), stop))
        serving.add_done_callback(_end)


def _settle_in(settings: Settings, told: Told) -> None:
    """What a Python that was started as such would have from the start."""
    restore_environment(told.own)
    sys.executable = told.python
    spawn.set_executable(told.python)
    # It unblocks the signals in the thread that starts it; by any other it is found started.
    tracker = threading.Thread(target=resource_tracker.ensure_running)
    tracker.start()
    tracker.join()
    asyncio.get_running_loop().set_exception_handler(_broken)
    set_up_logging(settings.log_format, settings.log_level)
    end_with(told.parent)


def _stop_on_signal(stop: asyncio.Event) -> None:
    """At the first signal stop, at the second end at once."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        signal.sigwait(STOPPING)
        loop.call_soon_threadsafe(stop.set)
        signal.sigwait(STOPPING)
        os._exit(1)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _broken(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A callback failed. That of a body which nobody waits for any more always does."""
    error = context.get("exception")
    if isinstance(error, asyncio.InvalidStateError):
        return
    log.error("callback_failed", error=type(error).__name__, at=[] if error is None else frames(error))


def _end(serving: asyncio.Future[None]) -> None:
    """Everything is closed: nothing of Envoy's is worth waiting for."""
    error = serving.exception()
    if error is not None:
        log.error("worker_failed", error=type(error).__name__, at=frames(error))
    Path(told().admin).unlink(missing_ok=True)
    os._exit(0 if error is None else 1)


app = App()

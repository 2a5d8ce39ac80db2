"""A call that is served in the event loop: its messages come from, and its answers go to, the queue's thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from maitred_server.rpc.queue.serving import NO_FLAGS, NOTHING, Call, Event, cygrpc, start


class Bridged:
    """An iterator over the client's messages, and ways to answer. Of one event loop; `gone` is called in it when the
    client went away.

    A task that is cancelled while it waits leaves its operation under way: that ends with the call, and nobody is told.
    """

    def __init__(self, call: Call, loop: asyncio.AbstractEventLoop, gone: Callable[[], object]) -> None:
        self._call = call
        self._loop = loop
        self._begun = False  # to answer
        start(call, (cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS),), lambda event: self._closed(event, gone))

    def __aiter__(self) -> Bridged:
        return self

    async def __anext__(self) -> bytes:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def receive(self) -> bytes | None:
        """The next message; None: there are no more."""
        receiving = cygrpc.ReceiveMessageOperation(NO_FLAGS)
        message: bytes | None = await self._batch(lambda event: event.batch_operations[0].message(), receiving)
        return message

    async def send(self, message: bytes) -> None:
        """Send a message, and wait until it is on its way."""
        await self._batch(_nothing, *self._beginning(), cygrpc.SendMessageOperation(message, NO_FLAGS))

    async def end(self, code: int = 0, text: str = "", details: bytes = b"", message: bytes | None = None) -> None:
        """End the call with a status; with a `message` before it."""
        trailers = (("grpc-status-details-bin", details),) if details else NOTHING
        parts = self._beginning()
        if message is not None:
            parts.append(cygrpc.SendMessageOperation(message, NO_FLAGS))
        parts.append(cygrpc.SendStatusFromServerOperation(trailers, code, text.encode(), NO_FLAGS))
        await self._batch(_nothing, *parts)

    def _beginning(self) -> list[Any]:
        begun, self._begun = self._begun, True
        return [] if begun else [cygrpc.SendInitialMetadataOperation(NOTHING, NO_FLAGS)]

    async def _batch(self, result: Callable[[Event], Any], *operations: Any) -> Any:
        future = self._loop.create_future()

        def done(event: Event | None) -> None:
            self._told(_set, future, None if event is None else result(event))

        start(self._call, operations, done)
        return await future

    def _closed(self, event: Event | None, gone: Callable[[], object]) -> None:
        if event is None or event.batch_operations[0].cancelled():
            self._told(gone)

    def _told(self, callback: Callable[..., object], *values: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(callback, *values)


def _set(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _nothing(event: Event) -> None:
    """Of operations that bring nothing."""

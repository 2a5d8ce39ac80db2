"""What every front needs around a handler: calls under way, waiting for the disk, streams, and statuses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType

import structlog

from maitred_server.errors import MaitredError, Stopping, TooMany
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.status import INTERNAL, Status, status_of
from maitred_server.rpc.watch import Subscription
from maitred_server.telemetry import frames

BATCHES_UNDER_WAY = 8  # per stream; beyond it the client is not read from

log = structlog.get_logger()


class UnderWay:
    """The calls that a worker has begun and not ended; a call is begun in a `with`, or by `enter` and `leave`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._closed = False
        self._idle = asyncio.Event()

    def enter(self) -> None:
        """Begin a call. Raises TooMany, Stopping; the call counts nonetheless, until `leave`."""
        self._count += 1
        if self._count > self._most:
            raise TooMany(f"{self._most} calls are under way already; try again later")
        if self._closed:
            raise Stopping("this server stops; another one answers")

    def leave(self) -> None:
        self._count -= 1
        if self._closed and not self._count:
            self._idle.set()

    def __enter__(self) -> None:
        try:
            self.enter()
        except MaitredError:
            self.leave()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    async def close(self, patience_s: float) -> None:
        """Let no call begin any more, and wait for those that have."""
        self._closed = True
        if self._count:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), patience_s)


def refusal(name: str, error: Exception) -> Status:
    """The status that a caller gets for whatever a handler raised; what is no refusal is a defect, and is logged."""
    if isinstance(error, MaitredError):
        return status_of(error)
    log.error("call_failed", call=name, error=type(error).__name__, at=frames(error))
    return INTERNAL


async def durable(waiting: Durable) -> bytes:
    """The answer, once it is on the disk."""
    return waiting.answer(await asyncio.wrap_future(waiting.future))


async def in_order(
    requests: AsyncIterator[bytes], handle: Callable[[bytes], bytes | Durable]
) -> AsyncGenerator[bytes, None]:
    """Answers in the order of their requests, with several under way at once."""
    under_way: asyncio.Queue[Durable | Exception | None] = asyncio.Queue(BATCHES_UNDER_WAY)

    async def read() -> None:
        try:
            async for data in requests:
                answer = handle(data)
                assert isinstance(answer, Durable)
                await under_way.put(answer)
        except Exception as error:  # noqa: BLE001 - raised below, when what came before it is answered
            await under_way.put(error)
        else:
            await under_way.put(None)

    reader = asyncio.ensure_future(read())
    try:
        while (answer := await under_way.get()) is not None:
            if isinstance(answer, Exception):
                raise answer
            yield await durable(answer)
    finally:
        reader.cancel()


async def pushed(
    requests: AsyncIterator[bytes], begin: Callable[[Callable[[], None]], Subscription]
) -> AsyncGenerator[bytes, None]:
    """What is pushed, until the client has no more to say, or the server stops."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(changed.set)

    subscription = begin(wake)
    reader = asyncio.ensure_future(_read_out(requests))
    reader.add_done_callback(lambda _: changed.set())
    try:
        while not (subscription.ended or reader.done()):
            await changed.wait()
            changed.clear()
            while (message := subscription.take()) is not None:
                yield message
    finally:
        subscription.close()
        reader.cancel()


async def _read_out(requests: AsyncIterator[bytes]) -> None:
    async for _ in requests:
        pass

"""The client for asyncio: the same verbs as `Client`, awaited where they wait."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from . import _calls, _check, _rights
from ._base import BaseClient
from ._cache import Flight, Landing
from ._calls import Ask
from ._entry import Decisions
from .types import Decision, Erasure, Fallback, FallbackList, Moment, Request, Subject, Value


class AsyncClient(BaseClient):
    """`Client` for asyncio: `decide`, `decide_page`, `decide_many`, `export`, `erase`, `flush` and `close` are
    awaited.

    `expose`, `record`, `put_traits` and `statistics` never wait and are plain calls. Feedback is delivered by a thread,
    as in `Client`.
    """

    async def decide(
        self,
        placement: str,
        subject: Subject | str,
        *,
        context: Mapping[str, Value] | None = None,
        slots: int | None = None,
        fallback: Fallback | None = None,
        timeout: float | None = None,
        at: Moment | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Decision:
        """See `Client.decide`."""
        if at is None and not overrides:
            kept = self._kept(placement, subject, slots, context)
            if kept is not None:
                return kept[0]
        ask = _calls.ask_one(placement, subject, context, slots, fallback, at, overrides)
        return (await self._answer(ask, timeout))[0]

    async def decide_page(
        self,
        placements: Sequence[str] | Mapping[str, int | None],
        subject: Subject | str,
        *,
        context: Mapping[str, Value] | None = None,
        fallback: Mapping[str, Fallback] | Callable[[str], FallbackList] | None = None,
        timeout: float | None = None,
        at: Moment | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> dict[str, Decision]:
        """See `Client.decide_page`."""
        ask = _calls.ask_page(placements, subject, context, fallback, at, overrides)
        return _calls.by_placement(await self._answer(ask, timeout))

    async def decide_many(
        self,
        requests: Sequence[Request],
        *,
        timeout: float | None = None,
    ) -> list[Decision]:
        """See `Client.decide_many`."""
        until = time.monotonic() + self._timeout(timeout)
        begun = self._begin_many(requests, until - time.monotonic())
        return [(await self._ended(one, until))[0] for one in begun]

    async def export(self, subject: Subject | str, *, timeout: float = _rights.TIMEOUT) -> dict[str, Any]:
        """See `Client.export`."""
        request = _rights.export_request(subject)
        return _rights.read_export(await self._plain(_rights.EXPORT, request, timeout))

    async def erase(self, subject: Subject | str, *, timeout: float = _rights.TIMEOUT) -> Erasure:
        """See `Client.erase`."""
        request, mark = _rights.erase_request(subject), self._outbox.mark()
        answer = await self._plain(_rights.ERASE, request, timeout)
        self._forget(subject, mark)
        return _rights.read_erasure(answer)

    async def _plain(self, method: str, request: bytes, timeout: float) -> bytes:
        return await asyncio.to_thread(self._transport.unary, method, request, _check.seconds("timeout", timeout))

    async def end_session(self, subject: Subject | str, *, timeout: float = 5.0) -> bool:
        """See `Client.end_session`."""
        session, until = _rights.session_of(subject), time.monotonic() + _check.seconds("timeout", timeout)
        self._drop_answers(session)
        return await self.flush(timeout) and await asyncio.to_thread(self._end_session, session, until)

    async def flush(self, timeout: float = 5.0) -> bool:
        """See `Client.flush`."""
        return await asyncio.to_thread(self._delivery.flush, _check.seconds("timeout", timeout))

    async def close(self) -> None:
        """See `Client.close`."""
        await asyncio.to_thread(self._close)

    async def _answer(self, ask: Ask, timeout: float | None) -> Decisions:
        until = time.monotonic() + self._timeout(timeout)
        known = self._known(ask)
        if known is not None:
            return known
        flight, new = self._board(ask)
        if new:
            self._fly(flight, max(0.001, until - time.monotonic()))
        return await self._ended((ask, flight), until)

    async def _ended(self, begun: Decisions | tuple[Ask, Flight], until: float) -> Decisions:
        if not isinstance(begun[0], Ask):
            return begun
        ask, flight = begun
        return self._conclude(ask, await _landing(flight, until))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _landing(flight: Flight, until: float) -> Landing | None:
    """How a flight ended; None: it did not, in time. Whoever waits may be cancelled; the flight goes on."""
    if flight.landing is None:
        loop = asyncio.get_running_loop()
        landed = loop.create_future()
        flight.when_landed(lambda: _tell(loop, landed))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(landed, max(0.0, until - time.monotonic()))
    return flight.landing


def _tell(loop: asyncio.AbstractEventLoop, landed: asyncio.Future[None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(_end, landed)


def _end(landed: asyncio.Future[None]) -> None:
    if not landed.done():
        landed.set_result(None)

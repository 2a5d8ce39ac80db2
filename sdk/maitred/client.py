"""The client for threads: calls wait, for at most their deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from . import _calls, _check, _rights
from ._base import BaseClient
from ._cache import Flight, Landing
from ._calls import Ask
from ._entry import Decisions
from .errors import CallFailed
from .types import Decision, Erasure, Fallback, FallbackList, Moment, Request, Subject, Value


class Client(BaseClient):
    """Asks a Maitred server and tells it what happened. Thread-safe; make one for a process and keep it.

    An outage never raises: the answer is the last known one, marked STALE, or the caller's fallback, marked ERROR,
    within the deadline. Misuse raises InvalidArgument before anything is sent.
    """

    def decide(
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
        """What to show this subject in this placement, now.

        `context`: the moment (store, device, locale ...), at most 64 keys. `slots`: how many choices are wanted, 1 to
        50; None: as many as the playbook says. `fallback`: what to show when no answer can be had: items, or a function
        that takes the placement and gives them. `timeout`: seconds; None: the configured deadline. `at`: decide as of
        this time, for servers with a replay clock. `overrides`: arms by layer, to see what others see ("": no arm); the
        caller's key needs the role `override`. Answers with `at` or `overrides` are not cached. Raises InvalidArgument.
        """
        if at is None and not overrides:
            kept = self._kept(placement, subject, slots, context)
            if kept is not None:
                return kept[0]
        ask = _calls.ask_one(placement, subject, context, slots, fallback, at, overrides)
        return self._answer(ask, timeout)[0]

    def decide_page(
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
        """What to show this subject in these placements (1 to 16), without repeats over the page.

        `placements`: names, or names with the slots wanted. `fallback`: by placement, or a function of the placement.
        The answer is by placement, in their order. Else as `decide`.
        """
        ask = _calls.ask_page(placements, subject, context, fallback, at, overrides)
        return _calls.by_placement(self._answer(ask, timeout))

    def decide_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Decision]:
        """Decisions for many subjects, one for each request, in their order. Else as `decide`."""
        until = time.monotonic() + self._timeout(timeout)
        begun = self._begin_many(requests, until - time.monotonic())
        return [self._ended(one, until)[0] for one in begun]

    def export(self, subject: Subject | str, *, timeout: float = _rights.TIMEOUT) -> dict[str, Any]:
        """Everything that the server keeps about a subject, to be handed to it (docs/export.schema.json).

        Unlike decisions this is a plain call: raises CallFailed when it fails (NOT_FOUND: nothing is kept), and
        InvalidArgument.
        """
        request = _rights.export_request(subject)
        return _rights.read_export(self._transport.unary(_rights.EXPORT, request, _check.seconds("timeout", timeout)))

    def erase(self, subject: Subject | str, *, timeout: float = _rights.TIMEOUT) -> Erasure:
        """Forget a subject, here and on the server, where nothing of it is used any more when this returns.

        Its answers kept here and its feedback that waits here are dropped. Unlike feedback this is a plain call: raises
        CallFailed when it fails (the subject may be erased or not: try again), and InvalidArgument.
        """
        request, mark = _rights.erase_request(subject), self._outbox.mark()
        answer = self._transport.unary(_rights.ERASE, request, _check.seconds("timeout", timeout))
        self._forget(subject, mark)
        return _rights.read_erasure(answer)

    def end_session(self, subject: Subject | str, *, timeout: float = 5.0) -> bool:
        """A visit is over: deliver what was recorded before, then have the server forget it unless it was merged.

        False: not within `timeout` seconds. The server then ends it by itself, some hours after its last sign. Answers
        kept here are forgotten either way. Raises InvalidArgument for a subject of another kind.
        """
        session, until = _rights.session_of(subject), time.monotonic() + _check.seconds("timeout", timeout)
        self._drop_answers(session)
        return self._delivery.flush(timeout) and self._end_session(session, until)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all feedback recorded before is acknowledged. False: not within `timeout` seconds."""
        return self._delivery.flush(_check.seconds("timeout", timeout))

    def close(self) -> None:
        """Deliver what can be delivered in the configured `close_timeout`, then end. Later calls give fallbacks."""
        self._close()

    def _answer(self, ask: Ask, timeout: float | None) -> Decisions:
        until = time.monotonic() + self._timeout(timeout)
        known = self._known(ask)
        if known is not None:
            return known
        flight, new = self._board(ask)
        if new:
            self._fly_here(flight, until)
        return self._ended((ask, flight), until)

    def _fly_here(self, flight: Flight, until: float) -> None:
        """Make the call on this thread."""
        arrival: bytes | CallFailed = CallFailed("CANCELLED")
        try:
            message = self._encode(flight.ask)
            arrival = self._transport.unary(_calls.DECIDE, message, max(0.001, until - time.monotonic()))
        except CallFailed as failure:
            arrival = failure
        finally:
            self._land(flight, arrival)

    def _ended(self, begun: Decisions | tuple[Ask, Flight], until: float) -> Decisions:
        if not isinstance(begun[0], Ask):
            return begun
        ask, flight = begun
        return self._conclude(ask, _landing(flight, until))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _landing(flight: Flight, until: float) -> Landing | None:
    """How a flight ended; None: it did not, in time."""
    if flight.landing is None:
        landed = threading.Event()
        flight.when_landed(landed.set)
        landed.wait(max(0.0, until - time.monotonic()))
    return flight.landing

"""What both clients do alike: everything but waiting for an answer."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from . import _calls, _check, _rights
from ._cache import Cache, Flight, Landing
from ._calls import Answer, Ask
from ._channel import GrpcTransport, Transport
from ._delivery import Delivery, close_all
from ._draft import who
from ._entry import Decisions, without
from ._outbox import Outbox, open_outbox
from ._outbox_file import EpochLocks
from ._telling import Telling
from ._watch import Watcher
from ._wire import subject_of
from .config import Config
from .errors import CallFailed, InvalidArgument, OutboxUnavailable
from .types import (
    Decision,
    Request,
    Statistics,
    Subject,
    Value,
)

log = logging.getLogger("maitred")

clock = time.monotonic  # seconds; for the cache
DEFAULT_ADDRESS = "localhost:7400"


class BaseClient(Telling):
    """Cache, outbox and delivery of one client."""

    def __init__(
        self, address: str = DEFAULT_ADDRESS, config: Config | None = None, *, transport: Transport | None = None
    ) -> None:
        """A client of the server at `address` ("host:port"). Connects when first needed.

        Raises InvalidArgument, and OutboxUnavailable when the outbox's file cannot be opened.
        """
        if not isinstance(address, str) or not address:
            raise InvalidArgument("address", 'must be a text such as "localhost:7400"')
        self._config = config or Config()
        self._touchpoint = _check.name("touchpoint", self._config.touchpoint, empty=True)
        self._closed = False
        self._rebuilding = threading.RLock()
        self._set_up(transport or GrpcTransport(address, self._config), open_outbox(self._config.outbox_config))
        _CLIENTS.add(self)

    def _set_up(self, transport: Transport, outbox: Outbox) -> None:
        self._inherited: Transport | None = None
        self._transport = transport
        self._outbox = outbox
        self._lock = threading.Lock()
        self._reasons: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._warned: set[str] = set()
        self._cache = Cache(self._config.cache, clock)
        self._delivery = Delivery(outbox, transport, self._config.outbox_config)
        self._watcher = Watcher(self._cache, transport)
        self._abandoned = weakref.finalize(self, _abandon, self._watcher, self._delivery)
        self._abandoned.atexit = False

    def _after_fork(self) -> None:
        """In a forked child: give up all that is the parent's. What the child needs is made when it is first used."""
        if self._inherited is not None:
            return
        self._abandoned.detach()
        _LEFT_TO_PARENT.append([self.__dict__.pop(part) for part in _PARTS])
        self._inherited = _LEFT_TO_PARENT[-1][0]
        self._rebuilding = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        if name not in _PARTS or self.__dict__.get("_inherited") is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with self._rebuilding:
            if name not in self.__dict__ and self._inherited is not None:
                self._set_up(self._inherited.after_fork(), self._childs_outbox())
        return self.__dict__[name]

    def _childs_outbox(self) -> Outbox:
        try:
            return open_outbox(self._config.outbox_config)
        except OutboxUnavailable:
            log.error("the outbox file cannot be opened in a forked process; feedback waits in memory")
            return open_outbox(replace(self._config.outbox_config, path=None))

    # --- what people have a right to

    def _end_session(self, session: Subject, until: float) -> bool:
        """Whether the server was reached in time."""
        left = max(0.001, until - time.monotonic())
        try:
            self._transport.unary(_rights.END_SESSION, _rights.end_session_request(session), left)
        except CallFailed as failure:
            self._warn(f"session {failure.code}", "a session was not ended by the server: %s", failure.code)
            return False
        return True

    def _forget(self, subject: Subject | str, mark: int) -> None:
        """The subject was erased: drop what is kept of it here, and the feedback that waited before the mark."""
        known = subject_of(subject)
        self._drop_answers(known)
        self._outbox.forget({who(one) for one in (subject, *known.aliases)}, mark)

    # --- decisions

    def _kept(
        self, placement: Any, subject: Subject | str, slots: int | None, context: Mapping[str, Value] | None
    ) -> Decisions | None:
        """An answer kept for this request that need not be asked for now. Wrong arguments find none."""
        try:
            return self._cache.get_known(_calls.key_of(placement, subject, slots, context))
        except (TypeError, AttributeError):
            return None

    def _known(self, ask: Ask) -> Decisions | None:
        """The answer kept for this request, fresh or stale; a stale one is renewed behind the caller's back."""
        if ask.key is None:
            return None
        fresh = self._cache.get(ask.key)
        if fresh is not None:
            return fresh
        stale = self._cache.get_stale(ask.key)
        if stale is None:
            return None
        self._refresh(ask, due=stale[1])
        return stale[0]

    def _refresh(self, ask: Ask, *, due: bool) -> None:
        if due and not self._closed:
            flight, new = self._board(ask)
            if new:
                self._fly(flight, max(self._config.deadline, 1.0))

    def _board(self, ask: Ask) -> tuple[Flight, bool]:
        """The call for a request, and whether it is to be made; see `Cache.board`."""
        if ask.key is not None and self._config.cache.watch and self._config.cache.entries:
            self._watcher.start()
        return self._cache.board(ask)

    def _fly(self, flight: Flight, timeout: float) -> None:
        """Make the call without waiting for it."""
        try:
            message = self._encode(flight.ask)
            self._transport.unary_later(_calls.DECIDE, message, timeout, partial(self._land, flight))
        except Exception as error:  # noqa: BLE001 - a flight must land, whatever the transport does
            self._land(flight, CallFailed("INTERNAL", type(error).__name__))

    def _encode(self, ask: Ask) -> bytes:
        return ask.encode(lambda room: self._outbox.pending(who(ask.given), room))

    def _land(self, flight: Flight, arrival: bytes | CallFailed) -> None:
        landing: Landing
        try:
            landing = _calls.read_answer(arrival, flight.ask, self)
        except CallFailed as failure:
            landing = failure
        self._bring(flight, landing)

    def _bring(self, flight: Flight, landing: Landing) -> None:
        """What the call brought, without what its subject does not want to see."""
        if isinstance(landing, Answer):
            self._watcher.hurry()
            objections = self._outbox.objections(flight.ask.ids)
            if objections:
                decisions = tuple(without(one, objections.hit) for one in landing.decisions)
                landing = landing._replace(decisions=decisions)
        self._cache.land(flight, landing)

    def _conclude(self, ask: Ask, landing: Landing | None) -> Decisions:
        """What the caller gets: the answer, else the last known one, else its own fallback."""
        if isinstance(landing, Answer):
            return self._counted(landing.decisions)
        failure = landing or CallFailed("DEADLINE_EXCEEDED", "the answer was not there in time")
        refused = failure.code in _calls.REFUSALS
        self._note(failure, refused)
        known = None if refused else self._cache.stand_in(ask, failure)
        if known is not None and None not in known:
            return self._counted(tuple(one for one in known if one is not None))
        own = self._fall_back(ask, failure)
        return self._counted(own if known is None else _filled(known, own))

    def _fall_back(self, ask: Ask, failure: CallFailed) -> Decisions:
        try:
            return _calls.fall_back(ask, failure, self)
        except Exception as error:  # noqa: BLE001 - the caller's function failed in the middle of an outage
            self._warn(f"fallback {type(error).__name__}", "the fallback function failed: %s", type(error).__name__)
            return _calls.fall_back(replace(ask, fallbacks={}), failure, self)

    def _note(self, failure: CallFailed, refused: bool) -> None:
        with self._lock:
            self._errors[failure.code] += 1
        what = "refused by the server; the fallback is served" if refused else "not answered by the server"
        self._warn(failure.code, "a decision was %s: %s", what, failure.code)

    def _warn(self, kind: str, text: str, *details: object) -> None:
        """Log a warning, once for each kind."""
        if kind not in self._warned:
            self._warned.add(kind)
            log.warning(text, *details)

    def _counted(self, decisions: Decisions) -> Decisions:
        with self._lock:
            for decision in decisions:
                self._reasons[decision.reason] += 1
        return decisions

    # --- many

    def _begin_many(self, requests: Sequence[Request], timeout: float) -> list[Decisions | tuple[Ask, Flight]]:
        """For each request the answer kept, or the flight to wait for; new flights are under way."""
        begun: list[Decisions | tuple[Ask, Flight]] = []
        new: list[Flight] = []
        for ask in [_calls.ask_request(request) for request in _check.sequence("requests", requests, sys.maxsize)]:
            kept = self._known(ask)
            if kept is None:
                flight, first = self._board(ask)
                new += [flight] if first else []
                begun.append((ask, flight))
            else:
                begun.append(kept)
        self._fly_together(new, timeout)
        return begun

    def _fly_together(self, flights: Sequence[Flight], timeout: float) -> None:
        encoded = [self._encode(flight.ask) for flight in flights]
        for start, end, message in _calls.batches(encoded):
            receive = partial(self._land_batch, flights[start:end])
            try:
                self._transport.unary_later(_calls.DECIDE_BATCH, message, timeout, receive)
            except Exception as error:  # noqa: BLE001 - flights must land, whatever the transport does
                receive(CallFailed("INTERNAL", type(error).__name__))

    def _land_batch(self, flights: Sequence[Flight], arrival: bytes | CallFailed) -> None:
        landings: Sequence[Landing]
        try:
            landings = _calls.read_batch(arrival, [flight.ask for flight in flights], self)
        except CallFailed as failure:
            landings = [failure] * len(flights)
        for flight, landing in zip(flights, landings, strict=True):
            self._bring(flight, landing)

    # --- looking, closing

    def statistics(self) -> Statistics:
        """What this client did so far."""
        courier = self._delivery.courier
        with self._lock:
            reasons, errors = Counter(self._reasons), Counter(self._errors)
        return Statistics(
            decisions=dict(reasons + self._cache.served),
            cache_hits=self._cache.hits,
            cache_misses=self._cache.misses,
            cache_entries=len(self._cache),
            outbox=self._outbox.statistics(),
            retries=courier.retries,
            reconnects=max(0, courier.streams - 1),
            errors=dict(errors + courier.errors),
            cache_drops=dict(self._cache.drops),
            watching=self._watcher.connected,
        )

    def _close(self) -> None:
        self._closed = True
        if self._inherited is not None:  # a forked child that never used it
            return
        self._abandoned.detach()
        self._watcher.close()
        self._delivery.close(self._config.outbox_config.close_timeout)

    def _timeout(self, timeout: float | None) -> float:
        return self._config.deadline if timeout is None else _check.seconds("timeout", timeout)


def _abandon(watcher: Watcher, delivery: Delivery) -> None:
    """The client is gone without `close`."""
    watcher.close()
    delivery.abandon()


def _filled(known: Sequence[Decision | None], own: Decisions) -> Decisions:
    return tuple(other if one is None else one for one, other in zip(known, own, strict=True))


_CLIENTS: weakref.WeakSet[BaseClient] = weakref.WeakSet()
# What a forked child must not share. Of the parent's it must neither use nor destroy any.
_PARTS = (
    *("_transport", "_outbox", "_delivery", "_cache", "_watcher"),
    *("_lock", "_reasons", "_errors", "_warned", "_abandoned"),
)
_LEFT_TO_PARENT: list[list[Any]] = []


def _after_fork() -> None:
    EpochLocks.forget_all()
    for client in list(_CLIENTS):
        client._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _at_exit() -> None:
    for client in list(_CLIENTS):
        if "_watcher" in client.__dict__:  # else a forked child that never used it
            client._watcher.close()
    close_all()


atexit.register(_at_exit)

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

from . import _calls, _check, _feedback, _rights
from ._cache import Cache, Decisions, Flight, Landing
from ._calls import Answer, Ask
from ._channel import GrpcTransport, Transport
from ._delivery import Delivery, close_all
from ._feedback import Feedback
from ._outbox import Outbox, open_outbox, who
from ._outbox_file import EpochLocks
from ._wire import subject_of
from .config import Config
from .errors import CallFailed, InvalidArgument, OutboxUnavailable
from .types import Consent, ConsentState, Decision, Moment, Request, Source, Statistics, Subject, Trait, Value

log = logging.getLogger("maitred")

clock = time.monotonic  # seconds; for the cache
DEFAULT_ADDRESS = "localhost:7400"


class BaseClient:
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
        self._abandoned = weakref.finalize(self, self._delivery.abandon)
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

    # --- feedback

    def expose(self, decision: Decision, slots: Sequence[int] | None = None, *, at: Moment | None = None) -> None:
        """Say that choices of a decision were really shown: these slots, or all of them (None).

        Call it at each showing; a showing's number rises when the same decision is shown again. Never waits, never
        raises for an outage or a full outbox. A caller's own fallback is nobody's decision: exposing it does nothing.
        `at`: when it was shown; None: now. Raises InvalidArgument for slots that the decision does not have.
        """
        if not decision.id:
            return
        shown = _feedback.exposure(decision, slots, 0)
        subject = decision.subject
        id_ = subject if isinstance(subject, str) else subject.id
        number = self._cache.show(decision, id_, shown.slots)
        self._add(subject, id_, _feedback.moment(at, _now_ms()), "", shown._replace(showing=number))

    def record(
        self,
        type: str,  # noqa: A002 - the word of the wire
        subject: Subject | str,
        *,
        item: str = "",
        variant: str | None = None,
        value: float = 0.0,
        quantity: int = 1,
        attributes: Mapping[str, Value] | None = None,
        decision: Decision | None = None,
        at: Moment | None = None,
        touchpoint: str = "",
        purpose: str = "",
    ) -> None:
        """Say what happened: an outcome when a server's decision offered the item, else an event.

        `type`: e.g. "purchase". `value`: in the type's own unit, e.g. money. `variant` None: with a decision, the one
        that it chose for `item`. `quantity` and `attributes` (at most 32) belong to events. `at`: when it happened;
        None: now. Never waits, never raises for an outage or a full outbox. Raises InvalidArgument.
        """
        body = _feedback.happened(type, item, variant, value, quantity, attributes, decision)
        id_ = subject.id if isinstance(subject, Subject) else _check.subject_id("subject", subject)
        at_ms = _feedback.moment(at, _now_ms())
        if purpose:
            _check.name("purpose", purpose)
        self._add(subject, id_, at_ms, purpose, body, touchpoint)

    def put_traits(
        self,
        subject: Subject | str,
        traits: Mapping[str, Value | None] | Sequence[Trait],
        *,
        source: Source = "",
        purpose: str = "",
        at: Moment | None = None,
    ) -> None:
        """Set traits of a subject (None removes one), at most 64, and forget all answers kept for it.

        `source` "": taken as inferred. `purpose`: what the subject allowed it to be used for. Delivered like all
        feedback. Raises InvalidArgument.
        """
        body = _feedback.traits(traits, source, purpose)
        known = subject_of(subject)
        self._add(subject, known.id, _feedback.moment(at, _now_ms()), "", body)
        self._drop_answers(known)

    def put_consents(
        self,
        subject: Subject | str,
        consents: Mapping[str, ConsentState] | Sequence[Consent],
        *,
        source: str = "",
        at: Moment | None = None,
    ) -> None:
        """Say what a subject allows, at most 32 purposes at once, and forget all answers kept for it.

        `consents`: states by purpose, or a list of `Consent`. `source`: where it was said, e.g. "web-banner". `at`:
        when; None: now. The newest word for a purpose holds. Delivered like all feedback, which it outlives in a full
        outbox. Raises InvalidArgument.
        """
        body = _feedback.consents(consents, source)
        known = subject_of(subject)
        self._add(subject, known.id, _feedback.moment(at, _now_ms()), "", body)
        self._drop_answers(known)

    def consent(
        self,
        subject: Subject | str,
        purpose: str,
        state: ConsentState,
        *,
        source: str = "",
        at: Moment | None = None,
    ) -> None:
        """Say what a subject allows for one purpose: `granted`, `denied` or `revoked`. Else as `put_consents`."""
        self.put_consents(subject, [Consent(purpose, state)], source=source, at=at)

    def merge(self, subject: Subject | str, other: Subject | str, *, at: Moment | None = None) -> None:
        """Say that `other` turned out to be `subject`: somebody logged in, or showed a card at the till.

        From then on both ids mean one subject, with all that was known of either. Their aliases are not looked at.
        Answers kept for both are forgotten. Delivered like all feedback, which it outlives in a full outbox. Raises
        InvalidArgument.
        """
        known, joining = subject_of(subject), subject_of(other)
        self._add(subject, known.id, _feedback.moment(at, _now_ms()), "", _feedback.Merge(other))
        self._drop_answers(known)
        self._drop_answers(joining)

    def _end_session(self, session: Subject, until: float) -> bool:
        """Whether the server was reached in time."""
        left = max(0.001, until - time.monotonic())
        try:
            self._transport.unary(_rights.END_SESSION, _rights.end_session_request(session), left)
        except CallFailed as failure:
            self._warn(f"session {failure.code}", "a session was not ended by the server: %s", failure.code)
            return False
        return True

    def _drop_answers(self, subject: Subject) -> None:
        self._cache.drop([subject.id, *(_calls.id_of(alias) for alias in subject.aliases)])

    def _add(
        self,
        subject: Subject | str,
        id_: str,
        at_ms: int,
        purpose: str,
        body: _feedback.Body,
        touchpoint: str = "",
    ) -> None:
        if touchpoint:
            _check.name("touchpoint", touchpoint)
        self._outbox.add(Feedback(subject, at_ms, touchpoint or self._touchpoint, purpose, body))
        self._cache.outdate(id_)
        self._delivery.poke()

    def _forget(self, subject: Subject | str, mark: int) -> None:
        """The subject was erased: drop what is kept of it here, and the feedback that waited before the mark."""
        known = subject_of(subject)
        self._drop_answers(known)
        self._outbox.forget({who(one) for one in (subject, *known.aliases)}, mark)

    # --- decisions

    def _kept(
        self, placement: Any, subject: Subject | str, slots: int | None, context: Mapping[str, Value] | None
    ) -> Decisions | None:
        """A fresh answer kept for this request. Wrong arguments find none."""
        try:
            return self._cache.get(_calls.key_of(placement, subject, slots, context))
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
            flight, new = self._cache.board(ask)
            if new:
                self._fly(flight, max(self._config.deadline, 1.0))

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
        self._cache.land(flight, landing)

    def _conclude(self, ask: Ask, landing: Landing | None) -> Decisions:
        """What the caller gets: the answer, else the last known one, else its own fallback."""
        if isinstance(landing, Answer):
            return self._counted(landing.decisions)
        failure = landing or CallFailed("DEADLINE_EXCEEDED", "the answer was not there in time")
        refused = failure.code in _calls.REFUSALS
        self._note(failure, refused)
        known = None if refused else self._cache.stand_in(ask, failure)
        return self._counted(known or self._fall_back(ask, failure))

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
                flight, first = self._cache.board(ask)
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
            self._cache.land(flight, landing)

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
        )

    def _close(self) -> None:
        self._closed = True
        if self._inherited is not None:  # a forked child that never used it
            return
        self._abandoned.detach()
        self._delivery.close(self._config.outbox_config.close_timeout)

    def _timeout(self, timeout: float | None) -> float:
        return self._config.deadline if timeout is None else _check.seconds("timeout", timeout)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_CLIENTS: weakref.WeakSet[BaseClient] = weakref.WeakSet()
# What a forked child must not share. Of the parent's it must neither use nor destroy any.
_PARTS = ("_transport", "_outbox", "_delivery", "_cache", "_lock", "_reasons", "_errors", "_warned", "_abandoned")
_LEFT_TO_PARENT: list[list[Any]] = []


def _after_fork() -> None:
    EpochLocks.forget_all()
    for client in list(_CLIENTS):
        client._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(close_all)

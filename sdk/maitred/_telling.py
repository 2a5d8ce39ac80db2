"""The verbs that tell what was shown, what happened, and what subjects said: they never wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time_ns

from . import _calls, _check, _feedback
from ._cache import Cache
from ._delivery import Delivery
from ._feedback import Exposure, Feedback
from ._outbox import Outbox
from ._wire import subject_of
from .types import Consent, ConsentState, Decision, Intensity, Moment, Source, Subject, Trait, Value


class Telling:
    """What both clients tell alike. Everything goes into the outbox first, then the cache follows."""

    _cache: Cache
    _outbox: Outbox
    _delivery: Delivery
    _touchpoint: str

    def expose(self, decision: Decision, slots: Sequence[int] | None = None, *, at: Moment | None = None) -> None:
        """Say that choices of a decision were really shown: these slots, or all of them (None).

        Call it at each showing; a showing's number rises when the same decision is shown again. Never waits, never
        raises for an outage or a full outbox. A caller's own fallback is nobody's decision: exposing it does nothing.
        `at`: when it was shown; None: now. Raises InvalidArgument for slots that the decision does not have.
        """
        if not decision.id or (decision.partial and not decision.choices):
            return
        shown = _feedback.shown(decision, slots)
        subject, at_ms = decision.subject, _moment(at)
        id_ = subject if isinstance(subject, str) else subject.id
        number = self._cache.show(decision, id_, shown)
        self._add(subject, id_, at_ms, "", Exposure(decision.id, shown, number, decision.receipt))

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
        at_ms = _moment(at)
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
        self._add(subject, known.id, _moment(at), "", body)
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
        self._add(subject, known.id, _moment(at), "", body)
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

    def set_intensity(
        self, subject: Subject | str, level: Intensity, *, source: str = "", at: Moment | None = None
    ) -> None:
        """Say how much may be used of a subject, and forget all answers kept for it.

        `off`: nothing is chosen for it. `contextual`: where and when only. `explicit`: also what it said itself.
        `full`: all that its consents allow. Else as `put_consents`.
        """
        body = _feedback.intensity(level)
        known = subject_of(subject)
        _check.name("source", source, empty=True)
        self._add(subject, known.id, _moment(at), "", body, source=source)
        self._drop_answers(known)

    def not_for_me(
        self,
        subject: Subject | str,
        *,
        item: str = "",
        group: str = "",
        reason: str = "",
        decision: Decision | None = None,
        at: Moment | None = None,
    ) -> None:
        """The subject does not want to see an item, or anything of a group (one of the two): from this moment on.

        Answers kept here are served without it, also while the server cannot be reached, and so is every answer that
        comes until the server knows of it. `reason`: why, in your own words. `decision`: the one that showed it. Holds
        until `take_back`. Delivered like all feedback, which it outlives in a full outbox. Raises InvalidArgument.
        """
        self._object(subject, _feedback.not_for_me(item, group, reason, decision, withdrawn=False), at)

    def take_back(self, subject: Subject | str, *, item: str = "", group: str = "", at: Moment | None = None) -> None:
        """Take back what was said with `not_for_me`: the item, or the group, may be shown again. Else as there."""
        self._object(subject, _feedback.not_for_me(item, group, "", None, withdrawn=True), at)

    def _object(self, subject: Subject | str, body: _feedback.NotForMe, at: Moment | None) -> None:
        known = subject_of(subject)
        self._add(subject, known.id, _moment(at), "", body)
        change = self._cache.show_again if body.withdrawn else self._cache.hide
        change(_ids(known), body.item, body.group)

    def merge(self, subject: Subject | str, other: Subject | str, *, at: Moment | None = None) -> None:
        """Say that `other` turned out to be `subject`: somebody logged in, or showed a card at the till.

        From then on both ids mean one subject, with all that was known of either. Their aliases are not looked at.
        Answers kept for both are forgotten. Delivered like all feedback, which it outlives in a full outbox. Raises
        InvalidArgument.
        """
        known, joining = subject_of(subject), subject_of(other)
        self._add(subject, known.id, _moment(at), "", _feedback.Merge(other))
        self._drop_answers(known)
        self._drop_answers(joining)

    def _drop_answers(self, subject: Subject) -> None:
        self._cache.drop(_ids(subject))

    def _add(
        self,
        subject: Subject | str,
        id_: str,
        at_ms: int,
        purpose: str,
        body: _feedback.Body,
        touchpoint: str = "",
        source: str = "",
    ) -> None:
        if touchpoint:
            _check.name("touchpoint", touchpoint)
        self._outbox.add(Feedback(subject, at_ms, touchpoint or self._touchpoint, purpose, body, source))
        self._cache.outdate(id_)
        self._delivery.poke()


def _ids(subject: Subject) -> list[str]:
    return [subject.id, *(_calls.id_of(alias) for alias in subject.aliases)]


def _moment(at: Moment | None) -> int:
    """When it happened, in ms: as given, or now."""
    return time_ns() // 1_000_000 if at is None else _check.moment("at", at)

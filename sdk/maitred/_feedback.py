"""Feedback before it is sent: what was shown, what happened, what was learned, and how each is encoded. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

from . import _check
from ._wire import wire_consent, wire_subject, wire_trait, wire_values
from .errors import InvalidArgument
from .types import INTENSITIES, Choice, Consent, Decision, Subject, Trait
from .v1 import feedback_pb2, types_pb2

MAX_EVENT_BYTES = 64 * 1024
_USUAL_BYTES = 192  # ids, names and numbers of an event, roughly


class Rank(IntEnum):
    """Kinds of feedback by how dear they are: when the outbox is full, the lowest goes first."""

    EXPOSURE = 0
    EVENT = 1
    OUTCOME = 2
    TRAITS = 3
    CONSENTS = 4
    MERGE = 5
    NOT_FOR_ME = 6

    @property
    def word(self) -> str:
        """Its name in statistics."""
        return self.name.lower()


class Exposure(NamedTuple):
    """Slots of a decision were shown."""

    decision_id: str
    slots: tuple[int, ...]
    showing: int
    receipt: bytes

    @property
    def size(self) -> int:
        return _USUAL_BYTES + len(self.receipt)

    def fill(self, event: feedback_pb2.FeedbackEvent) -> None:
        shown = event.exposure
        shown.decision_id, shown.showing_number, shown.receipt = self.decision_id, self.showing, self.receipt
        shown.slots.extend(self.slots)


class Outcome(NamedTuple):
    """What happened after a decision."""

    type: str
    value: float
    item: str
    variant: str
    decision_id: str
    receipt: bytes

    @property
    def size(self) -> int:
        return _USUAL_BYTES + len(self.receipt)

    def fill(self, event: feedback_pb2.FeedbackEvent) -> None:
        happened = event.outcome
        happened.type, happened.value, happened.item, happened.variant = self.type, self.value, self.item, self.variant
        happened.decision_id, happened.receipt = self.decision_id, self.receipt


class Event(NamedTuple):
    """Something that no decision led to. `attributes` are in wire form already."""

    type: str
    value: float
    item: str
    variant: str
    quantity: int
    attributes: Mapping[str, types_pb2.Value]

    @property
    def size(self) -> int:
        return _USUAL_BYTES + _bytes_of(self.attributes) if self.attributes else _USUAL_BYTES

    def fill(self, event: feedback_pb2.FeedbackEvent) -> None:
        happened = event.event
        happened.type, happened.value, happened.item, happened.variant = self.type, self.value, self.item, self.variant
        happened.quantity = self.quantity
        for key, value in self.attributes.items():
            happened.attributes[key].CopyFrom(value)


class Traits(NamedTuple):
    """Traits were learned or changed; in wire form already."""

    traits: tuple[types_pb2.Trait, ...]

    @property
    def size(self) -> int:
        return _USUAL_BYTES + sum(trait.ByteSize() for trait in self.traits)

    def fill(self, event: feedback_pb2.FeedbackEvent) -> None:
        event.traits.traits.extend(self.traits)


class Consents(NamedTuple):
    """The subject said what it allows; in wire form already. `intensity` 0: not said."""

    consents: tuple[types_pb2.Consent, ...]
    intensity: int = 0

    @property
    def size(self) -> int:
        return _USUAL_BYTES + sum(consent.ByteSize() for consent in self.consents)

    def fill(self, event: feedback_pb2.FeedbackEvent) -> None:
        event.consents.consents.extend(self.consents)
        level: Any = self.intensity
        event.consents.intensity = level


class Merge(NamedTuple):
    """Another subject turned out to be this one."""

    other: Subject | str

    @property
    def size(self) -> int:
        return 2 * _USUAL_BYTES

    def fill(self, event: feedback_pb2.FeedbackEvent) -> None:
        event.merge.other.CopyFrom(wire_subject(self.other))


class NotForMe(NamedTuple):
    """The subject does not want to see an item, or a group's; or takes that back."""

    item: str
    group: str
    reason: str
    withdrawn: bool
    decision_id: str

    @property
    def size(self) -> int:
        return _USUAL_BYTES + 4 * len(self.reason)

    def fill(self, event: feedback_pb2.FeedbackEvent) -> None:
        said = event.not_for_me
        said.item, said.group, said.reason = self.item, self.group, self.reason
        said.withdrawn, said.decision_id = self.withdrawn, self.decision_id


Body: TypeAlias = Exposure | Outcome | Event | Traits | Consents | Merge | NotForMe

RANKS: dict[type[Any], Rank] = {
    Exposure: Rank.EXPOSURE,
    Event: Rank.EVENT,
    Outcome: Rank.OUTCOME,
    Traits: Rank.TRAITS,
    Consents: Rank.CONSENTS,
    Merge: Rank.MERGE,
    NotForMe: Rank.NOT_FOR_ME,
}


class Feedback(NamedTuple):
    """One piece of feedback about one subject."""

    subject: Subject | str
    at_ms: int
    touchpoint: str
    purpose: str
    body: Body
    source: str = ""

    def encode(self, sequence: int) -> bytes:
        """The FeedbackEvent with this number."""
        event = feedback_pb2.FeedbackEvent(
            sequence=sequence,
            subject=wire_subject(self.subject),
            occurred_at_ms=self.at_ms,
            touchpoint=self.touchpoint,
            purpose=self.purpose,
            source=self.source,
        )
        self.body.fill(event)
        return event.SerializeToString()


def shown(decision: Decision, slots: Sequence[int] | None) -> tuple[int, ...]:
    """The slots that were shown, of these (None: all); () is all that the server decided.

    Raises InvalidArgument for a slot that the decision does not have.
    """
    if slots is None:
        return tuple([choice.slot for choice in decision.choices]) if decision.partial else ()
    return _named(decision, slots)


def _named(decision: Decision, slots: Sequence[int]) -> tuple[int, ...]:
    known = {choice.slot for choice in decision.choices}
    shown = tuple(_check.whole("slots", slot, 0, _check.MAX_SLOTS - 1) for slot in slots)
    if not shown or not known.issuperset(shown):
        raise InvalidArgument("slots", "must name slots of the decision, at least one")
    return shown


def happened(
    type_: str,
    item: str,
    variant: str | None,
    value: float,
    quantity: int,
    attributes: Mapping[str, Any] | None,
    decision: Decision | None,
) -> Outcome | Event:
    """An outcome when a server's decision offered the item, else an event. Raises InvalidArgument."""
    _check.name("type", type_)
    _check.name("item", item, empty=decision is None)
    if variant:
        _check.name("variant", variant)
    value = _check.number("value", value)
    offered = None if decision is None or not decision.id else _offered(decision, item)
    if decision is None or offered is None:
        return _event(type_, item, variant, value, quantity, attributes)
    if quantity != 1 or attributes:
        given = "attributes" if attributes else "quantity"
        raise InvalidArgument(given, "belongs to events; an outcome of a decision carries none")
    chosen = offered.variant if variant is None else variant
    return Outcome(type_, value, item, chosen, decision.id, decision.receipt)


def _event(
    type_: str, item: str, variant: str | None, value: float, quantity: int, attributes: Mapping[str, Any] | None
) -> Event:
    if quantity != 1:
        quantity = _check.whole("quantity", quantity, 1, _check.MAX_QUANTITY)
    if not attributes:
        return Event(type_, value, item, variant or "", quantity, {})
    converted = wire_values("attributes", attributes, _check.MAX_ATTRIBUTES)
    if _bytes_of(converted) > MAX_EVENT_BYTES:
        raise InvalidArgument("attributes", f"are bigger than {MAX_EVENT_BYTES} bytes")
    return Event(type_, value, item, variant or "", quantity, converted)


def _offered(decision: Decision, item: str) -> Choice | None:
    return next((choice for choice in decision.choices if choice.item == item), None)


def traits(given: object, source: str, purpose: str) -> Traits:
    """Traits of one subject, from values by name or a list of `Trait`. Raises InvalidArgument."""
    if isinstance(given, Mapping):
        given = [Trait(name, value) for name, value in given.items()]
    listed = _check.sequence("traits", given, _check.MAX_TRAITS)
    if not listed:
        raise InvalidArgument("traits", "must not be empty")
    body = Traits(tuple(wire_trait(_trait(one), source, purpose) for one in listed))
    if body.size > MAX_EVENT_BYTES:
        raise InvalidArgument("traits", f"are bigger than {MAX_EVENT_BYTES} bytes")
    return body


def _trait(value: object) -> Trait:
    if not isinstance(value, Trait):
        raise InvalidArgument("traits", f"must hold Trait values, not {type(value).__name__}")
    return value


def consents(given: object, source: str) -> Consents:
    """Consents of one subject, from states by purpose or a list of `Consent`. Raises InvalidArgument."""
    if isinstance(given, Mapping):
        given = [Consent(purpose, state) for purpose, state in given.items()]
    listed = _check.sequence("consents", given, _check.MAX_CONSENTS)
    if not listed:
        raise InvalidArgument("consents", "must not be empty")
    return Consents(tuple(wire_consent(one, source) for one in listed))


def intensity(level: object) -> Consents:
    """How much may be used of a subject. Raises InvalidArgument."""
    if level not in INTENSITIES[1:]:
        raise InvalidArgument("level", f"must be one of {', '.join(INTENSITIES[1:])}")
    return Consents((), INTENSITIES.index(level))


def not_for_me(item: object, group: object, reason: object, decision: Decision | None, *, withdrawn: bool) -> NotForMe:
    """What a subject does not want to see: an item or a group. Raises InvalidArgument."""
    said = NotForMe(
        item=_check.name("item", item, empty=True),
        group=_check.name("group", group, empty=True),
        reason=_check.text("reason", reason, _check.MAX_TEXT_BYTES, empty=True),
        withdrawn=withdrawn,
        decision_id=decision.id if decision is not None else "",
    )
    if bool(said.item) == bool(said.group):
        raise InvalidArgument("item", "or group must be given: one of them")
    return said


def _bytes_of(values: Mapping[str, types_pb2.Value]) -> int:
    return sum(len(key) * 4 + value.ByteSize() + 8 for key, value in values.items()) if values else 0

"""What a `FakeTransport` was asked and told, as values that are easily compared; and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .types import INTENSITIES, KINDS, STATES
from .v1 import decision_pb2, feedback_pb2, types_pb2


@dataclass(frozen=True)
class Asked:
    """A placement that a client asked for."""

    placement: str
    subject: str
    kind: str
    context: Mapping[str, object]
    slots: int
    """0: as many as there are."""
    pending: int
    """How many unacknowledged events came along."""
    at_ms: int
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Arms by layer that were asked for."""


@dataclass(frozen=True)
class Shown:
    """An exposure that was delivered."""

    subject: str
    placement: str
    decision_id: str
    slots: tuple[int, ...]
    showing: int


@dataclass(frozen=True)
class Happened:
    """An outcome (with a decision id) or an event (without) that was delivered."""

    type: str
    subject: str
    item: str
    variant: str
    value: float
    decision_id: str = ""
    quantity: int = 1
    attributes: Mapping[str, object] = field(default_factory=dict)
    touchpoint: str = ""
    occurred_at_ms: int = 0


@dataclass(frozen=True)
class Learned:
    """A trait that was delivered. `value` None: removed."""

    subject: str
    name: str
    value: object
    purpose: str = ""


@dataclass(frozen=True)
class Said:
    """A consent that was delivered."""

    subject: str
    purpose: str
    state: str
    source: str = ""
    observed_at_ms: int = 0


@dataclass(frozen=True)
class Merged:
    """A merge that was delivered."""

    subject: str
    other: str


@dataclass(frozen=True)
class Allowed:
    """How much may be used of a subject, as it was delivered: "off", "contextual", "explicit" or "full"."""

    subject: str
    intensity: str


@dataclass(frozen=True)
class Objected:
    """What was delivered of what a subject does not want to see; `withdrawn`: it was taken back."""

    subject: str
    item: str
    group: str
    reason: str = ""
    withdrawn: bool = False
    decision_id: str = ""


def asked(request: decision_pb2.DecideRequest, wanted: decision_pb2.PlacementRequest) -> Asked:
    return Asked(
        placement=wanted.placement,
        subject=request.subject.id,
        kind=KINDS[request.subject.kind],
        context={key: plain_value(value) for key, value in request.context.items()},
        slots=wanted.slots,
        pending=len(request.pending.events),
        at_ms=request.at_ms,
        overrides=dict(request.overrides),
    )


def outcome(event: feedback_pb2.FeedbackEvent) -> Happened:
    told = event.outcome
    return Happened(
        type=told.type,
        subject=event.subject.id,
        item=told.item,
        variant=told.variant,
        value=told.value,
        decision_id=told.decision_id,
        touchpoint=event.touchpoint,
        occurred_at_ms=event.occurred_at_ms,
    )


def event(event: feedback_pb2.FeedbackEvent) -> Happened:
    told = event.event
    return Happened(
        type=told.type,
        subject=event.subject.id,
        item=told.item,
        variant=told.variant,
        value=told.value,
        quantity=told.quantity,
        attributes={key: plain_value(value) for key, value in told.attributes.items()},
        touchpoint=event.touchpoint,
        occurred_at_ms=event.occurred_at_ms,
    )


def said(subject: str, told: types_pb2.Consent) -> Said:
    return Said(subject, told.purpose, STATES[told.state], told.source, told.observed_at_ms)


def plain_value(value: types_pb2.Value) -> object:
    """A time as milliseconds, texts as a list, everything else as itself."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    return list(value.texts.texts) if kind == "texts" else getattr(value, kind)


def learned(subject: str, told: types_pb2.Trait) -> Learned:
    return Learned(subject, told.name, plain_value(told.value), told.purpose)


def allowed(subject: str, told: feedback_pb2.ConsentsPut) -> Allowed:
    return Allowed(subject, INTENSITIES[told.intensity])


def objected(event: feedback_pb2.FeedbackEvent) -> Objected:
    told = event.not_for_me
    return Objected(event.subject.id, told.item, told.group, told.reason, told.withdrawn, told.decision_id)

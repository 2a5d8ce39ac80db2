"""Values of the SDK in wire form: subjects, typed values, and messages put together from encoded parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from . import _check
from .errors import InvalidArgument
from .types import KINDS, SOURCES, STATES, Consent, Subject, Trait
from .v1 import feedback_pb2, types_pb2

BATCH_IN_REQUEST = 1  # field of the batch in StreamRequest and RecordRequest
PENDING_IN_DECIDE = 4  # field of the batch in DecideRequest
REQUESTS_IN_BATCH = 1  # field of the requests in DecideBatchRequest
_EVENTS_IN_BATCH = 3
_MAX_MEMBER_BYTES = 256


def subject_of(value: object) -> Subject:
    """The subject that an argument means. Raises InvalidArgument."""
    return value if isinstance(value, Subject) else Subject(_check.subject_id("subject", value))


def wire_subject(subject: Subject | str) -> types_pb2.Subject:
    if isinstance(subject, str):
        return types_pb2.Subject(id=subject)
    kind: Any = KINDS.index(subject.kind)
    return types_pb2.Subject(kind=kind, id=subject.id, aliases=[_wire_alias(a) for a in subject.aliases])


def _wire_alias(alias: Subject | str) -> types_pb2.SubjectAlias:
    same = wire_subject(alias)
    return types_pb2.SubjectAlias(kind=same.kind, id=same.id)


def wire_value(argument: str, value: object) -> types_pb2.Value:
    """A typed value. Raises InvalidArgument naming `argument`."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return types_pb2.Value(flag=value)
    if isinstance(value, str):
        return types_pb2.Value(text=_check.text(argument, value, _check.MAX_TEXT_BYTES, empty=True))
    if isinstance(value, datetime):
        return types_pb2.Value(time_ms=_check.moment(argument, value))
    if isinstance(value, (list, tuple)):
        return types_pb2.Value(texts=types_pb2.TextList(texts=_members(argument, value)))
    return types_pb2.Value(number=_check.number(argument, value))


def _members(argument: str, values: object) -> list[str]:
    members = _check.sequence(argument, values, _check.MAX_TEXTS)
    return [_check.text(argument, member, _MAX_MEMBER_BYTES, empty=True) for member in members]


def wire_values(argument: str, values: object, most: int) -> dict[str, types_pb2.Value]:
    """Typed values by name, at most `most`."""
    checked: Mapping[str, object] = _check.mapping(argument, values, most)
    return {key: wire_value(f"{argument}[{key!r}]", value) for key, value in checked.items()}


def wire_trait(trait: Trait, source: str, purpose: str) -> types_pb2.Trait:
    """One trait; what it leaves open is taken from `source` and `purpose`."""
    argument = f"traits[{_check.name('trait name', trait.name)!r}]"
    number: Any = _source_number(trait.source or source)
    return types_pb2.Trait(
        name=trait.name,
        value=None if trait.value is None else wire_value(argument, trait.value),
        source=number,
        purpose=_check.purpose("purpose", trait.purpose or purpose, empty=True),
        observed_at_ms=0 if trait.observed_at is None else _check.moment(argument, trait.observed_at),
    )


def _source_number(source: str) -> int:
    if source not in SOURCES:
        raise InvalidArgument("source", f"must be one of {', '.join(SOURCES[1:])}")
    return SOURCES.index(source)


def wire_consent(given: object, source: str) -> types_pb2.Consent:
    """One consent; where it was said is taken from `source` when it does not say so itself."""
    if not isinstance(given, Consent):
        raise InvalidArgument("consents", f"must hold Consent values, not {type(given).__name__}")
    argument = f"consents[{_check.purpose('consent purpose', given.purpose)!r}]"
    if given.state not in STATES[1:]:
        raise InvalidArgument(argument, f"must be one of {', '.join(STATES[1:])}")
    state: Any = STATES.index(given.state)
    return types_pb2.Consent(
        purpose=given.purpose,
        state=state,
        source=_check.name("source", given.source or source, empty=True),
        observed_at_ms=0 if given.observed_at is None else _check.moment(argument, given.observed_at),
    )


def wire_batch(client: str, epoch: int, events: Iterable[bytes]) -> bytes:
    """A FeedbackBatch of events that are encoded already."""
    head = feedback_pb2.FeedbackBatch(client=client, epoch=epoch).SerializeToString()
    return head + b"".join([field(_EVENTS_IN_BATCH, event) for event in events])


def field(number: int, message: bytes) -> bytes:
    """An encoded message as a field of another: encoded fields can simply be strung together."""
    return _varint(number << 3 | 2) + _varint(len(message)) + message


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

"""Between the wire's messages and our nouns. Pure; every check of a single field is here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, cast
from uuid import UUID

from google.protobuf.message import DecodeError, Message
from maitred.v1 import admin_pb2, feedback_pb2, types_pb2

from maitred_server.errors import InvalidRequest
from maitred_server.model import (
    Consent,
    ConsentState,
    Intensity,
    Item,
    Kind,
    LiveState,
    Objection,
    StateChange,
    Trait,
    TraitSource,
    Value,
    Variant,
)
from maitred_server.store.consents import INTENSITY_PREFIX, OBJECTION_PREFIX
from maitred_server.subjects.consent import as_consents, is_reserved

NAME_BYTES = 128
ID_BYTES = 256
TEXT_BYTES = 1024
LIST_TEXTS, LIST_TEXT_BYTES = 64, 256
MAX_CONTEXT = 64
MAX_ATTRIBUTES = 32
MAX_ALIASES = 8
MAX_TRAITS = 64
MAX_CONSENTS = 32
MAX_OVERRIDES = 101  # as many layers as a playbook can have, and the holdout
MAX_VARIANTS, MAX_GROUPS, CONTENT_BYTES = 32, 16, 16_384
MAX_FITS = 64  # devices, locales or formats of a variant
MIN_TIME_MS, MAX_TIME_MS = -2_208_988_800_000, 7_258_118_400_000  # years 1900 and 2200

_KINDS = {int(kind): kind for kind in Kind}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
M = TypeVar("M", bound=Message)
N = TypeVar("N", int, float)


def parse(message: type[M], data: bytes) -> M:
    """Bytes to a message. Raises InvalidRequest for bytes that are none, invalid UTF-8 and too deep nesting alike."""
    try:
        return message.FromString(data)
    except DecodeError:
        raise InvalidRequest(
            f"these bytes are no maitred.v1.{message.DESCRIPTOR.name} (or hold text that is not UTF-8)"
        ) from None


def is_short_name(text: str) -> bool:
    """Whether a quick look is enough to know that it is a name: so it is with nearly all of them."""
    return 0 < len(text) <= NAME_BYTES // 4 and text.isprintable()


def name(text: str, field: str, *, required: bool = True) -> str:
    """A name as it may stand in playbooks and keys."""
    if is_short_name(text):
        return text
    if not text:
        if required:
            raise InvalidRequest(f"{field} is missing", field)
        return text
    if len(text) > NAME_BYTES // 4 and len(text.encode()) > NAME_BYTES:
        raise InvalidRequest(f"{field} is longer than {NAME_BYTES} bytes", field)
    if _CONTROL.search(text):
        raise InvalidRequest(f"{field} has a control character", field)
    return text


def purpose(text: str, field: str, *, required: bool = True) -> str:
    """A purpose as people may name it: some names are the server's own."""
    if is_reserved(text):
        raise InvalidRequest(
            f"{field} must not begin with `{OBJECTION_PREFIX}` or `{INTENSITY_PREFIX}`: "
            "say it with `not_for_me` or `intensity`",
            field,
        )
    return name(text, field, required=required)


def subject_id(text: str, field: str) -> str:
    """A raw id; the message never repeats it."""
    if not text:
        raise InvalidRequest(f"{field} is missing: 1 to {ID_BYTES} bytes", field)
    if len(text) > ID_BYTES // 4 and len(text.encode()) > ID_BYTES:
        raise InvalidRequest(f"{field} is longer than {ID_BYTES} bytes", field)
    return text


def kind(number: int, default: Kind, field: str) -> Kind:
    if number == 0:
        return default
    found = _KINDS.get(number)
    if found is None:
        raise InvalidRequest(f"{field} {number} is unknown; known are 1 to {max(Kind)}", field)
    return found


def finite(number: float, field: str) -> float:
    if not math.isfinite(number):
        raise InvalidRequest(f"{field} must be a finite number", field)
    return number


def moment(time_ms: int, field: str) -> int:
    if not MIN_TIME_MS <= time_ms < MAX_TIME_MS:
        raise InvalidRequest(f"{field} must be milliseconds since 1970, between the years 1900 and 2200", field)
    return time_ms


def value(wire: types_pb2.Value, field: str) -> Value:
    """A typed value."""
    member = wire.WhichOneof("value")
    if member == "text":
        return _text(wire.text, TEXT_BYTES, field)
    if member == "number":
        return finite(wire.number, field)
    if member == "flag":
        return wire.flag
    if member == "texts":
        return _texts(wire.texts.texts, field)
    if member == "time_ms":
        return moment(wire.time_ms, field)
    raise InvalidRequest(f"{field} has no value; set text, number, flag, texts or time_ms", field)


def plain_value(plain: bool | float | str | Sequence[str], field: str) -> Value:
    """A value as JSON has it. Moments are not among them: there they are texts or numbers."""
    if isinstance(plain, str):
        return _text(plain, TEXT_BYTES, field)
    if isinstance(plain, bool):
        return plain
    if isinstance(plain, int | float):
        return finite(float(plain), field)
    return _texts(plain, field)


def _texts(texts: Sequence[str], field: str) -> tuple[str, ...]:
    if len(texts) > LIST_TEXTS:
        raise InvalidRequest(f"{field} has {len(texts)} texts; at most {LIST_TEXTS} are allowed", field)
    return tuple(_text(text, LIST_TEXT_BYTES, field) for text in texts)


def _text(text: str, limit: int, field: str) -> str:
    if len(text) > limit // 4 and len(text.encode()) > limit:
        raise InvalidRequest(f"{field} is longer than {limit} bytes", field)
    return text


def values(wire: Mapping[str, types_pb2.Value], limit: int, field: str) -> dict[str, Value]:
    """A map of typed values by name."""
    if not wire:
        return {}
    if len(wire) > limit:
        raise InvalidRequest(f"{field} has {len(wire)} keys; at most {limit} are allowed", field)
    key_field = f"{field} key"
    return {name(key, key_field): _value(wire[key], field, key) for key in wire}


def _value(wire: types_pb2.Value, field: str, key: str) -> Value:
    """The value of a key. Short texts, which most are, need no closer look."""
    text = wire.text  # empty, when it is no text
    return text if 0 < len(text) <= TEXT_BYTES // 4 else value(wire, f"{field}[{key}]")


def trait(wire: types_pb2.Trait, now: int, field: str) -> Trait:
    return Trait(
        name=name(wire.name, f"{field}.name"),
        value=value(wire.value, f"{field}.value") if wire.HasField("value") else None,
        source=_source(wire.source, f"{field}.source"),
        purpose=purpose(wire.purpose, f"{field}.purpose", required=False) or "service",
        observed_at=moment(wire.observed_at_ms, f"{field}.observed_at_ms") or now,
    )


def overrides(wire: Mapping[str, str]) -> dict[str, str]:
    """Arms by layer, as far as their form goes; no arm is ""."""
    if len(wire) > MAX_OVERRIDES:
        raise InvalidRequest(f"overrides has {len(wire)} layers; at most {MAX_OVERRIDES} are allowed", "overrides")
    return {
        name(layer, "overrides key"): name(arm, f"overrides[{layer}]", required=False) for layer, arm in wire.items()
    }


def _source(number: int, field: str) -> TraitSource:
    if number == 0:
        return TraitSource.INFERRED
    try:
        return TraitSource(number)
    except ValueError:
        raise InvalidRequest(f"{field} {number} is unknown; known are 1 to {max(TraitSource)}", field) from None


def traits(wire: Iterable[types_pb2.Trait], now: int, field: str) -> tuple[Trait, ...]:
    found = tuple(trait(item, now, f"{field}[{number}]") for number, item in enumerate(wire))
    if not 1 <= len(found) <= MAX_TRAITS:
        raise InvalidRequest(f"{field} must hold 1 to {MAX_TRAITS} traits", field)
    return found


def consent(wire: types_pb2.Consent, now: int, field: str) -> Consent:
    return Consent(
        purpose=purpose(wire.purpose, f"{field}.purpose"),
        state=_state(wire.state, f"{field}.state"),
        source=name(wire.source, f"{field}.source", required=False),
        observed_at=moment(wire.observed_at_ms, f"{field}.observed_at_ms") or now,
    )


def _state(number: int, field: str) -> ConsentState:
    try:
        return ConsentState(number)
    except ValueError:
        raise InvalidRequest(f"{field} must be GRANTED, DENIED or REVOKED: 1 to 3", field) from None


def consents(wire: Iterable[types_pb2.Consent], intensity: int, now: int, field: str) -> tuple[Consent, ...]:
    """What was said about purposes, and how much may be used (0: not said)."""
    found = tuple(consent(item, now, f"{field}[{number}]") for number, item in enumerate(wire))
    if len(found) > MAX_CONSENTS or not (found or intensity):
        raise InvalidRequest(f"{field} must hold 1 to {MAX_CONSENTS} consents, or none and an intensity", field)
    return (*found, *as_consents(_intensity(intensity, field), now)) if intensity else found


def _intensity(number: int, field: str) -> Intensity:
    try:
        return Intensity(number)
    except ValueError:
        field = f"{field.rpartition('.')[0]}.intensity".lstrip(".")
        raise InvalidRequest(f"{field} {number} is unknown; known are 1 to {max(Intensity)}", field) from None


def objection(wire: feedback_pb2.NotForMe, field: str) -> Objection:
    if bool(wire.item) == bool(wire.group):
        raise InvalidRequest(f"{field} must name an item or a group: one of them", f"{field}.item")
    return Objection(
        item=name(wire.item, f"{field}.item", required=False),
        group=name(wire.group, f"{field}.group", required=False),
        reason=_text(wire.reason, TEXT_BYTES, f"{field}.reason"),
        withdrawn=wire.withdrawn,
        decision_id=name(wire.decision_id, f"{field}.decision_id", required=False),
    )


def foreign_id(text: str, field: str) -> UUID:
    """A UUID version 7."""
    try:
        uuid = UUID(text)
    except ValueError:
        uuid = None
    if uuid is None or uuid.version != 7:
        raise InvalidRequest(f"{field} must be a UUID version 7, as 01890a5d-ac96-774b-bcce-b302099a8057", field)
    return uuid


def item(wire: admin_pb2.Item, field: str) -> Item:
    if len(wire.groups) > MAX_GROUPS:
        raise InvalidRequest(f"{field}.groups has more than {MAX_GROUPS} groups", f"{field}.groups")
    if len(wire.variants) > MAX_VARIANTS:
        raise InvalidRequest(f"{field}.variants has more than {MAX_VARIANTS} variants", f"{field}.variants")
    variants = tuple(_variant(variant, f"{field}.variants[{number}]") for number, variant in enumerate(wire.variants))
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise InvalidRequest(f"{field}.variants have a name twice", f"{field}.variants")
    return Item(
        id=name(wire.id, f"{field}.id"),
        groups=tuple(name(group, f"{field}.groups") for group in wire.groups),
        attributes=values(wire.attributes, MAX_ATTRIBUTES, f"{field}.attributes"),
        variants=variants or (Variant(),),
    )


def _variant(wire: admin_pb2.ItemVariant, field: str) -> Variant:
    content_type = name(wire.content_type, f"{field}.content_type", required=False) or "application/json"
    if wire.template != bool(wire.plain):
        advice = "a template needs `plain`" if wire.template else "only a template has `plain`; set `template`"
        raise InvalidRequest(f"{field}.plain: {advice}", f"{field}.plain")
    return Variant(
        name=name(wire.name, f"{field}.name", required=False),
        content=_content(wire.content, f"{field}.content"),
        content_type=content_type,
        devices=_fits(wire.devices, f"{field}.devices"),
        locales=_fits(wire.locales, f"{field}.locales"),
        formats=_fits(wire.formats, f"{field}.formats"),
        template=wire.template,
        plain=_content(wire.plain, f"{field}.plain"),
    )


def _content(content: bytes, field: str) -> bytes:
    if len(content) > CONTENT_BYTES:
        raise InvalidRequest(f"{field} is longer than {CONTENT_BYTES} bytes", field)
    return content


def _fits(names: Sequence[str], field: str) -> tuple[str, ...]:
    if len(names) > MAX_FITS:
        raise InvalidRequest(f"{field} has {len(names)} names; at most {MAX_FITS} are allowed", field)
    return tuple(name(one, field) for one in names)


def state_change(wire: admin_pb2.ItemState, field: str) -> StateChange:
    if bool(wire.item) == bool(wire.group):
        raise InvalidRequest(f"{field} must name an item or a group: one of them", f"{field}.item")
    return StateChange(
        item=name(wire.item, f"{field}.item", required=False),
        group=name(wire.group, f"{field}.group", required=False),
        stock=_not_negative(wire.stock, f"{field}.stock") if wire.HasField("stock") else None,
        price=_not_negative(finite(wire.price, f"{field}.price"), f"{field}.price") if wire.HasField("price") else None,
        paused=wire.paused if wire.HasField("paused") else None,
        kill=wire.kill if wire.HasField("kill") else None,
        reset=wire.reset,
    )


def _not_negative(number: N, field: str) -> N:
    if number < 0:
        raise InvalidRequest(f"{field} must not be negative", field)
    return number


def state_to_wire(state: LiveState) -> admin_pb2.ItemState:
    """All that is in force; handed back with `reset` it is the same state again."""
    return admin_pb2.ItemState(
        item=state.item, group=state.group, stock=state.stock, price=state.price, paused=state.paused, kill=state.kill
    )


def value_to_wire(item: Value) -> types_pb2.Value:
    if isinstance(item, bool):
        return types_pb2.Value(flag=item)
    if isinstance(item, int):
        return types_pb2.Value(time_ms=item)
    if isinstance(item, float):
        return types_pb2.Value(number=item)
    if isinstance(item, str):
        return types_pb2.Value(text=item)
    return types_pb2.Value(texts=types_pb2.TextList(texts=item))


def trait_to_wire(item: Trait) -> types_pb2.Trait:
    return types_pb2.Trait(
        name=item.name,
        value=None if item.value is None else value_to_wire(item.value),
        source=cast(types_pb2.TraitSource, int(item.source)),
        purpose=item.purpose,
        observed_at_ms=item.observed_at,
    )


def consent_to_wire(item: Consent) -> types_pb2.Consent:
    return types_pb2.Consent(
        purpose=item.purpose,
        state=cast(types_pb2.ConsentState, int(item.state)),
        source=item.source,
        observed_at_ms=item.observed_at,
    )

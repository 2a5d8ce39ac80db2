"""Everything that is kept about one subject, as plain values that JSON can hold."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from maitred_server.errors import NothingKept
from maitred_server.model import (
    Consent,
    Consents,
    Event,
    Exposure,
    Kind,
    Merge,
    Objection,
    Outcome,
    Record,
    SubjectKey,
    Trait,
    Traits,
    Unmerge,
)
from maitred_server.store import AnyStore, Profile
from maitred_server.store.keys import (
    ALL_PLACEMENTS_KEY,
    action_key,
    brand_of,
    channel_key,
    group_key,
    item_key,
    placement_key,
)
from maitred_server.subjects.consent import intensity_of, is_reserved, objected
from maitred_server.subjects.words import in_words

FORMAT = "maitred.export/1"
FIXED_POINT = 4_096  # what 1.0 is in features
PAGE = 1_000  # records that are read at once

Json: TypeAlias = dict[str, Any]
Records: TypeAlias = Sequence[tuple[int, Record]]


class About(NamedTuple):
    """What a counter is about; one of item, group, placement and channel is set, or none: all of its type."""

    item: str = ""
    variant: str = ""
    group: str = ""
    placement: str = ""  # "*": all of them together
    channel: str = ""


class Naming(NamedTuple):
    """Names for what is kept by number: of a counter type's code, and of keys."""

    type: Callable[[int], str]
    about: Callable[[int], About]


def export(
    store: AnyStore,
    subject: SubjectKey,
    arms: Sequence[tuple[str, str]],
    naming: Callable[[Profile], Naming],
    at_ms: int,
) -> Json:
    """All that is kept of the subject that a key leads to, with the arms it is in now. Raises NothingKept."""
    found = store.find(subject)
    if found is None:
        raise NothingKept("nothing is kept of this subject", "subject")
    profile, records = found.profile, list(_history(store, found.subject))
    keys = store.members(found.subject)
    names = naming(profile)
    return {
        "format": FORMAT,
        "exported_at": moment(at_ms),
        "brand": brand_of(found.subject),
        "subject": _subject(profile, keys),
        "traits": [_trait(trait) for _, trait in sorted(profile.traits.items())],
        "consents": [_consent(profile.consents[purpose]) for purpose in sorted(profile.consents)],
        "intensity": None if profile.intensity is None else profile.intensity.name.lower(),
        "objections": [
            {"item": one.item, "group": one.group, "since": moment(one.since)}
            for one in objected(profile.stored_consents)
        ],
        "arms": [{"layer": layer, "arm": arm} for layer, arm in arms],
        "counters": _counters(profile, names, _met(records)),
        "history": [_record(sequence, record) for sequence, record in records],
    }


def as_json(exported: Json) -> bytes:
    """As one UTF-8 JSON document; docs/export.schema.json is its schema."""
    return json.dumps(exported, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def moment(at_ms: int) -> str | None:
    """A time in words that machines read too, UTC; None for a time that is not known."""
    if not at_ms:
        return None
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _history(store: AnyStore, subject: SubjectKey) -> Iterator[tuple[int, Record]]:
    after = 0
    while page := store.read_subject(subject, after, PAGE):
        yield from page
        after = page[-1][0]


def _subject(profile: Profile, keys: Sequence[SubjectKey]) -> Json:
    return {
        "kind": profile.kind.name.lower(),
        "pseudonym": pseudonym(keys[0]),
        "aliases": [pseudonym(key) for key in keys[1:]],
        "merged": profile.merged,
        "first_seen": moment(profile.first_seen),
        "last_seen": moment(profile.last_seen),
        "records_by_kind": {name: number for name, number in profile.totals.items() if number},
        "left_out_for_lack_of_room": profile.evicted,
    }


def pseudonym(key: SubjectKey) -> str:
    """What a subject is kept under, without its brand; the id itself is not kept."""
    return key[1 + key[0] :].hex()


def _trait(trait: Trait) -> Json:
    return {
        "name": trait.name,
        "value": list(trait.value) if isinstance(trait.value, tuple) else trait.value,
        "source": trait.source.name.lower(),
        "purpose": trait.purpose,
        "observed_at": moment(trait.observed_at),
    }


def _consent(consent: Consent) -> Json:
    return {
        "purpose": consent.purpose,
        "state": consent.state.name.lower(),
        "source": consent.source,
        "observed_at": moment(consent.observed_at),
    }


def _counters(profile: Profile, names: Naming, met: Mapping[int, About]) -> list[Json]:
    """Most frequent first. An item in its only variant is counted under two keys; it is told once."""
    told: dict[tuple[str, About], Json] = {}
    table = profile.counters()
    columns = (table.types, table.keys, table.counts, table.quantities, table.values, table.first, table.last)
    for code, key, count, quantity, value, first, last in zip(*(one.tolist() for one in columns), strict=True):
        about = met.get(key) or names.about(key)
        told[names.type(code), about] = {
            "type": names.type(code),
            **about._asdict(),
            "count": count,
            "quantity": quantity,
            "value": value,
            "first": moment(first),
            "last": moment(last),
        }
    return sorted(told.values(), key=lambda one: (-one["count"], one["type"], one["group"], one["item"]))


def _met(records: Records) -> dict[int, About]:
    """Names of what the subject met, from its own history: the catalogue may have forgotten them."""
    found = {group_key(one.group): About(group=one.group) for one in _objections(records) if one.group}
    for item, variant, groups in (one for _, record in records for one in _items(record)):
        found[item_key(item)] = About(item)
        found[action_key(item, variant)] = About(item, variant)
        found.update({group_key(group): About(group=group) for group in groups})
    for body in (record.body for _, record in records):
        if isinstance(body, Exposure | Outcome):
            found[placement_key(body.placement)] = About(placement=body.placement)
            found[channel_key(body.channel)] = About(channel=body.channel)
    return found | {ALL_PLACEMENTS_KEY: About(placement="*")}


def _items(record: Record) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    body = record.body
    if isinstance(body, Exposure):
        return [(one.item, one.variant, one.groups) for one in body.shown]
    if isinstance(body, Objection):
        return [(body.item, "", ())] if body.item else []
    return [(body.item, body.variant, body.groups)] if isinstance(body, Outcome | Event) and body.item else []


def _objections(records: Records) -> Iterable[Objection]:
    return (record.body for _, record in records if isinstance(record.body, Objection))


def _record(sequence: int, record: Record) -> Json:
    return {
        "sequence": sequence,
        "kind": type(record.body).__name__.lower(),
        "words": in_words(record),
        "occurred_at": moment(record.occurred_at),
        "received_at": moment(record.received_at),
        "source": record.source,
        "touchpoint": record.touchpoint,
        "purpose": record.purpose,
        "addressed": pseudonym(record.addressed) if record.addressed else "",
        "details": _details(record),
    }


def _details(record: Record) -> Json:
    body = record.body
    if isinstance(body, Traits):
        return {"traits": [_trait(trait) for trait in body.traits]}
    if isinstance(body, Consents):
        return _said(body.consents)
    if isinstance(body, Merge | Unmerge):
        return {"other": pseudonym(body.other)}
    return {name: _plain(getattr(body, name)) for name in body.__struct_fields__}


def _said(consents: Sequence[Consent]) -> Json:
    said: Json = {"consents": [_consent(consent) for consent in consents if not is_reserved(consent.purpose)]}
    intensity = intensity_of(consents)
    return said if intensity is None else {**said, "intensity": intensity.name.lower()}


def _plain(value: Any) -> Any:
    if isinstance(value, Kind) or hasattr(value, "name"):
        return value.name.lower()
    if hasattr(value, "__struct_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, bytes):  # what a choice was scored by: see `model.Shown`
        return [number / FIXED_POINT for (number,) in struct.iter_unpack("<h", value)]
    return [_plain(one) for one in value] if isinstance(value, tuple) else value

"""The profile stage: what is known of the subject at this moment."""

from __future__ import annotations

from typing import Protocol

import msgspec

from maitred_server.decide.ask import Ask
from maitred_server.model import Entry, EventId, Kind, Merge, SubjectKey
from maitred_server.store import Found, Profile, Tombstone
from maitred_server.store.erasure import is_late
from maitred_server.store.joining import joined
from maitred_server.store.replay import own_key, under


class Reader(Protocol):
    """What the pipeline needs of a store."""

    def find(self, key: SubjectKey) -> Found | None: ...
    def seen(self, event_ids: list[EventId]) -> list[bool]: ...
    def tombstone(self, subject: SubjectKey) -> Tombstone | None: ...


class Known(msgspec.Struct, frozen=True, gc=False):
    """Whom the decision is for, and what is known of them. `profile` None: nothing."""

    subject: SubjectKey  # the canonical key
    kind: Kind
    profile: Profile | None
    addressed: SubjectKey  # the key that the caller gave and that led here
    forgotten: int = 0  # sequence at which the subject was forgotten, when nothing is known since

    @property
    def sequence(self) -> int:
        """The journal sequence that this is of; a receipt with it is not of before an erasure."""
        return max(self.forgotten, self.profile.sequence if self.profile else 0)


def known(reader: Reader, ask: Ask) -> Known:
    """Read the profile, by the first id that is known, with the feedback that travels with the request."""
    if not ask.pending:
        return _find(reader, ask)
    fresh = _unseen(reader, ask)
    found = _find(reader, ask)
    for entry in fresh:
        found = _after(reader, found, entry)
    return found


def _find(reader: Reader, ask: Ask) -> Known:
    found = reader.find(ask.subject)
    if found is not None:  # mostly under the very key
        if found.subject == ask.subject:
            return Known(ask.subject, ask.kind, found.profile, ask.subject)
        return Known(found.subject, _kind(found, ask.subject, ask.kind), found.profile, ask.subject)
    for kind, alias in ask.aliases:
        other = reader.find(alias)
        if other is not None:
            return Known(other.subject, _kind(other, alias, kind), other.profile, alias)
    tombstone = reader.tombstone(ask.subject)
    return Known(ask.subject, ask.kind, None, ask.subject, tombstone.sequence if tombstone else 0)


def _kind(found: Found, key: SubjectKey, kind: Kind) -> Kind:
    return kind if found.subject == key else found.profile.kind


def _after(reader: Reader, who: Known, entry: Entry) -> Known:
    """As it will be when this is in the journal; to merge with another takes a read more."""
    record = under(entry.record, who.subject)
    profile = who.profile or Profile.empty(who.kind)
    try:
        profile = profile.with_records([(profile.sequence, record)])
    except (ValueError, TypeError):  # the store will not take it either, and its own delivery says why
        return who
    if isinstance(record.body, Merge):
        other = reader.find(record.body.other)
        if other is not None and other.subject != who.subject:
            profile = joined(profile, who.subject, other.profile, other.subject)
    return msgspec.structs.replace(who, profile=profile)


def _unseen(reader: Reader, ask: Ask) -> list[Entry]:
    """Pending feedback that the profile does not hold yet, and that is not of before its subject was forgotten.

    Asked before the profile is read: an event that becomes durable in between counts twice in this one decision, which
    errs on the side of showing less; the other order would lose it.
    """
    identified = [entry for entry in ask.pending if entry.event_id is not None]
    seen = reader.seen([entry.event_id for entry in identified if entry.event_id is not None])
    fresh = [entry for entry, known_already in zip(identified, seen, strict=True) if not known_already]
    return [entry for entry in fresh if not is_late(entry, reader.tombstone(own_key(entry.record)))]

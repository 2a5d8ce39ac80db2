"""The profile stage: what is known of the subject at this moment."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from maitred_server.decide.ask import Ask
from maitred_server.model import Entry, EventId, Kind, SubjectKey
from maitred_server.store import Profile


class Reader(Protocol):
    """What the pipeline needs of a store."""

    def profile(self, subject: SubjectKey) -> Profile | None: ...
    def seen(self, event_ids: list[EventId]) -> list[bool]: ...


class Known(NamedTuple):
    """Whom the decision is for, and what is known of them. `profile` None: nothing."""

    subject: SubjectKey
    kind: Kind
    profile: Profile | None

    @property
    def sequence(self) -> int:
        return self.profile.sequence if self.profile else 0


def known(reader: Reader, ask: Ask) -> Known:
    """Read the profile, by the first id that is known, with the feedback that travels with the request."""
    fresh = _unseen(reader, ask)
    found = _find(reader, ask)
    if not fresh:
        return found
    profile = found.profile or Profile.empty(found.kind)
    return found._replace(profile=profile.with_records([(profile.sequence, entry.record) for entry in fresh]))


def _find(reader: Reader, ask: Ask) -> Known:
    profile = reader.profile(ask.subject)
    if profile is None:
        for kind, alias in ask.aliases:
            other = reader.profile(alias)
            if other is not None:
                return Known(alias, kind, other)
    return Known(ask.subject, ask.kind, profile)


def _unseen(reader: Reader, ask: Ask) -> list[Entry]:
    """Pending feedback that the profile does not hold yet.

    Asked before the profile is read: an event that becomes durable in between counts twice in this one decision, which
    errs on the side of showing less; the other order would lose it.
    """
    if not ask.pending:
        return []
    identified = [entry for entry in ask.pending if entry.event_id is not None]
    seen = reader.seen([entry.event_id for entry in identified if entry.event_id is not None])
    return [entry for entry, known_already in zip(identified, seen, strict=True) if not known_already]

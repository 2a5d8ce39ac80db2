"""Subjects of the store's twin in memory: profiles, which keys lead to them, and how both are made anew."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from maitred_server.model import ItemStates, Kind, Merge, Record, SubjectKey, Unmerge
from maitred_server.store import changes, replay
from maitred_server.store.aliases import MOST_ALIASES
from maitred_server.store.joining import joined
from maitred_server.store.keys import same_brand
from maitred_server.store.profiles import Profile
from maitred_server.store.replay import keys_of, own_key, under
from maitred_server.store.retention import Ages, first_seen, is_expired, surplus


class MemorySubjects:
    """Reads the journal it is given; all else is derived."""

    def __init__(self, journal: dict[int, Record]) -> None:
        self._journal = journal
        self._leads_to: dict[SubjectKey, SubjectKey] = {}
        self.profiles: dict[SubjectKey, Profile] = {}
        self.origins: dict[SubjectKey, int] = {}

    def canonical(self, key: SubjectKey) -> SubjectKey:
        return self._leads_to.get(key, key)

    def aliases(self, canonical: SubjectKey) -> list[SubjectKey]:
        return sorted(key for key, to in self._leads_to.items() if to == canonical)

    def members(self, key: SubjectKey) -> list[SubjectKey]:
        """All keys of the subject that a key leads to, the canonical one first."""
        canonical = self.canonical(key)
        return [canonical, *self.aliases(canonical)]

    def addressed(self, record: Record) -> Record | None:
        """The record under its subject's canonical key; None: it merges what is one already."""
        record = under(record, self.canonical(own_key(record)))
        if isinstance(record.body, Merge) and self.canonical(record.body.other) == record.subject:
            return None
        return record

    def told_with(self, record: Record) -> tuple[SubjectKey, ...]:
        """Whose cached decisions must go with a record that is about to be applied."""
        body = record.body
        if type(body) not in changes.TOLD:
            return ()
        return changes.subjects_of(record, *([self.canonical(body.other)] if isinstance(body, Merge) else []))

    def apply(self, sequence: int, record: Record) -> None:
        """Raises what the record's application raises, and ValueError; then nothing is changed."""
        before = self.profiles.get(record.subject) or Profile.empty(record.kind)
        after = before.with_records([(sequence, record)])
        if isinstance(record.body, Merge):
            after = self._joined(record, record.body, after)
        self.profiles[record.subject] = after

    def _joined(self, record: Record, body: Merge, profile: Profile) -> Profile:
        if not same_brand(own_key(record), body.other):
            raise ValueError("two brands have no subject in common")
        moving = self.members(body.other)
        if len(moving) + len(self.aliases(record.subject)) > MOST_ALIASES:
            raise ValueError("a subject has too many aliases")
        self._leads_to.update(dict.fromkeys(moving, record.subject))
        others = self.profiles.pop(moving[0], None)
        return profile if others is None else joined(profile, record.subject, others, moving[0])

    def records(self, keys: Iterable[SubjectKey]) -> list[tuple[int, Record]]:
        """What came under some keys, and the merges that name one of them."""
        wanted = frozenset(keys)
        found = [one for one in self._journal.items() if not wanted.isdisjoint(keys_of(one[1]))]
        return [one for one in found if not isinstance(one[1].body, ItemStates)]

    def parting(self, subject: SubjectKey, other: SubjectKey, at_ms: int, source: str) -> Record | None:
        """The record that takes a merge back; None: the two are not one."""
        edge = replay.latest_between(replay.edges(self._history(subject)), subject, other)
        if edge is None:
            return None
        merge = replace(self._journal[edge.sequence], subject=edge.one, addressed=b"", source=source)
        record = replace(merge, body=Unmerge(edge.other), received_at=at_ms, occurred_at=at_ms)
        return under(record, self.canonical(subject))

    def _history(self, key: SubjectKey) -> list[tuple[int, Record]]:
        return replay.history(key, lambda one: self.records([one]))

    def rebuild(self, key: SubjectKey) -> None:
        """Make the subject that a key leads to anew from the journal; its keys may lead to several from now on."""
        keys = self.members(key)
        result = replay.replayed(self._history(key), self.origins)
        for one in keys:
            self._leads_to.pop(one, None)
            self.profiles.pop(one, None)
        self._leads_to.update({one: to for one in keys if (to := result.canonical.get(one)) is not None})
        self.profiles.update({one: result.profiles[one] for one in keys if one in result.profiles})

    def drop(self, key: SubjectKey) -> tuple[list[SubjectKey], Kind, bool]:
        """Forget a subject; its keys, kind, and whether there was a profile."""
        keys = self.members(key)
        profile = self.profiles.get(keys[0])
        gone = self.records(keys)
        for sequence, _ in gone:
            del self._journal[sequence]
        for one in keys:
            for kept in (self.profiles, self._leads_to, self.origins):
                kept.pop(one, None)
        for _, record in gone:
            if own_key(record) not in keys:
                self.rebuild(own_key(record))
        return keys, Kind.PERSON if profile is None else profile.kind, profile is not None

    def own_records(self, key: SubjectKey) -> list[tuple[int, Record]]:
        """All that came under any key of the subject that a key leads to."""
        keys = self.members(key)
        return [one for one in self.records(keys) if own_key(one[1]) in keys]

    def keep(self, ages: Ages, most: int, now_ms: int) -> None:
        """Take out what is over the bound of a subject, or is expired."""
        for subject, profile in list(self.profiles.items()):
            gone = surplus(self.own_records(subject), profile, most)
            gone += [one for one in self.own_records(subject) if is_expired(one[1], ages, now_ms) and one not in gone]
            if gone:
                self._trim(subject, gone)

    def _trim(self, subject: SubjectKey, gone: list[tuple[int, Record]]) -> None:
        self.origins.update(first_seen(gone, self.origins))
        for sequence, _ in gone:
            del self._journal[sequence]
        self.rebuild(subject)
        if subject not in self.profiles:
            self.origins.pop(subject, None)

    def idle_sessions(self, before_ms: int) -> list[SubjectKey]:
        """Sessions in which nothing happened since a moment, and that were not merged."""
        return [
            subject
            for subject, profile in self.profiles.items()
            if profile.kind == Kind.SESSION and profile.last_seen < before_ms and self.members(subject) == [subject]
        ]

"""Subjects while they are changed, inside one transaction."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from maitred_server.errors import RecordDamaged
from maitred_server.model import Kind, Record, SubjectKey
from maitred_server.store import aliases, together
from maitred_server.store.env import Environment, Txn
from maitred_server.store.histories import replayed
from maitred_server.store.joining import joined
from maitred_server.store.profiles import Profile
from maitred_server.store.stamping import MOST_AT_ONCE, Stamp, no_stamp, stamped

log = structlog.get_logger(__name__)

MANY = 8  # subjects that are worth being changed together

Place = tuple[int, int]  # batch and entry


class Waiting(NamedTuple):
    """Records to be applied to a subject, with their sequences, and the entry that each came in."""

    records: list[tuple[int, Record]]
    places: list[Place]


class Working:
    """Profiles are read when first needed and written once, by `write`; pointers are written as they change."""

    def __init__(self, env: Environment, txn: Txn, stamp: Stamp = no_stamp) -> None:
        self._stamp = stamp
        self._env, self._txn, self._databases = env, txn, env.databases
        self._leads_to: dict[SubjectKey, SubjectKey] = {}
        self._read: dict[SubjectKey, Profile] = {}
        self._waiting: dict[SubjectKey, Waiting] = {}
        self._changed: dict[SubjectKey, Profile] = {}
        self.refused: set[Place] = set()  # entries that cannot be applied

    def canonical(self, key: SubjectKey) -> SubjectKey:
        """The canonical key that a key leads to: its own, where nothing is kept."""
        known = self._leads_to.get(key)
        if known is None:
            known = self._leads_to[key] = self._look_up(key)
        return known

    def _look_up(self, key: SubjectKey) -> SubjectKey:
        try:
            found = aliases.followed(self._txn, self._databases.profiles, key)
            if found is None:
                return key
            canonical, stored = found
            if canonical not in self._read:
                self._read[canonical] = Profile.decode(canonical, stored)
        except RecordDamaged:
            return self._mended(key)
        return canonical

    def _mended(self, key: SubjectKey) -> SubjectKey:
        """What a damaged key leads to, after it was made anew from the journal."""
        log.warning("profile_rebuilt")
        known = replayed(self._env, self._txn, key)
        canonical = known.canonical.get(key, key)
        if canonical not in self._changed and (profile := known.profile(key)) is not None:
            self._changed[canonical] = profile
        if canonical != key:
            aliases.lead(self._env, self._txn, [key], canonical)
        return canonical

    def leads_on(self, key: SubjectKey) -> bool:
        """Whether a key leads to another one."""
        return (self._leads_to.get(key) or self.canonical(key)) != key

    def add(self, sequence: int, record: Record, place: Place) -> None:
        """Apply a record to its subject, named by its canonical key."""
        waiting = self._waiting.get(record.subject)
        if waiting is None:
            waiting = self._waiting[record.subject] = Waiting([], [])
        waiting.records.append((sequence, record))
        waiting.places.append(place)

    def join(self, subject: SubjectKey, other: SubjectKey) -> None:
        """Make two subjects one, by their canonical keys. Raises ValueError when it would have too many."""
        moving = aliases.members(self._env, self._txn, other)
        if len(moving) + len(aliases.aliases(self._env, self._txn, subject)) > aliases.MOST_ALIASES:
            raise ValueError("a subject has too many aliases")
        profile, others = self._settle(subject), self._settle(other)
        if profile is not None and others is not None:
            self._changed[subject] = joined(profile, subject, others, other)
        for known in (self._changed, self._read):
            known.pop(other, None)
        self._txn.delete(other, db=self._databases.aliases)
        aliases.lead(self._env, self._txn, moving, subject)
        self._leads_to.update({key: subject for key, to in self._leads_to.items() if to == other})
        self._leads_to.update(dict.fromkeys(moving, subject))
        for session in (subject, other):
            self._txn.delete(session, db=self._databases.sessions)

    def settle(self) -> None:
        """Apply all that waits."""
        if len(self._waiting) >= MANY:
            self._settle_many()
        for subject in list(self._waiting):
            self._settle(subject)

    def write(self) -> dict[SubjectKey, Profile]:
        """Store the profiles that changed, after `settle`; they are given back."""
        if len(self._changed) <= MOST_AT_ONCE:
            self._changed = {subject: stamped(subject, one, self._stamp) for subject, one in self._changed.items()}
        stored = [(subject, profile.encode(subject)) for subject, profile in sorted(self._changed.items())]
        with self._txn.cursor(db=self._databases.profiles) as cursor:
            cursor.putmulti(stored)
        return self._changed

    def _settle(self, subject: SubjectKey) -> Profile | None:
        waiting = self._waiting.pop(subject, None)
        profile = self._profile(subject)
        if waiting is None:
            return profile
        before = self._begun(subject, waiting.records[0][1].kind) if profile is None else profile
        try:
            after = before.with_records(waiting.records)
        except Exception as error:  # noqa: BLE001  (whatever it is, it costs the entries that cause it and no others)
            log.warning("entry_cannot_be_applied", error=type(error).__name__)
            self.refused |= _poison(before, waiting)
            return profile
        self._changed[subject] = after
        return after

    def _settle_many(self) -> None:
        """As `_settle` for each, when nothing is wrong with any; else nothing, for then each is for itself."""
        records = [waiting.records for waiting in self._waiting.values()]
        before = [
            self._profile(subject) or self._begun(subject, some[0][1].kind)
            for subject, some in zip(self._waiting, records, strict=True)
        ]
        try:
            after = together.with_records(before, records)
        except Exception as error:  # noqa: BLE001  (as in `_settle`)
            log.warning("entries_cannot_be_applied_together", error=type(error).__name__)
            return
        self._changed.update(zip(self._waiting, after, strict=True))
        self._waiting.clear()

    def _profile(self, subject: SubjectKey) -> Profile | None:
        return self._changed.get(subject) or self._read.get(subject)

    def _begun(self, subject: SubjectKey, kind: Kind) -> Profile:
        if kind is Kind.SESSION:
            self._txn.put(subject, b"", db=self._databases.sessions)
        return Profile.empty(kind)


def _poison(profile: Profile, waiting: Waiting) -> set[Place]:
    """The entries that cannot be applied alone; all of them when each alone can."""
    pairs = zip(waiting.records, waiting.places, strict=True)
    return {place for record, place in pairs if not _applies(profile, record)} or set(waiting.places)


def _applies(profile: Profile, record: tuple[int, Record]) -> bool:
    try:
        profile.with_records([record])
    except Exception:  # noqa: BLE001  (as above)
        return False
    return True

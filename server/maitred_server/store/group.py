"""One group commit: what happens to a group of batches inside its transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import structlog

from maitred_server.errors import RecordDamaged, StoreError
from maitred_server.model import Deletion, Entry, EventId, ItemStates, Kind, Record, Sequenced, SubjectKey
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.journal import decode_record, encode_record, framed, kind_index, unframed
from maitred_server.store.keys import foreign_key, sequence_key, type_code, window_key
from maitred_server.store.profiles import Profile
from maitred_server.store.results import DUPLICATE, REFUSED, Commit
from maitred_server.store.seen import Window
from maitred_server.store.touches import counter_types

log = structlog.get_logger(__name__)

Place = tuple[int, int]  # batch and entry


class Batch(NamedTuple):
    """Entries with their records as bytes; None: it cannot be stored and is refused."""

    entries: Sequence[Entry]
    encoded: Sequence[bytes | None]


class Outcome(NamedTuple):
    """For each batch what became of it."""

    results: list[Commit | StoreError]
    names: frozenset[str]  # counter types whose names are now stored


class _Again(Exception):
    """Undo, and do it again without what failed."""


def prepared(entries: Sequence[Entry]) -> Batch:
    """Encode the records of a batch."""
    return Batch(entries, [_encoded(entry.record) for entry in entries])


def commit_group(env: Environment, batches: Sequence[Batch], known_names: frozenset[str]) -> Outcome:
    """Apply the batches in one transaction, durable on return; what cannot be applied is left out alone.

    Raises StoreFull or StoreBroken when the transaction as a whole fails: nothing of it is kept.
    """
    refused = {
        (number, place)
        for number, batch in enumerate(batches)
        for place, encoded in enumerate(batch.encoded)
        if encoded is None
    }
    failed: dict[int, StoreError] = {}
    while True:
        try:
            return env.write(_Group(env, batches, known_names, refused, failed).apply)
        except _Again:
            log.warning("entries_refused", entries=len(refused), batches=len(failed))


def current_profile(env: Environment, txn: Txn, subject: SubjectKey, kind: Kind) -> Profile:
    """The profile as stored; made anew from the journal when it is damaged."""
    stored = txn.get(subject, db=env.databases.profiles)
    if stored is None:
        return Profile.empty(kind)
    try:
        return Profile.decode(subject, stored)
    except RecordDamaged:
        log.warning("profile_rebuilt")
        return Profile.empty(kind).with_records(list(subject_records(env, txn, subject)))


def subject_records(env: Environment, txn: Txn, subject: SubjectKey, after: int = 0) -> Iterator[tuple[int, Record]]:
    """The journal records of a subject that come after a sequence; damaged ones are left out."""
    with txn.cursor(db=env.databases.by_subject) as cursor:
        if not cursor.set_range_dup(subject, sequence_key(after + 1)):
            return
        for key in cursor.iternext_dup():
            stored = txn.get(key, db=env.databases.journal)
            try:
                record = decode_record(key, stored or b"")
            except RecordDamaged:
                log.warning("record_damaged", sequence=int.from_bytes(key, "big"))
                continue
            if record.subject == subject:
                yield int.from_bytes(key, "big"), record


class _Group:
    def __init__(
        self,
        env: Environment,
        batches: Sequence[Batch],
        known_names: frozenset[str],
        refused: set[Place],
        failed: dict[int, StoreError],
    ) -> None:
        self._env, self._databases = env, env.databases
        self._batches, self._known_names = batches, known_names
        self._refused, self._failed = refused, failed
        self._windows: dict[bytes, Window] = {}
        self._journal: list[tuple[bytes, bytes]] = []
        self._by_subject: dict[SubjectKey, list[tuple[int, Record, Place]]] = {}
        self._names: set[str] = set()
        self._sequence = 0
        self._by_kind: list[int] = []
        self._trouble = False

    def apply(self, txn: Txn) -> Outcome:
        self._env.admit(txn)
        counts = self._env.counts(txn)
        self._sequence, self._by_kind = counts.sequence, list(counts.by_kind)
        results = [self._batch(txn, number, batch) for number, batch in enumerate(self._batches)]
        profiles = [(subject, self._profile(txn, subject, changes)) for subject, changes in self._by_subject.items()]
        if self._trouble:
            raise _Again
        self._write(txn, profiles)
        return Outcome(results, self._known_names | self._names)

    def _batch(self, txn: Txn, number: int, batch: Batch) -> Commit | StoreError:
        if number in self._failed:
            return self._failed[number]
        try:
            sequences = [self._entry(txn, entry, (number, place)) for place, entry in enumerate(batch.entries)]
        except RecordDamaged as error:
            self._failed[number], self._trouble = error, True
            return error
        return Commit(sequences, max(0, *sequences, 0))

    def _entry(self, txn: Txn, entry: Entry, place: Place) -> int:
        if place in self._refused:
            return REFUSED
        if entry.event_id is not None and not self._is_new(txn, entry.event_id):
            return DUPLICATE
        self._sequence += 1
        record, encoded = entry.record, self._batches[place[0]].encoded[place[1]]
        key = sequence_key(self._sequence)
        self._journal.append((key, framed(key, encoded or b"")))
        self._by_subject.setdefault(record.subject, []).append((self._sequence, record, place))
        self._by_kind[kind_index(record)] += 1
        self._names.update(name for name in counter_types(record) if name not in self._known_names)
        return self._sequence

    def _is_new(self, txn: Txn, event_id: EventId) -> bool:
        """Whether an event was not received before; from now on it was."""
        if not isinstance(event_id, Sequenced):
            key = foreign_key(event_id.brand, event_id.uuid)
            new: bool = txn.put(key, b"", overwrite=False, db=self._databases.foreign)
            return new
        key = window_key(event_id.client, event_id.epoch)
        window = self._windows.get(key) or stored_window(txn.get(key, db=self._databases.windows), key)
        if window.has(event_id.sequence):
            return False
        self._windows[key] = window.plus(event_id.sequence)
        return True

    def _profile(self, txn: Txn, subject: SubjectKey, changes: Sequence[tuple[int, Record, Place]]) -> bytes:
        profile = current_profile(self._env, txn, subject, changes[0][1].kind)
        try:
            return profile.with_records([(sequence, record) for sequence, record, _ in changes]).encode(subject)
        except Exception as error:  # noqa: BLE001  (whatever it is, it costs the entries that cause it and no others)
            log.warning("entry_cannot_be_applied", error=type(error).__name__)
            self._refused.update(_poison(profile, changes))
            self._trouble = True
            return b""

    def _write(self, txn: Txn, profiles: Sequence[tuple[SubjectKey, bytes]]) -> None:
        databases = self._databases
        with txn.cursor(db=databases.journal) as journal:
            journal.putmulti(self._journal, append=True)
        with txn.cursor(db=databases.by_subject) as index:
            index.putmulti(
                [
                    (subject, sequence_key(sequence))
                    for subject, changes in self._by_subject.items()
                    for sequence, _, _ in changes
                ]
            )
        for subject, profile in profiles:
            txn.put(subject, profile, db=databases.profiles)
        for key, window in self._windows.items():
            txn.put(key, framed(key, window.encode()), db=databases.windows)
        for name in self._names:
            txn.put(type_code(name).to_bytes(4, "big"), name.encode(), db=databases.names)
        self._env.put_counts(txn, Counts(self._sequence, tuple(self._by_kind)))


def stored_window(stored: bytes | None, key: bytes) -> Window:
    """A resend window as stored; raises RecordDamaged."""
    return Window() if stored is None else Window.decode(unframed(key, stored))


def _encoded(record: Record) -> bytes | None:
    try:
        return None if isinstance(record.body, Deletion | ItemStates) else encode_record(record)
    except Exception as error:  # noqa: BLE001  (as above)
        log.warning("entry_cannot_be_stored", error=type(error).__name__)
        return None


def _poison(profile: Profile, changes: Sequence[tuple[int, Record, Place]]) -> set[Place]:
    """The entries that cannot be applied alone; all of them when each alone can."""
    found = {place for sequence, record, place in changes if not _applies(profile, sequence, record)}
    return found or {place for _, _, place in changes}


def _applies(profile: Profile, sequence: int, record: Record) -> bool:
    try:
        profile.with_records([(sequence, record)])
    except Exception:  # noqa: BLE001  (as above)
        return False
    return True

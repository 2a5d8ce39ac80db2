"""One group commit: what happens to a group of batches inside its transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple

import structlog

from maitred_server.errors import RecordDamaged, StoreError
from maitred_server.model import (
    BODY_NAMES,
    Deletion,
    Entry,
    Event,
    EventId,
    ItemStates,
    Merge,
    Record,
    Sequenced,
    SubjectKey,
    Unmerge,
)
from maitred_server.store import changes
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.erasure import is_late, tombstone_of
from maitred_server.store.journal import KIND_INDEX, encode_record, framed, unframed
from maitred_server.store.keys import foreign_key, same_brand, sequence_key, type_code, window_key
from maitred_server.store.replay import keys_of, own_key, under
from maitred_server.store.results import DUPLICATE, FORGOTTEN, REFUSED, Commit
from maitred_server.store.retention import mark_crowded
from maitred_server.store.seen import Receiving, Window
from maitred_server.store.stamping import Stamp, no_stamp
from maitred_server.store.touches import counter_types
from maitred_server.store.working import Place, Working

log = structlog.get_logger(__name__)


_APART = frozenset((Merge, Unmerge, Deletion, ItemStates))  # kinds with calls of their own
_PLAIN = frozenset(BODY_NAMES) - _APART - changes.TOLD  # kinds that are about one subject, and told to nobody


class Batch(NamedTuple):
    """Entries with their records as bytes; None: it cannot be stored and is refused."""

    entries: Sequence[Entry]
    encoded: Sequence[bytes | None]
    mark: EventId | None = None  # the id of the batch as a whole


class Outcome(NamedTuple):
    """For each batch what became of it."""

    results: list[Commit | StoreError]
    names: frozenset[str]  # counter types whose names are now stored


class _Again(Exception):
    """Undo, and do it again without what failed."""


def prepared(entries: Sequence[Entry], mark: EventId | None = None) -> Batch:
    """Encode the records of a batch."""
    return Batch(entries, [_encoded(entry.record) for entry in entries], mark)


def commit_group(
    env: Environment,
    batches: Sequence[Batch],
    known_names: frozenset[str],
    history_records: int,
    stamp: Stamp = no_stamp,
    computing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Outcome:
    """Apply the batches in one transaction, durable on return; what cannot be applied is left out alone.

    `history_records`: subjects with more are remembered, to be brought back to it (see `keeping`). `stamp`: see
    `stamping`. `computing`: gives what is entered while the transaction is filled, neither waiting to begin nor for the
    disk. Raises StoreFull or StoreBroken when the transaction as a whole fails: nothing of it is kept.
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
            group = _Group(env, batches, known_names, history_records, refused, failed, stamp)
            return env.write(partial(group.apply, computing))
        except _Again:
            log.warning("entries_refused", entries=len(refused), batches=len(failed))


class _Group:
    def __init__(
        self,
        env: Environment,
        batches: Sequence[Batch],
        known_names: frozenset[str],
        history_records: int,
        refused: set[Place],
        failed: dict[int, StoreError],
        stamp: Stamp,
    ) -> None:
        self._stamp = stamp
        self._env, self._databases = env, env.databases
        self._batches, self._known_names = batches, known_names
        self._history_records = history_records
        self._refused, self._failed = refused, failed
        self._windows: dict[tuple[bytes, int], Receiving] = {}
        self._journal: list[tuple[bytes, bytes]] = []
        self._by_subject: list[tuple[SubjectKey, bytes]] = []
        self._names: set[str] = set()
        self._told: list[tuple[int, Record, tuple[SubjectKey, ...]]] = []
        self._sequence = 0
        self._by_kind: list[int] = []
        self._trouble = False
        self._buried = False

    def apply(self, computing: Callable[[], AbstractContextManager[None]], txn: Txn) -> Outcome:
        with computing():
            return self._apply(txn)

    def _apply(self, txn: Txn) -> Outcome:
        self._env.admit(txn)
        self._buried = bool(txn.stat(self._databases.tombstones)["entries"])
        counts = self._env.counts(txn)
        self._sequence, self._by_kind = counts.sequence, list(counts.by_kind)
        self._subjects = Working(self._env, txn, self._stamp)
        results = [self._batch(txn, number, batch) for number, batch in enumerate(self._batches)]
        self._subjects.settle()
        self._refused |= self._subjects.refused
        if self._trouble or self._subjects.refused:
            raise _Again
        self._write(txn)
        mark_crowded(self._env, txn, self._subjects.write(), self._history_records)
        return Outcome(results, self._known_names | self._names)

    def _batch(self, txn: Txn, number: int, batch: Batch) -> Commit | StoreError:
        if number in self._failed:
            return self._failed[number]
        try:
            if batch.mark is not None and not self._is_new(txn, batch.mark):
                return Commit([DUPLICATE] * len(batch.entries), 0)
            sequences = [
                self._entry(txn, entry, encoded, (number, place))
                for place, (entry, encoded) in enumerate(zip(batch.entries, batch.encoded, strict=True))
            ]
        except RecordDamaged as error:
            self._failed[number], self._trouble = error, True
            return error
        return Commit(sequences, max(0, *sequences, 0))

    def _entry(self, txn: Txn, entry: Entry, encoded: bytes | None, place: Place) -> int:
        if encoded is None or (self._refused and place in self._refused):
            return REFUSED
        if entry.event_id is not None and not self._is_new(txn, entry.event_id):
            return DUPLICATE
        if self._buried and self._is_late(txn, entry):
            return FORGOTTEN
        record = entry.record
        if type(record.body) not in _PLAIN or record.addressed or self._subjects.leads_on(record.subject):
            return self._other(entry, encoded, place)
        key = self._append(record, encoded, place)
        self._by_subject.append((record.subject, key))
        return self._sequence

    def _append(self, record: Record, encoded: bytes, place: Place) -> bytes:
        """Give a record its sequence, and let it count; the key that it has in the journal."""
        self._sequence += 1
        key = sequence_key(self._sequence)
        self._journal.append((key, framed(key, encoded)))
        body = record.body
        self._by_kind[KIND_INDEX[type(body)]] += 1
        names = (body.type,) if type(body) is Event else counter_types(record)
        if not self._known_names.issuperset(names):
            self._names.update(names)
        self._subjects.add(self._sequence, record, place)
        return key

    def _other(self, entry: Entry, encoded: bytes, place: Place) -> int:
        """As `_entry`, of what is about two subjects, came under another key, or is told to clients."""
        record, other = self._addressed(entry.record)
        if record.subject == other:
            return DUPLICATE
        key = self._append(record, encoded if record is entry.record else encode_record(record), place)
        self._by_subject.extend((one, key) for one in keys_of(record))
        if type(record.body) in changes.TOLD:
            self._told.append((self._sequence, record, () if other is None else (other,)))
        if other is not None:
            self._join(record.subject, other, place)
        return self._sequence

    def _addressed(self, record: Record) -> tuple[Record, SubjectKey | None]:
        """The record under its subject's canonical key, and, of a merge, the canonical key of the other."""
        record = under(record, self._subjects.canonical(own_key(record)))
        return record, self._subjects.canonical(record.body.other) if isinstance(record.body, Merge) else None

    def _join(self, subject: SubjectKey, other: SubjectKey, place: Place) -> None:
        try:
            self._subjects.join(subject, other)
        except ValueError:
            log.warning("subjects_cannot_be_merged")
            self._refused.add(place)
            self._trouble = True

    def _is_late(self, txn: Txn, entry: Entry) -> bool:
        """By the tombstones of the keys that it came under: a merge with whom was forgotten brings nobody back."""
        return any(is_late(entry, tombstone_of(self._env, txn, key)) for key in keys_of(entry.record))

    def _is_new(self, txn: Txn, event_id: EventId) -> bool:
        """Whether an event was not received before; from now on it was."""
        if not isinstance(event_id, Sequenced):
            key = foreign_key(event_id.brand, event_id.uuid)
            new: bool = txn.put(key, b"", overwrite=False, db=self._databases.foreign)
            return new
        window = self._windows.get((event_id.client, event_id.epoch)) or self._opened_window(txn, event_id)
        return window.receive(event_id.sequence)

    def _opened_window(self, txn: Txn, event_id: Sequenced) -> Receiving:
        key = window_key(event_id.client, event_id.epoch)
        window = Receiving(stored_window(txn.get(key, db=self._databases.windows), key))
        self._windows[event_id.client, event_id.epoch] = window
        return window

    def _write(self, txn: Txn) -> None:
        databases = self._databases
        with txn.cursor(db=databases.journal) as journal:
            journal.putmulti(self._journal, append=True)
        with txn.cursor(db=databases.by_subject) as index:
            index.putmulti(sorted(self._by_subject))  # neighbours share pages
        for (client, epoch), window in self._windows.items():
            if window.changed:
                key = window_key(client, epoch)
                txn.put(key, framed(key, window.now().encode()), db=databases.windows)
        for name in self._names:
            txn.put(type_code(name).to_bytes(4, "big"), name.encode(), db=databases.names)
        for sequence, record, others in self._told:
            changes.add(self._env, txn, sequence, record.received_at, changes.subjects_of(record, *others))
        self._env.put_counts(txn, Counts(self._sequence, tuple(self._by_kind)))


def stored_window(stored: bytes | None, key: bytes) -> Window:
    """A resend window as stored; raises RecordDamaged."""
    return Window() if stored is None else Window.decode(unframed(key, stored))


def _encoded(record: Record) -> bytes | None:
    try:
        return encode_record(record) if _may_come_in(record) else None
    except Exception as error:  # noqa: BLE001  (whatever it is, it costs this entry alone)
        log.warning("entry_cannot_be_stored", error=type(error).__name__)
        return None


def _may_come_in(record: Record) -> bool:
    """Some kinds have calls of their own, and no merge is across brands."""
    body = record.body
    if type(body) not in _APART:
        return True
    return isinstance(body, Merge) and same_brand(own_key(record), body.other)

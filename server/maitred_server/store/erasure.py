"""Forgetting a subject, in one transaction, and refusing what comes late."""

from __future__ import annotations

import struct
from typing import NamedTuple

from maitred_server.model import Deletion, Entry, Record, SubjectKey
from maitred_server.store import changes, erasures, forgotten
from maitred_server.store.dropping import Dropped, drop_subject
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.forgotten import Note
from maitred_server.store.journal import KIND_INDEX, encode_record, framed, unframed
from maitred_server.store.keys import sequence_key
from maitred_server.store.ledger import Erased, Ledger
from maitred_server.store.results import Deleted, Tombstone

_TOMBSTONE = struct.Struct("<Qq")


class Forgotten(NamedTuple):
    """A subject of whom nothing is kept any more."""

    sequence: int  # of the record that says so
    dropped: Dropped
    note: Note  # for the learner

    @property
    def existed(self) -> bool:
        return self.dropped.existed


def forget(env: Environment, txn: Txn, subject: SubjectKey, at_ms: int) -> Forgotten:
    """All that is kept of a subject goes, also the record of an earlier deletion; a new one is written, and a tombstone
    for each key that led to it. What the learner counted of it is noted, to be subtracted.
    """
    dropped = drop_subject(env, txn, subject)
    note = forgotten.note(env, txn, dropped.records)
    sequence = _journal(env, txn, dropped, at_ms)
    changes.add(env, txn, sequence, at_ms, dropped.keys[:1])
    for key in dropped.keys:
        _bury(env, txn, key, Tombstone(sequence, at_ms))
    return Forgotten(sequence, dropped, note)


def erase(env: Environment, txn: Txn, subject: SubjectKey, at_ms: int) -> Deleted:
    """Forget a subject for ever: the ledger names it, so that no backup brings it back. Raises StoreError."""
    gone = forget(env, txn, subject, at_ms)
    Ledger(env.path.parent).append(env, txn, [Erased(gone.sequence, at_ms, key) for key in gone.dropped.keys])
    return Deleted(gone.sequence, gone.existed, _recorded(env, txn, gone, at_ms))


def _recorded(env: Environment, txn: Txn, gone: Forgotten, at_ms: int) -> erasures.Erasure:
    dropped = gone.dropped
    counts = erasures.Gone(int(dropped.existed), len(dropped.records), len(dropped.keys) - 1)
    return erasures.add(env, txn, at_ms, counts, gone.note)


def _journal(env: Environment, txn: Txn, dropped: Dropped, at_ms: int) -> int:
    counts = env.counts(txn)
    by_kind = list(counts.by_kind)
    by_kind[KIND_INDEX[Deletion]] += 1
    sequence, canonical = counts.sequence + 1, dropped.keys[0]
    key = sequence_key(sequence)
    record = Record(canonical, dropped.kind, at_ms, at_ms, Deletion())
    txn.put(key, framed(key, encode_record(record)), append=True, db=env.databases.journal)
    txn.put(canonical, key, db=env.databases.by_subject)
    env.put_counts(txn, Counts(sequence, tuple(by_kind)))
    return sequence


def _bury(env: Environment, txn: Txn, key: SubjectKey, tombstone: Tombstone) -> None:
    """Its time never goes back, so that the ledger's lines of before stay known."""
    before = tombstone_of(env, txn, key)
    if before is not None:
        tombstone = tombstone._replace(at_ms=max(before.at_ms, tombstone.at_ms))
    txn.put(key, framed(key, _TOMBSTONE.pack(*tombstone)), db=env.databases.tombstones)


def tombstone_of(env: Environment, txn: Txn, key: SubjectKey) -> Tombstone | None:
    """When what a key led to was last forgotten; None: never. Raises RecordDamaged."""
    stored = txn.get(key, db=env.databases.tombstones)
    return None if stored is None else decode_tombstone(key, stored)


def decode_tombstone(subject: SubjectKey, stored: bytes) -> Tombstone:
    """A tombstone as stored; raises RecordDamaged."""
    return Tombstone(*_TOMBSTONE.unpack(unframed(subject, stored)))


def is_late(entry: Entry, tombstone: Tombstone | None) -> bool:
    """Whether an entry is of before its subject was forgotten: by the receipt's sequence, without one by its time."""
    if tombstone is None:
        return False
    if entry.since is not None:
        return entry.since < tombstone.sequence
    return entry.record.occurred_at < tombstone.at_ms


def replay(env: Environment, txn: Txn) -> int:
    """Erase again whom the ledger names and this store does not know as erased; how many subjects that were.

    So a store that was put back from a backup forgets whoever was erased since. Raises StoreError.
    """
    ledger = Ledger(env.path.parent)
    if ledger.is_known(env, txn):
        return 0
    lines = ledger.read()
    _go_on_after(env, txn, max((one.sequence for one in lines), default=0))
    again = 0
    for one in lines:
        if not _is_erased(env, txn, one):
            _recorded(env, txn, forget(env, txn, one.subject, one.at_ms), one.at_ms)
            again += 1
    ledger.know(env, txn)
    return again


def _is_erased(env: Environment, txn: Txn, erased: Erased) -> bool:
    """By the time of its tombstone, for the sequences of a store that was put back begin again."""
    tombstone = tombstone_of(env, txn, erased.subject)
    return tombstone is not None and tombstone.at_ms >= erased.at_ms


def _go_on_after(env: Environment, txn: Txn, sequence: int) -> None:
    """Sequences go on after those of the ledger, so that receipts of before an erasure are below its tombstone."""
    counts = env.counts(txn)
    if counts.sequence < sequence:
        env.put_counts(txn, Counts(sequence, counts.by_kind))

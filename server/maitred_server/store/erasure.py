"""Forgetting a subject, in one transaction, and refusing what comes late."""

from __future__ import annotations

import struct

from maitred_server.model import Deletion, Entry, Record, SubjectKey
from maitred_server.store import erasures, forgotten
from maitred_server.store.dropping import Dropped, drop_subject
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.journal import KIND_INDEX, encode_record, framed, unframed
from maitred_server.store.keys import sequence_key
from maitred_server.store.ledger import Erased, Ledger
from maitred_server.store.results import Deleted, Tombstone

_TOMBSTONE = struct.Struct("<Qq")


def forget(env: Environment, txn: Txn, subject: SubjectKey, at_ms: int, told: bool = True) -> Deleted:
    """All that is kept of a subject goes, also the record of an earlier deletion; a new one is written, and a tombstone
    for each key that led to it. What the learner counted of it is noted, to be subtracted.

    `told`: it stands in the ledger, so that no backup brings it back, and has a record of its own. Raises StoreError.
    """
    dropped = drop_subject(env, txn, subject)
    note = forgotten.note(env, txn, dropped.records)
    sequence = _journal(env, txn, dropped, at_ms)
    for key in dropped.keys:
        _bury(env, txn, key, Tombstone(sequence, at_ms))
    if not told:
        return Deleted(sequence, dropped.existed, None)
    Ledger(env.path.parent).append(env, txn, [Erased(sequence, at_ms, key) for key in dropped.keys])
    gone = erasures.Gone(int(dropped.existed), len(dropped.records), len(dropped.keys) - 1)
    return Deleted(sequence, dropped.existed, erasures.add(env, txn, at_ms, gone, note))


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
    again = [one for one in lines if not _is_erased(env, txn, one)]
    for one in again:
        if not _is_erased(env, txn, one):
            forget(env, txn, one.subject, one.at_ms, told=False)
    ledger.know(env, txn)
    return len(again)


def _is_erased(env: Environment, txn: Txn, erased: Erased) -> bool:
    """By the time of its tombstone, for the sequences of a store that was put back begin again."""
    tombstone = tombstone_of(env, txn, erased.subject)
    return tombstone is not None and tombstone.at_ms >= erased.at_ms


def _go_on_after(env: Environment, txn: Txn, sequence: int) -> None:
    """Sequences go on after those of the ledger, so that receipts of before an erasure are below its tombstone."""
    counts = env.counts(txn)
    if counts.sequence < sequence:
        env.put_counts(txn, Counts(sequence, counts.by_kind))

"""Forgetting a subject, in one transaction."""

from __future__ import annotations

import struct

from maitred_server.model import Deletion, Record, SubjectKey
from maitred_server.store.dropping import drop_subject
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.journal import KIND_INDEX, encode_record, framed, unframed
from maitred_server.store.keys import sequence_key
from maitred_server.store.results import Deleted, Tombstone

_TOMBSTONE = struct.Struct("<Qq")


def forget(env: Environment, txn: Txn, subject: SubjectKey, at_ms: int) -> Deleted:
    """All that is kept of a subject goes, also the record of an earlier deletion; a new one is written, and a tombstone
    for each key that led to it.
    """
    dropped = drop_subject(env, txn, subject)
    canonical = dropped.keys[0]
    counts = env.counts(txn)
    by_kind = list(counts.by_kind)
    sequence = counts.sequence + 1
    by_kind[KIND_INDEX[Deletion]] += 1
    key = sequence_key(sequence)
    record = Record(canonical, dropped.kind, at_ms, at_ms, Deletion())
    txn.put(key, framed(key, encode_record(record)), append=True, db=env.databases.journal)
    txn.put(canonical, key, db=env.databases.by_subject)
    for one in dropped.keys:
        txn.put(one, framed(one, _TOMBSTONE.pack(sequence, at_ms)), db=env.databases.tombstones)
    env.put_counts(txn, Counts(sequence, tuple(by_kind)))
    return Deleted(sequence, dropped.existed)


def decode_tombstone(subject: SubjectKey, stored: bytes) -> Tombstone:
    """A tombstone as stored; raises RecordDamaged."""
    return Tombstone(*_TOMBSTONE.unpack(unframed(subject, stored)))

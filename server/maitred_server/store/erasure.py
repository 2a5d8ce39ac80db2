"""Forgetting a subject, in one transaction."""

from __future__ import annotations

import struct

from maitred_server.errors import RecordDamaged
from maitred_server.model import Deletion, Kind, Record, SubjectKey
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.journal import KIND_INDEX, decode_record, encode_record, framed, kind_index, unframed
from maitred_server.store.keys import sequence_key
from maitred_server.store.profiles import Profile
from maitred_server.store.results import Deleted, Tombstone

_TOMBSTONE = struct.Struct("<Qq")


def forget(env: Environment, txn: Txn, subject: SubjectKey, at_ms: int) -> Deleted:
    """Profile and journal records go, also the record of an earlier deletion; a new one and a tombstone are written."""
    counts = env.counts(txn)
    by_kind = list(counts.by_kind)
    for index in _drop_records(env, txn, subject):
        by_kind[index] -= 1
    kind, existed = _drop_profile(env, txn, subject)
    sequence = counts.sequence + 1
    by_kind[KIND_INDEX[Deletion]] += 1
    key = sequence_key(sequence)
    record = Record(subject, kind, at_ms, at_ms, Deletion())
    txn.put(key, framed(key, encode_record(record)), append=True, db=env.databases.journal)
    txn.put(subject, key, db=env.databases.by_subject)
    txn.put(subject, framed(subject, _TOMBSTONE.pack(sequence, at_ms)), db=env.databases.tombstones)
    env.put_counts(txn, Counts(sequence, tuple(by_kind)))
    return Deleted(sequence, existed)


def decode_tombstone(subject: SubjectKey, stored: bytes) -> Tombstone:
    """A tombstone as stored; raises RecordDamaged."""
    return Tombstone(*_TOMBSTONE.unpack(unframed(subject, stored)))


def _drop_records(env: Environment, txn: Txn, subject: SubjectKey) -> list[int]:
    """Delete the subject's records; the kinds of those that were intact."""
    with txn.cursor(db=env.databases.by_subject) as cursor:
        keys = list(cursor.iternext_dup()) if cursor.set_key(subject) else []
    kinds = [kind for key in keys if (kind := _drop_record(env, txn, subject, key)) is not None]
    txn.delete(subject, db=env.databases.by_subject)
    return kinds


def _drop_record(env: Environment, txn: Txn, subject: SubjectKey, key: bytes) -> int | None:
    stored = txn.pop(key, db=env.databases.journal)
    try:
        return None if stored is None else kind_index(decode_record(key, stored))
    except RecordDamaged:
        return None


def _drop_profile(env: Environment, txn: Txn, subject: SubjectKey) -> tuple[Kind, bool]:
    stored = txn.pop(subject, db=env.databases.profiles)
    if stored is None:
        return Kind.PERSON, False
    try:
        return Profile.decode(subject, stored).kind, True
    except RecordDamaged:
        return Kind.PERSON, True

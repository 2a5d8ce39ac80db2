"""The records of a subject as they are found in the journal, and the profile made anew from them."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

import structlog

from maitred_server.errors import RecordDamaged
from maitred_server.model import Record, SubjectKey
from maitred_server.store import replay
from maitred_server.store.aliases import followed, members
from maitred_server.store.env import Environment, Txn
from maitred_server.store.journal import decode_record
from maitred_server.store.keys import sequence_key
from maitred_server.store.replay import Replayed, keys_of, own_key

log = structlog.get_logger(__name__)


def key_records(env: Environment, txn: Txn, key: SubjectKey, after: int = 0) -> Iterator[tuple[int, Record]]:
    """What came under a key after a sequence, and the merges that name it; damaged records are left out."""
    with txn.cursor(db=env.databases.by_subject) as cursor:
        if not cursor.set_range_dup(key, sequence_key(after + 1)):
            return
        for at in cursor.iternext_dup():
            record = stored_record(env, txn, at)
            if record is not None and key in keys_of(record):
                yield int.from_bytes(at, "big"), record


def stored_record(env: Environment, txn: Txn, at: bytes) -> Record | None:
    """The record of a journal key; None: it is damaged, or gone."""
    try:
        return decode_record(at, txn.get(at, b"", db=env.databases.journal))
    except RecordDamaged:
        log.warning("record_damaged", sequence=int.from_bytes(at, "big"))
        return None


def subject_records(env: Environment, txn: Txn, key: SubjectKey, after: int = 0) -> Iterator[tuple[int, Record]]:
    """All that came under any key of the subject that a key leads to, in the journal's order."""
    keys = members(env, txn, canonical_key(env, txn, key))
    own = frozenset(keys)
    found = merge(*(key_records(env, txn, one, after) for one in keys), key=lambda one: one[0])
    last = after
    for sequence, record in found:
        if sequence > last and own_key(record) in own:
            last = sequence
            yield sequence, record


def canonical_key(env: Environment, txn: Txn, key: SubjectKey) -> SubjectKey:
    """The canonical key of the subject that a key leads to, told by the journal where what is stored is damaged."""
    try:
        found = followed(txn, env.databases.profiles, key)
    except RecordDamaged:
        return replayed(env, txn, key).canonical.get(key, key)
    return key if found is None else found[0]


def replayed(env: Environment, txn: Txn, key: SubjectKey) -> Replayed:
    """The subject that a key leads to, and all that were ever merged with it, made anew from the journal."""
    records = replay.history(key, lambda one: list(key_records(env, txn, one)))
    keys = {one for _, record in records for one in keys_of(record)}
    return replay.replayed(records, origins(env, txn, keys))


def origins(env: Environment, txn: Txn, keys: set[SubjectKey]) -> dict[SubjectKey, int]:
    """When keys were first seen whose first records are kept no more, ms."""
    found = ((key, txn.get(key, db=env.databases.origins)) for key in keys)
    return {key: int.from_bytes(stored, "big") for key, stored in found if stored is not None}

"""Two keys that were taken for one subject, and are not."""

from __future__ import annotations

from msgspec.structs import replace

from maitred_server.model import Kind, Record, SubjectKey, Unmerge
from maitred_server.store import aliases, changes, replay
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.histories import canonical_key, key_records, origins
from maitred_server.store.journal import encode_record, framed, kind_index
from maitred_server.store.keys import sequence_key
from maitred_server.store.replay import Replayed, keys_of


def unmerge(env: Environment, txn: Txn, subject: SubjectKey, other: SubjectKey, at_ms: int, source: str = "") -> int:
    """Take back the merge that made one subject of two keys; the sequence of the record that says so.

    0: they are not one. Each has again what came under its own keys, also since the merge.
    """
    env.admit(txn)
    records = replay.history(subject, lambda one: list(key_records(env, txn, one)))
    edge = replay.latest_between(replay.edges(records), subject, other)
    if edge is None:
        return 0
    canonical = canonical_key(env, txn, subject)
    merge = dict(records)[edge.sequence]
    record = replay.under(
        replace(merge, subject=edge.one, addressed=b"", body=Unmerge(edge.other), source=source), canonical
    )
    record = replace(record, received_at=at_ms, occurred_at=at_ms)
    sequence = _journal(env, txn, record)
    changes.add(env, txn, sequence, at_ms, changes.subjects_of(record))
    keys = {one for _, each in records for one in keys_of(each)}
    result = replay.replayed([*records, (sequence, record)], origins(env, txn, keys))
    _store(env, txn, canonical, result)
    return sequence


def _journal(env: Environment, txn: Txn, record: Record) -> int:
    counts = env.counts(txn)
    by_kind = list(counts.by_kind)
    by_kind[kind_index(record)] += 1
    sequence = counts.sequence + 1
    key = sequence_key(sequence)
    txn.put(key, framed(key, encode_record(record)), append=True, db=env.databases.journal)
    for one in keys_of(record):
        txn.put(one, key, db=env.databases.by_subject)
    env.put_counts(txn, Counts(sequence, tuple(by_kind)))
    return sequence


def _store(env: Environment, txn: Txn, canonical: SubjectKey, result: Replayed) -> None:
    """Write anew what the keys of a subject lead to."""
    keys = aliases.members(env, txn, canonical)
    aliases.release(env, txn, canonical)
    leading = {key: result.canonical.get(key, key) for key in keys}
    for key, leads_to in leading.items():
        profile = result.profiles.get(key)
        if leads_to != key:
            aliases.lead(env, txn, [key], leads_to)
        elif profile is not None:
            txn.put(key, profile.encode(key), db=env.databases.profiles)
            if profile.kind is Kind.SESSION and list(leading.values()).count(key) == 1:
                txn.put(key, b"", db=env.databases.sessions)

"""Taking records out of the journal, one by one or all that there are of a subject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from maitred_server.errors import RecordDamaged
from maitred_server.model import Kind, Record, SubjectKey
from maitred_server.store import aliases
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.histories import canonical_key, stored_record
from maitred_server.store.journal import kind_index
from maitred_server.store.keys import sequence_key
from maitred_server.store.profiles import Profile
from maitred_server.store.replay import keys_of, own_key


class Dropped(NamedTuple):
    """A subject of whom nothing is kept any more."""

    kind: Kind
    existed: bool  # whether there was a profile
    keys: list[SubjectKey]  # that led to it, the canonical one first
    records: list[tuple[int, Record]]  # that were intact


def take_out(env: Environment, txn: Txn, records: Iterable[tuple[int, Record]]) -> None:
    """Delete journal records, wherever they are indexed; the journal's numbers follow, profiles do not."""
    counts = env.counts(txn)
    by_kind = list(counts.by_kind)
    for sequence, record in records:
        key = sequence_key(sequence)
        by_kind[kind_index(record)] -= txn.delete(key, db=env.databases.journal)
        for one in keys_of(record):
            txn.delete(one, key, db=env.databases.by_subject)
    env.put_counts(txn, Counts(counts.sequence, tuple(by_kind)))


def drop_subject(env: Environment, txn: Txn, key: SubjectKey) -> Dropped:
    """Delete the subject that a key leads to: profile, history and aliases, and every word of it elsewhere."""
    canonical = canonical_key(env, txn, key)
    keys = aliases.members(env, txn, canonical)
    kind, existed = _kind_of(env, txn, canonical)
    records = _drop_records(env, txn, keys)
    databases = env.databases
    for one in keys:
        for database in (databases.profiles, databases.by_subject, databases.origins, databases.sessions):
            txn.delete(one, db=database)
    txn.delete(canonical, db=databases.aliases)
    own = frozenset(keys)
    for _, record in records:
        if own_key(record) not in own:
            _uncount(env, txn, record)
    return Dropped(kind, existed, keys, records)


def _kind_of(env: Environment, txn: Txn, canonical: SubjectKey) -> tuple[Kind, bool]:
    stored = txn.get(canonical, db=env.databases.profiles)
    if stored is None:
        return Kind.PERSON, False
    try:
        return Profile.decode(canonical, stored).kind, True
    except RecordDamaged:
        return Kind.PERSON, True


def _drop_records(env: Environment, txn: Txn, keys: list[SubjectKey]) -> list[tuple[int, Record]]:
    """Those that were intact are told."""
    intact: dict[int, Record] = {}
    for one in keys:
        with txn.cursor(db=env.databases.by_subject) as cursor:
            places = list(cursor.iternext_dup()) if cursor.set_key(one) else []
        for at in places:
            record = stored_record(env, txn, at)
            if record is None:
                txn.delete(at, db=env.databases.journal)
            else:
                intact[int.from_bytes(at, "big")] = record
    records = sorted(intact.items())
    take_out(env, txn, records)
    return records


def _uncount(env: Environment, txn: Txn, record: Record) -> None:
    """Take a merge that was taken back out of the profile of the one that it left."""
    canonical = canonical_key(env, txn, own_key(record))
    stored = txn.get(canonical, db=env.databases.profiles)
    if stored is None:
        return
    try:
        profile = Profile.decode(canonical, stored)
    except RecordDamaged:
        return  # made anew, without it, when it is next written
    by_kind = list(profile.counts_by_kind)
    by_kind[kind_index(record)] -= 1
    if any(by_kind):
        changed = replace(profile, counts_by_kind=tuple(by_kind))
        txn.put(canonical, changed.encode(canonical), db=env.databases.profiles)
    else:
        txn.delete(canonical, db=env.databases.profiles)

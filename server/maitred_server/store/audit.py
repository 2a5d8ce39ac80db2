"""Counting everything from the records themselves, to compare with what was counted on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from maitred_server.errors import RecordDamaged
from maitred_server.store.aliases import is_pointer, target
from maitred_server.store.env import Environment, Txn
from maitred_server.store.journal import KIND_NAMES, by_kind, decode_record, kind_index, unframed
from maitred_server.store.profiles import Profile
from maitred_server.store.results import Audit


def audited(env: Environment) -> Audit:
    """Scan the journal and all profiles in one snapshot, so that the figures belong together."""
    with env.reading() as txn:
        journalled, damaged = _scan(txn, env.databases.journal, _record_kinds)
        counted, more = _scan(txn, env.databases.profiles, _profile_totals)
        _, states = _scan(txn, env.databases.item_states, _no_kinds)
        return Audit(journalled, counted, by_kind(env.counts(txn).by_kind), damaged + more + states)


def _scan(txn: Txn, database: Any, kinds_of: Callable[[bytes, bytes], dict[str, int]]) -> tuple[dict[str, int], int]:
    totals: Counter[str] = Counter(dict.fromkeys(KIND_NAMES, 0))
    damaged = 0
    with txn.cursor(db=database) as cursor:
        for key, value in cursor.iternext():
            try:
                totals.update(kinds_of(key, value))
            except RecordDamaged:
                damaged += 1
    return dict(totals), damaged


def _record_kinds(key: bytes, value: bytes) -> dict[str, int]:
    return {KIND_NAMES[kind_index(decode_record(key, value))]: 1}


def _no_kinds(key: bytes, value: bytes) -> dict[str, int]:
    unframed(key, value)
    return {}


def _profile_totals(key: bytes, value: bytes) -> dict[str, int]:
    if is_pointer(value):
        target(key, value)
        return {}
    return Profile.decode(key, value).totals

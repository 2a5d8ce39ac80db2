"""Whose cached decisions must go, in the order of the journal: what connected clients are told.

Kept is the sequence of the journal record, its brand, and the tags of its subjects (see `keys.subject_tag`), for so
many changes and so long. A position is the journal's sequence with a number of this store before it, so that one of
another store, or of before a backup was put back, is known as such.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from maitred_server.errors import RecordDamaged
from maitred_server.model import Consents, Merge, Objection, Record, SubjectKey, Unmerge
from maitred_server.store.env import Environment, Txn
from maitred_server.store.journal import framed, unframed
from maitred_server.store.keys import TAG_BYTES, brand_of, brand_prefix, sequence_key, subject_tag

MOST_KEPT = 100_000
LONGEST_MS = 30 * 86_400_000
MOST_TOLD = 2_000  # changes that are told one by one; who missed more begins anew
PRUNED_AT_ONCE = 10_000
TOLD = frozenset((Consents, Objection, Merge, Unmerge))  # kinds of record that clients are told of; and erasures

_KEY = b"changes"
_SEQUENCE_BITS = 48
_TIME_BYTES = 8
_MOST_STORES = (1 << 15) - 1


class Change(NamedTuple):
    """Of these subjects cached decisions must go."""

    sequence: int
    brand: str
    tags: tuple[bytes, ...]


class SubjectChanges(NamedTuple):
    """What happened after a position, and where that leads. `whole`: too much, or nobody knows what."""

    position: int
    changes: Sequence[Change]
    whole: bool = False


class Mark(NamedTuple):
    """Which store this is, from 1, and the sequence through which nothing is kept any more."""

    store: int
    gone_through: int


def sequence_of(position: int) -> int:
    """The journal sequence in a position."""
    return position & ((1 << _SEQUENCE_BITS) - 1)


def position_at(mark: Mark, sequence: int) -> int:
    """The position of a journal sequence."""
    return mark.store << _SEQUENCE_BITS | sequence


def is_known(mark: Mark, position: int, last: int) -> bool:
    """Whether all that happened after a position can be told. `last`: the journal's last sequence."""
    return position >> _SEQUENCE_BITS == mark.store and mark.gone_through <= sequence_of(position) <= last


def new_mark(sequence: int) -> Mark:
    """Of a store that begins to keep changes after a sequence."""
    return Mark(1 + int.from_bytes(os.urandom(2), "big") % _MOST_STORES, sequence)


def subjects_of(record: Record, *others: SubjectKey) -> tuple[SubjectKey, ...]:
    """Whom a record is about: canonical keys as cached decisions have them, and `others`."""
    body = record.body
    also = (body.other,) if isinstance(body, Merge | Unmerge) else ()
    return tuple(dict.fromkeys((record.subject, *also, *others)))


# In LMDB


def begin(env: Environment, txn: Txn, anew: bool = False) -> None:
    """Make a store ready to keep changes; `anew`: what was kept, and positions in it, mean nothing any more."""
    if anew or txn.get(_KEY, db=env.databases.meta) is None:
        with txn.cursor(db=env.databases.changes) as cursor:
            while cursor.first():
                cursor.delete()
        _put_mark(env, txn, new_mark(env.counts(txn).sequence))


def has_begun(env: Environment) -> bool:
    """Whether a store keeps changes: an older one does not yet."""
    return env.read(_KEY, env.databases.meta) is not None


def add(env: Environment, txn: Txn, sequence: int, at_ms: int, subjects: Iterable[SubjectKey]) -> None:
    """Keep that cached decisions of some subjects, all of one brand, must go."""
    keys = list(subjects)
    key = sequence_key(sequence)
    tags = b"".join(subject_tag(subject) for subject in keys)
    payload = max(at_ms, 0).to_bytes(_TIME_BYTES, "big") + brand_prefix(brand_of(keys[0])) + tags
    txn.put(key, framed(key, payload), db=env.databases.changes)


def since(env: Environment, position: int) -> SubjectChanges:
    """What happened after a position; 0: nothing, from now on."""
    with env.reading() as txn:
        mark, last = _mark(env, txn), env.counts(txn).sequence
        now = position_at(mark, last)
        if not position or position == now:
            return SubjectChanges(now, [])
        if not is_known(mark, position, last):
            return SubjectChanges(now, [], whole=True)
        stored = _after(env, txn, sequence_of(position))
    try:
        return SubjectChanges(now, [_decoded(*one) for one in stored[:MOST_TOLD]], len(stored) > MOST_TOLD)
    except RecordDamaged:
        return SubjectChanges(now, [], whole=True)


def _after(env: Environment, txn: Txn, sequence: int) -> list[tuple[bytes, bytes]]:
    if env.databases.changes is None:
        return []
    with txn.cursor(db=env.databases.changes) as cursor:
        found = cursor.set_range(sequence_key(sequence + 1))
        return list(islice(cursor.iternext(), MOST_TOLD + 1)) if found else []


def _decoded(key: bytes, stored: bytes) -> Change:
    rest = unframed(key, stored)[_TIME_BYTES:]
    brand = brand_of(rest)
    tags = rest[len(brand_prefix(brand)) :]
    split = tuple(tags[at : at + TAG_BYTES] for at in range(0, len(tags), TAG_BYTES))
    return Change(int.from_bytes(key, "big"), brand, split)


def is_due(env: Environment, now_ms: int) -> bool:
    """Whether `prune` would get anything done."""
    with env.reading() as txn:
        return bool(_excess(env, txn)) or _is_old(env, txn, now_ms)


def prune(env: Environment, txn: Txn, now_ms: int) -> int:
    """Let go of the oldest changes over the bounds, some at once; how many went."""
    through = gone = 0
    excess = _excess(env, txn)
    with txn.cursor(db=env.databases.changes) as cursor:
        more = cursor.first()
        while more and gone < PRUNED_AT_ONCE and (gone < excess or _is_older(cursor.value(), now_ms)):
            through = int.from_bytes(cursor.key(), "big")
            more = cursor.delete() and bool(cursor.key())
            gone += 1
    if gone:
        _put_mark(env, txn, Mark(_mark(env, txn).store, through))
    return gone


def _excess(env: Environment, txn: Txn) -> int:
    return max(0, int(txn.stat(env.databases.changes)["entries"]) - MOST_KEPT)


def _is_old(env: Environment, txn: Txn, now_ms: int) -> bool:
    with txn.cursor(db=env.databases.changes) as cursor:
        return bool(cursor.first()) and _is_older(cursor.value(), now_ms)


def _is_older(stored: bytes, now_ms: int) -> bool:
    return int.from_bytes(stored[4 : 4 + _TIME_BYTES], "big") < now_ms - LONGEST_MS


def _mark(env: Environment, txn: Txn) -> Mark:
    """Of a store that keeps no changes yet, one that knows no position."""
    stored = txn.get(_KEY, db=env.databases.meta)
    if stored is None:
        return Mark(0, env.counts(txn).sequence)
    payload = unframed(_KEY, stored)
    return Mark(int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:], "big"))


def _put_mark(env: Environment, txn: Txn, mark: Mark) -> None:
    payload = mark.store.to_bytes(2, "big") + mark.gone_through.to_bytes(8, "big")
    txn.put(_KEY, framed(_KEY, payload), db=env.databases.meta)

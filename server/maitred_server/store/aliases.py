"""Which keys lead to which subject.

The canonical key of a subject has its profile; every other key has, in the same database, a pointer to the canonical
one. All pointers lead there at once: there are no chains.
"""

from __future__ import annotations

from typing import Any

from maitred_server.errors import RecordDamaged
from maitred_server.model import SubjectKey
from maitred_server.store.env import Environment, Txn
from maitred_server.store.journal import framed, unframed

MOST_ALIASES = 1_000

_MARK = b"\xff\xff"  # where a profile has its layout
_AT = 4  # after the checksum


def pointer(key: SubjectKey, canonical: SubjectKey) -> bytes:
    """What is stored under a key that leads to another."""
    return framed(key, _MARK + canonical)


def is_pointer(stored: bytes) -> bool:
    """Whether this leads to another key, or is a profile (damaged ones may be taken for the other)."""
    return stored.startswith(_MARK, _AT)


def target(key: SubjectKey, stored: bytes) -> SubjectKey:
    """Where a stored pointer leads; raises RecordDamaged."""
    return unframed(key, stored)[len(_MARK) :]


def followed(txn: Txn, profiles: Any, key: SubjectKey) -> tuple[SubjectKey, bytes] | None:
    """The canonical key of a subject and its stored profile; None: nothing is kept. Raises RecordDamaged."""
    stored = txn.get(key, db=profiles)
    if stored is None:
        return None
    if not stored.startswith(_MARK, _AT):
        return key, stored
    canonical = target(key, stored)
    stored = txn.get(canonical, db=profiles)
    if stored is None or is_pointer(stored):
        raise RecordDamaged("a merged subject leads to none")
    return canonical, stored


def aliases(env: Environment, txn: Txn, canonical: SubjectKey) -> list[SubjectKey]:
    """The other keys that lead to a canonical key."""
    with txn.cursor(db=env.databases.aliases) as cursor:
        return list(cursor.iternext_dup()) if cursor.set_key(canonical) else []


def members(env: Environment, txn: Txn, canonical: SubjectKey) -> list[SubjectKey]:
    """All keys of a subject, the canonical one first."""
    return [canonical, *aliases(env, txn, canonical)]


def lead(env: Environment, txn: Txn, keys: list[SubjectKey], canonical: SubjectKey) -> None:
    """From now on these keys lead to `canonical`."""
    databases = env.databases
    for key in keys:
        txn.put(key, pointer(key, canonical), db=databases.profiles)
        txn.put(canonical, key, db=databases.aliases)


def release(env: Environment, txn: Txn, canonical: SubjectKey) -> None:
    """Forget what led to a key, and what is stored there; to be written anew."""
    for key in members(env, txn, canonical):
        txn.delete(key, db=env.databases.profiles)
    txn.delete(canonical, db=env.databases.aliases)

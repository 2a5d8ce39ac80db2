"""Visits: what was kept under a session goes when it ends, unless it turned out to be somebody's."""

from __future__ import annotations

from maitred_server.errors import RecordDamaged
from maitred_server.model import SubjectKey
from maitred_server.store import aliases, erasure
from maitred_server.store.env import Environment, Txn
from maitred_server.store.profiles import Profile

AT_ONCE = 200  # sessions that are looked at in one transaction


def end(env: Environment, txn: Txn, session: SubjectKey, at_ms: int) -> bool:
    """Forget a session; False: nothing was kept of it, or it was merged and is part of somebody."""
    found = aliases.followed(txn, env.databases.profiles, session)
    if found is None or found[0] != session or aliases.aliases(env, txn, session):
        return False
    return erasure.forget(env, txn, session, at_ms).existed


def end_idle(env: Environment, txn: Txn, after: SubjectKey, before_ms: int, at_ms: int) -> SubjectKey:
    """End the next sessions after a key in which nothing happened since a moment; b"": there are no more to look at."""
    with txn.cursor(db=env.databases.sessions) as cursor:
        more = cursor.set_range(after + b"\x00")
        looked_at = [key for key, _ in zip(cursor.iternext(values=False), range(AT_ONCE), strict=False)] if more else []
    for session in looked_at:
        if _is_idle(env, txn, session, before_ms):
            end(env, txn, session, at_ms)
    return looked_at[-1] if len(looked_at) == AT_ONCE else b""


def _is_idle(env: Environment, txn: Txn, session: SubjectKey, before_ms: int) -> bool:
    stored = txn.get(session, db=env.databases.profiles)
    try:
        return stored is not None and Profile.decode(session, stored).last_seen < before_ms
    except RecordDamaged:
        return False  # it is made anew by its next record

"""How much is kept of a subject and for how long: what goes leaves the journal, and the profile is made anew from what
stays. Pure choices first, then how they are carried out, in small transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

from maitred_server.model import Event, Exposure, Objection, Outcome, Record, SubjectKey, Traits
from maitred_server.store import forgotten, replay, traits
from maitred_server.store.dropping import take_out
from maitred_server.store.env import Environment, Txn
from maitred_server.store.histories import canonical_key, origins, replayed, stored_record, subject_records
from maitred_server.store.keys import sequence_key
from maitred_server.store.profiles import Profile
from maitred_server.store.touches import counter_types

HISTORY_RECORDS = 10_000
LOOKED_AT = 2_000  # records that are looked at in one reading transaction
SUBJECTS_AT_ONCE = 8  # that are made anew in one transaction
VIEW = "view"

# The longest age by type, ms: of an event's own type, "exposure", "outcome" or "outcome.TYPE".
Ages: TypeAlias = Mapping[str, int]
Records: TypeAlias = Sequence[tuple[int, Record]]


class Keeping(NamedTuple):
    """What an operator may set. `session_ms`: how long nothing may happen in a session before it is ended."""

    ages: Ages
    session_ms: int


def surplus(records: Records, profile: Profile, most: int) -> list[tuple[int, Record]]:
    """What goes when a subject has more than `most` records, so that a tenth of that is free again.

    Oldest views first, then other events and traits that are no longer in force, then exposures and outcomes; never
    consents, merges or traits in force.
    """
    excess = len(records) - most * 9 // 10 if len(records) > most else 0
    in_force = {sequence for _, sequence in traits.decode(profile.stored_traits).values()}
    ranked = ((_rank(record, sequence in in_force), sequence, record) for sequence, record in records)
    free = sorted((one for one in ranked if one[0] is not None), key=lambda one: one[:2])
    return [(sequence, record) for _, sequence, record in free[:excess]]


def _rank(record: Record, in_force: bool) -> int | None:
    body = record.body
    if isinstance(body, Event):
        return 0 if body.type == VIEW else 1
    if isinstance(body, Traits):
        return None if in_force else 1
    return 2 if isinstance(body, Exposure | Outcome) else None


def is_expired(record: Record, ages: Ages, now_ms: int) -> bool:
    """Whether a record is older than what is kept of its type. What a subject does not want to see has no age."""
    if isinstance(record.body, Objection):
        return False
    names = (*counter_types(record), "outcome") if isinstance(record.body, Outcome) else counter_types(record)
    return any(record.received_at < now_ms - ages[name] for name in names if name in ages)


def first_seen(records: Iterable[tuple[int, Record]], known: Mapping[SubjectKey, int]) -> dict[SubjectKey, int]:
    """When the keys of records that go were first seen, ms; `known`: of earlier ones that went."""
    found: dict[SubjectKey, int] = {}
    for _, record in records:
        key = replay.own_key(record)
        found[key] = min(record.received_at, found.get(key, record.received_at), known.get(key, record.received_at))
    return found


# In LMDB


def trim(env: Environment, txn: Txn, subject: SubjectKey, gone: Records) -> None:
    """Take some records of a subject out, and make its profile anew; without any record it is forgotten."""
    forgotten.note(env, txn, gone, lambda: subject_records(env, txn, subject))
    keys = {replay.own_key(record) for _, record in gone}
    for key, at_ms in first_seen(gone, origins(env, txn, keys)).items():
        txn.put(key, at_ms.to_bytes(8, "big"), db=env.databases.origins)
    take_out(env, txn, gone)
    profile = replayed(env, txn, subject).profiles.get(subject)
    databases = env.databases
    if profile is not None:
        txn.put(subject, profile.encode(subject), db=databases.profiles)
        return
    for database in (databases.profiles, databases.origins, databases.sessions):
        txn.delete(subject, db=database)


def crowded(env: Environment) -> list[SubjectKey]:
    """Some of the subjects with more records than may be kept."""
    with env.reading() as txn, txn.cursor(db=env.databases.crowded) as cursor:
        return list(islice(cursor.iternext(values=False), SUBJECTS_AT_ONCE))


def trim_crowded(env: Environment, txn: Txn, key: SubjectKey, most: int) -> None:
    """Bring one subject back to its bound."""
    txn.delete(key, db=env.databases.crowded)
    subject = canonical_key(env, txn, key)
    records = list(subject_records(env, txn, subject))
    profile = replayed(env, txn, subject).profiles.get(subject)
    if profile is not None and (gone := surplus(records, profile, most)):
        trim(env, txn, subject, gone)


class Aged(NamedTuple):
    """How far the journal was searched for expired records of one type, and whose were found."""

    through: int
    subjects: list[SubjectKey]
    more: bool


def aged(env: Environment, name: str, ages: Ages, now_ms: int, after: int) -> Aged:
    """Search the next records of the journal for expired ones of a type, up to the first that is too young for it."""
    found: dict[SubjectKey, None] = {}
    only = {name: ages[name]}
    with env.reading() as txn:
        keys = _next_keys(env, txn, after)
        for key in keys:
            record = stored_record(env, txn, key)
            if record is not None and record.received_at >= now_ms - ages[name]:
                return Aged(after, list(found), more=False)
            if record is not None and is_expired(record, only, now_ms):
                found[canonical_key(env, txn, replay.own_key(record))] = None
            after = int.from_bytes(key, "big")
            if len(found) == SUBJECTS_AT_ONCE:
                break
    return Aged(after, list(found), more=bool(keys) and (len(keys) == LOOKED_AT or sequence_key(after) < keys[-1]))


def _next_keys(env: Environment, txn: Txn, after: int) -> list[bytes]:
    with txn.cursor(db=env.databases.journal) as cursor:
        if not cursor.set_range(sequence_key(after + 1)):
            return []
        return list(islice(cursor.iternext(values=False), LOOKED_AT))


def trim_aged(env: Environment, txn: Txn, name: str, found: Aged, ages: Ages, now_ms: int) -> None:
    """Take all that is expired out of some subjects; the search for a type goes on from there."""
    for subject in found.subjects:
        gone = [one for one in subject_records(env, txn, subject) if is_expired(one[1], ages, now_ms)]
        if gone:
            trim(env, txn, subject, gone)
    txn.put(_place_of(name), sequence_key(found.through), db=env.databases.meta)


def searched_through(env: Environment, name: str) -> int:
    """How far the journal was searched for a type."""
    return int.from_bytes(env.read(_place_of(name), env.databases.meta) or b"", "big")


def _place_of(name: str) -> bytes:
    return b"aged:" + name.encode()


def is_crowded(profile: Profile, most: int) -> bool:
    """Whether a profile was made from more records than may be kept."""
    return sum(profile.counts_by_kind) > most


def mark_crowded(env: Environment, txn: Txn, profiles: Mapping[SubjectKey, Profile], most: int) -> None:
    """Remember which of these have too many records."""
    for subject, profile in profiles.items():
        if is_crowded(profile, most):
            txn.put(subject, b"", db=env.databases.crowded)

"""Live states of items and groups: what is true of them right now, beside whatever is published.

A brand's states are changed in one transaction, which also writes them to the journal, in records whose subject is the
brand alone. Each of these names the one before it: so a reader finds what was set since it last looked without reading
all there is, and a state whose stored form is damaged can be had again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice, takewhile
from typing import NamedTuple

import msgspec
import structlog

from maitred_server.errors import RecordDamaged
from maitred_server.model import ItemStates, Kind, LiveState, Record, StateChange
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.journal import KIND_INDEX, decode_record, encode_record, framed, unframed
from maitred_server.store.keys import brand_prefix, sequence_key

log = structlog.get_logger(__name__)

RECORD_STATES = 500  # in one record, so that reading some thousand records at once stays small
MOST_RECORDS = 200  # that are read to tell what changed; beyond it reading all states is less work
_VERSION = b"item_states"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(LiveState)


class StateChanges(NamedTuple):
    """What was set since a version, the later last. `whole`: all that is in force; forget what was known before."""

    version: int
    states: Sequence[LiveState]
    whole: bool


def resulting(changes: Iterable[StateChange], current: Callable[[str, str], LiveState]) -> list[LiveState]:
    """The states that are others than before, each once. `current` gives the state of an item or of a group."""
    before: dict[tuple[str, str], LiveState] = {}
    after: dict[tuple[str, str], LiveState] = {}
    for change in changes:
        name = (change.item, change.group)
        if name not in before:
            before[name] = after[name] = current(*name)
        after[name] = _changed(LiveState(*name) if change.reset else after[name], change)
    return [state for name, state in after.items() if state != before[name]]


def _changed(state: LiveState, change: StateChange) -> LiveState:
    return LiveState(
        state.item,
        state.group,
        state.stock if change.stock is None else change.stock,
        state.price if change.price is None else change.price,
        state.paused if change.paused is None else change.paused,
        state.kill if change.kill is None else change.kill,
    )


def says_nothing(state: LiveState) -> bool:
    """Whether all is as the catalogue says: such a state is not kept."""
    return state == LiveState(state.item, state.group)


def records(states: Sequence[LiveState], brand: str, at_ms: int, source: str, last: int, before: int) -> list[Record]:
    """The journal records of states. `last`: the journal's last sequence; `before`: see `ItemStates`."""
    parts = [tuple(states[at : at + RECORD_STATES]) for at in range(0, len(states), RECORD_STATES)]
    return [
        Record(
            brand_prefix(brand),
            Kind.PERSON,
            at_ms,
            at_ms,
            ItemStates(part, last + number if number else before),
            source,
        )
        for number, part in enumerate(parts)
    ]


# In LMDB


def set_states(env: Environment, txn: Txn, brand: str, changes: Sequence[StateChange], at_ms: int, source: str) -> int:
    """Changes the states of a brand; the version after it. Raises StoreFull, RecordDamaged."""
    if not all(change.kill for change in changes):  # what only kills may use the space that is left for deletes
        env.admit(txn)
    version = _version_to_change(env, txn, brand)
    states = resulting(changes, lambda item, group: state_of(env, txn, brand, item, group) or LiveState(item, group))
    if not states:
        return version
    for state in states:
        _put(env, txn, brand, state)
    counts = env.counts(txn)
    return _append(env, txn, brand, records(states, brand, at_ms, source, counts.sequence, version), counts)


def _put(env: Environment, txn: Txn, brand: str, state: LiveState) -> None:
    key = stored_state_key(brand, state.item, state.group)
    if says_nothing(state):
        txn.delete(key, db=env.databases.item_states)
    else:
        txn.put(key, framed(key, _encoder.encode(state)), db=env.databases.item_states)


def _append(env: Environment, txn: Txn, brand: str, fresh: Sequence[Record], counts: Counts) -> int:
    for sequence, record in enumerate(fresh, start=counts.sequence + 1):
        key = sequence_key(sequence)
        txn.put(key, framed(key, encode_record(record)), append=True, db=env.databases.journal)
    version, by_kind = counts.sequence + len(fresh), list(counts.by_kind)
    by_kind[KIND_INDEX[ItemStates]] += len(fresh)
    env.put_counts(txn, Counts(version, tuple(by_kind)))
    return _put_version(env, txn, brand, version)


def _put_version(env: Environment, txn: Txn, brand: str, version: int) -> int:
    key = version_key(brand)
    txn.put(key, framed(key, version.to_bytes(8, "big")), db=env.databases.meta)
    return version


def _version_to_change(env: Environment, txn: Txn, brand: str) -> int:
    """The version; found again in the journal, and put right, when its stored form is damaged."""
    try:
        return version_of(env, txn, brand)
    except RecordDamaged:
        log.warning("item_state_version_damaged")
        return _put_version(env, txn, brand, _last_in_journal(env, txn, brand))


def _last_in_journal(env: Environment, txn: Txn, brand: str) -> int:
    prefix = brand_prefix(brand)
    with txn.cursor(db=env.databases.journal) as cursor:
        for key, value in cursor.iterprev():
            try:
                record = decode_record(key, value)
            except RecordDamaged:
                continue
            if record.subject == prefix and isinstance(record.body, ItemStates):
                return int.from_bytes(key, "big")
    return 0


def stored_state_key(brand: str, item: str, group: str) -> bytes:
    """Key of the state of an item or of a group: wide enough that no two ever share it."""
    person = b"maitred.state.i" if item else b"maitred.state.g"
    return brand_prefix(brand) + blake2b((item or group).encode(), digest_size=16, person=person).digest()


def version_key(brand: str) -> bytes:
    """Key of a brand's version among the store's facts about itself."""
    return _VERSION + brand_prefix(brand)


def decode_version(brand: str, stored: bytes | None) -> int:
    """A version as stored; 0: no state was ever set. Raises RecordDamaged."""
    return 0 if stored is None else int.from_bytes(unframed(version_key(brand), stored), "big")


def version_of(env: Environment, txn: Txn, brand: str) -> int:
    """The sequence of the last record of a brand's states. Raises RecordDamaged."""
    return decode_version(brand, txn.get(version_key(brand), db=env.databases.meta))


def state_of(env: Environment, txn: Txn, brand: str, item: str, group: str) -> LiveState | None:
    """The state of an item or of a group; None: it has none. Raises RecordDamaged."""
    key = stored_state_key(brand, item, group)
    stored = txn.get(key, db=env.databases.item_states)
    return None if stored is None else _decoded(env, txn, brand, key, stored)


def states_of(env: Environment, brand: str) -> Iterator[LiveState]:
    """All states of a brand at one moment, decoded as they are asked for. Raises RecordDamaged."""
    with env.reading() as txn:
        stored = _copied(env, txn, brand)
    return _each_decoded(env, brand, stored)


def changes_since(env: Environment, brand: str, version: int) -> StateChanges:
    """What was set after a version (0: all). Raises RecordDamaged."""
    with env.reading() as txn:
        now = version_of(env, txn, brand)
        newest_first = _bodies_since(env, txn, brand, version) if 0 < version <= now else None
        stored = _copied(env, txn, brand) if newest_first is None else []
    if newest_first is None:
        return StateChanges(now, list(_each_decoded(env, brand, stored)), whole=True)
    return StateChanges(now, [state for body in reversed(newest_first) for state in body.states], whole=False)


def _copied(env: Environment, txn: Txn, brand: str) -> list[tuple[bytes, bytes]]:
    prefix = brand_prefix(brand)
    with txn.cursor(db=env.databases.item_states) as cursor:
        if not cursor.set_range(prefix):
            return []
        return list(takewhile(lambda one: one[0].startswith(prefix), cursor.iternext()))


def _each_decoded(env: Environment, brand: str, stored: Iterable[tuple[bytes, bytes]]) -> Iterator[LiveState]:
    for key, value in stored:
        try:
            yield _decoder.decode(unframed(key, value))
        except (RecordDamaged, msgspec.DecodeError):
            with env.reading() as txn:
                yield _recovered(env, txn, brand, key)


def _decoded(env: Environment, txn: Txn, brand: str, key: bytes, stored: bytes) -> LiveState:
    try:
        return _decoder.decode(unframed(key, stored))
    except (RecordDamaged, msgspec.DecodeError):
        return _recovered(env, txn, brand, key)


def _recovered(env: Environment, txn: Txn, brand: str, key: bytes) -> LiveState:
    """The state that is stored under a key, from the journal."""
    log.warning("item_state_damaged")
    for body in _bodies(env, txn, brand, 0):
        for state in body.states:
            if stored_state_key(brand, state.item, state.group) == key:
                return state
    raise RecordDamaged("the live state of an item is damaged, here and in the journal")


def _bodies_since(env: Environment, txn: Txn, brand: str, version: int) -> list[ItemStates] | None:
    """The records after a version, newest first; None: they are too many, or one is damaged."""
    try:
        found = list(islice(_bodies(env, txn, brand, version), MOST_RECORDS + 1))
    except RecordDamaged:
        return None
    return found if len(found) <= MOST_RECORDS else None


def _bodies(env: Environment, txn: Txn, brand: str, version: int) -> Iterator[ItemStates]:
    """What the records of a brand after a version say, newest first. Raises RecordDamaged."""
    sequence = version_of(env, txn, brand)
    while sequence > version:
        key = sequence_key(sequence)
        body = decode_record(key, txn.get(key, b"", db=env.databases.journal)).body
        if not isinstance(body, ItemStates):
            raise RecordDamaged("a record of live item states is missing")
        yield body
        sequence = body.before

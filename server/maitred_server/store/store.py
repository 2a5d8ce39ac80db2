"""The store on LMDB: what a process of the server reads and writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import structlog

from maitred_server.errors import RecordDamaged, StoreRefused
from maitred_server.model import Entry, EventId, Item, LiveState, Record, Sequenced, StateChange, SubjectKey
from maitred_server.store import (
    aliases,
    audit,
    changes,
    erasure,
    erasures,
    forgotten,
    histories,
    itemstate,
    parting,
    sessions,
)
from maitred_server.store.changes import SubjectChanges
from maitred_server.store.env import DEFAULT_MAP_SIZE, Environment, Txn
from maitred_server.store.erasures import Erasure
from maitred_server.store.generations import Generations, sweep
from maitred_server.store.group import stored_window
from maitred_server.store.histories import key_records, subject_records
from maitred_server.store.itemstate import StateChanges
from maitred_server.store.journal import by_kind, decode_record, framed, unframed
from maitred_server.store.keeping import keep
from maitred_server.store.keys import (
    brand_prefix,
    foreign_floor,
    foreign_key,
    sequence_key,
    stored_item_key,
    window_key,
)
from maitred_server.store.ledger import Ledger
from maitred_server.store.profiles import Profile
from maitred_server.store.published import forget_learned, prune_policies
from maitred_server.store.results import Audit, Changes, Commit, Deleted, Found, Statistics, Tombstone, Usage
from maitred_server.store.retention import HISTORY_RECORDS, Keeping
from maitred_server.store.stamping import Stamp
from maitred_server.store.writer import QUEUE_ENTRIES, Writer

log = structlog.get_logger(__name__)

FORGET_AT_ONCE = 10_000
_item_encoder = msgspec.msgpack.Encoder()
_item_decoder = msgspec.msgpack.Decoder(Item)


class Store:
    """One process's door to the store, for any of its threads; `base.AnyStore` says what each method promises."""

    def __init__(self, generations: Generations, writer: Writer | None) -> None:
        self._generations, self._writer = generations, writer
        self.erased_again = 0  # subjects that the ledger names and the store had, when it was opened
        self._names: dict[int, str] = {}
        self._damaged = 0
        self._closed = False

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        map_size: int = DEFAULT_MAP_SIZE,
        read_only: bool = False,
        allow_overlay: bool | None = None,
        queue_entries: int = QUEUE_ENTRIES,
        history_records: int = HISTORY_RECORDS,
    ) -> Store:
        """Open the store of a data directory, made when missing; once a process.

        `map_size`: the most it may grow to, bytes; `read_only`: writing methods raise StoreRefused; `allow_overlay`:
        see `directory.check_file_system`; `queue_entries`: how much may wait to be written;
        `history_records`: how many records are kept of one subject, see `keep`. Raises StoreRefused.
        """
        generations = Generations(Path(path), map_size, read_only, allow_overlay)
        if read_only:
            return cls(generations, None)
        again = generations.write(_catch_up)
        generations.write(_begin_changes)
        store = cls(generations, Writer(generations, queue_entries, history_records))
        store.erased_again = again
        return store

    def stamp_with(self, stamp: Stamp) -> None:
        """From now on, stamp profiles that are written one by one or in small groups; see `stamping`."""
        if self._writer is not None:
            self._writer.stamp = stamp

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._closed = True
        self._generations.close()

    @property
    def _env(self) -> Environment:
        """The environment to use in one piece of work; to be asked for once in it (see `Generations.current`)."""
        return self._generations.current()

    @property
    def healthy(self) -> bool:
        return not self._closed if self._writer is None else self._writer.healthy

    # Writing

    def submit(self, entries: Sequence[Entry], mark: EventId | None = None) -> Future[Commit]:
        return self._writing().submit(entries, mark)

    def submit_made(self, size: int, make: Callable[[], Sequence[Entry]]) -> Future[Commit]:
        return self._writing().submit_made(size, make)

    def submit_items(self, brand: str, items: Iterable[Item], replace_all: bool = False) -> Future[None]:
        encoded = [_stored_item(brand, item) for item in items]

        def work(env: Environment, txn: Txn) -> None:
            env.admit(txn)
            if replace_all:
                for key in list(_keys_with(txn, env.databases.items, brand_prefix(brand))):
                    txn.delete(key, db=env.databases.items)
            for key, value in encoded:
                txn.put(key, value, db=env.databases.items)

        return self._writing().run(work, 1 + len(encoded))

    def submit_item_states(
        self, brand: str, changes: Sequence[StateChange], at_ms: int, source: str = ""
    ) -> Future[int]:
        return self._writing().run(
            lambda env, txn: itemstate.set_states(env, txn, brand, changes, at_ms, source), 1 + len(changes)
        )

    def delete(self, subject: SubjectKey, at_ms: int) -> Future[Deleted]:
        return self._writing().run(lambda env, txn: erasure.erase(env, txn, subject, at_ms))

    def settle(self, learned_through: int, at_ms: int) -> None:
        self._generations.tidy()
        env, data = self._env, self._generations.data
        swept = sweep(data, env.path)
        if erasures.to_settle(env, learned_through, swept):
            prune_policies(data)
        elif not forgotten.is_due(env, learned_through):
            return
        self._writing().run(partial(_settle, learned_through, swept, at_ms)).result()

    def unmerge(self, subject: SubjectKey, other: SubjectKey, at_ms: int, source: str = "") -> Future[int]:
        return self._writing().run(lambda env, txn: parting.unmerge(env, txn, subject, other, at_ms, source))

    def end_session(self, session: SubjectKey, at_ms: int) -> Future[bool]:
        return self._writing().run(lambda env, txn: sessions.end(env, txn, session, at_ms))

    def forget_foreign(self, before_ms: int) -> Future[int]:
        floor = foreign_floor(before_ms)
        return self._writing().run(lambda env, txn: _delete_below(txn, env.databases.foreign, floor))

    def maintain(self, forget_before_ms: int) -> None:
        self._env.check_readers()
        while self._writer is not None and self.forget_foreign(forget_before_ms).result() == FORGET_AT_ONCE:
            pass

    def tidy(self) -> None:
        self._generations.tidy()

    def keep(self, keeping: Keeping, now_ms: int) -> None:
        writer = self._writing()
        keep(self._generations.current, writer.run, keeping, writer.history_records, now_ms)
        while changes.is_due(self._env, now_ms):
            writer.run(lambda env, txn: changes.prune(env, txn, now_ms)).result()

    def _writing(self) -> Writer:
        if self._writer is None:
            raise StoreRefused("the store was opened to read only")
        return self._writer

    # Reading

    def find(self, key: SubjectKey) -> Found | None:
        env = self._generations.current()
        found = env.look_up(aliases.followed, key, env.databases.profiles)
        return None if found is None else Found(found[0], Profile.decode(*found))

    def profile(self, subject: SubjectKey) -> Profile | None:
        found = self.find(subject)
        return None if found is None else found.profile

    def tombstone(self, subject: SubjectKey) -> Tombstone | None:
        env = self._env
        stored = env.read(subject, env.databases.tombstones)
        return None if stored is None else erasure.decode_tombstone(subject, stored)

    def erasure(self, erasure_id: str) -> Erasure | None:
        return erasures.read(self._env, bytes.fromhex(erasure_id))

    def seen(self, event_ids: Sequence[EventId]) -> list[bool]:
        env = self._env
        with env.reading() as txn:
            return [_has(env, txn, event_id) for event_id in event_ids]

    def acknowledged_through(self, client: bytes, epoch: int) -> int:
        key = window_key(client, epoch)
        env = self._env
        return stored_window(env.read(key, env.databases.windows), key).settled_through()

    def read_journal(self, after: int, limit: int) -> list[tuple[int, Record]]:
        found: list[tuple[int, Record]] = []
        while len(found) < limit:
            stored = self._copied(sequence_key(after + 1), limit - len(found))
            if not stored:
                break
            found += self._decoded(stored)
            after = int.from_bytes(stored[-1][0], "big")
        return found

    def read_changes(self, after: int, limit: int, noted_through: int) -> Changes:
        env = self._env
        with env.reading() as txn:
            notes = forgotten.noted(env, txn, noted_through)
            stored = [] if len(notes) == forgotten.AT_ONCE else _copied(env, txn, sequence_key(after + 1), limit)
        through = int.from_bytes(stored[-1][0], "big") if stored else after
        return Changes(notes, list(self._decoded(stored)), through)

    def _copied(self, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        env = self._env
        with env.reading() as txn:
            return _copied(env, txn, start, limit)

    def _decoded(self, stored: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[int, Record]]:
        for key, value in stored:
            sequence = int.from_bytes(key, "big")
            try:
                yield sequence, decode_record(key, value)
            except RecordDamaged:
                self._damaged += 1
                log.warning("record_damaged", sequence=sequence)

    def read_subject(self, subject: SubjectKey, after: int, limit: int) -> list[tuple[int, Record]]:
        env = self._env
        with env.reading() as txn:
            records = subject_records(env, txn, subject, after)
            return [one for one, _ in zip(records, range(limit), strict=False)]

    def members(self, key: SubjectKey) -> list[SubjectKey]:
        env = self._env
        with env.reading() as txn:
            return aliases.members(env, txn, histories.canonical_key(env, txn, key))

    def read_key(self, key: SubjectKey, through: int) -> list[tuple[int, Record]]:
        env = self._env
        with env.reading() as txn:
            return list(takewhile(lambda one: one[0] <= through, key_records(env, txn, key)))

    def origins(self, keys: Iterable[SubjectKey]) -> dict[SubjectKey, int]:
        env = self._env
        with env.reading() as txn:
            return histories.origins(env, txn, set(keys))

    def items(self, brand: str) -> Iterator[Item]:
        prefix = brand_prefix(brand)
        env = self._env
        with env.reading() as txn:
            keys = list(_keys_with(txn, env.databases.items, prefix))
            stored = [(key, txn.get(key, b"", db=env.databases.items)) for key in keys]
        return (_item_decoder.decode(unframed(key, value)) for key, value in stored)

    def item_state(self, brand: str, item: str = "", group: str = "") -> LiveState | None:
        env = self._env
        with env.reading() as txn:
            return itemstate.state_of(env, txn, brand, item, group)

    def item_states(self, brand: str) -> Iterator[LiveState]:
        return itemstate.states_of(self._env, brand)

    def item_state_version(self, brand: str) -> int:
        env = self._env
        return itemstate.decode_version(brand, env.read(itemstate.version_key(brand), env.databases.meta))

    def item_states_since(self, brand: str, version: int) -> StateChanges:
        return itemstate.changes_since(self._env, brand, version)

    def subject_changes(self, position: int) -> SubjectChanges:
        return changes.since(self._env, position)

    def type_name(self, code: int) -> str | None:
        if code not in self._names:
            env = self._env
            name = env.read(code.to_bytes(4, "big"), env.databases.names)
            if name is None:
                return None
            self._names[code] = name.decode()
        return self._names[code]

    def last_sequence(self) -> int:
        env = self._env
        with env.reading() as txn:
            return env.counts(txn).sequence

    def usage(self) -> Usage:
        env = self._env
        with env.reading() as txn:
            counts = env.counts(txn)
            return Usage(
                txn.stat(env.databases.profiles)["entries"] - txn.stat(env.databases.aliases)["entries"],
                by_kind(counts.by_kind),
                env.used(txn),
                env.map_size,
                counts.sequence,
            )

    def audit(self) -> Audit:
        return audit.audited(self._env)

    def statistics(self) -> Statistics:
        if self._writer is None:
            return Statistics(0, 0, 0, 0, 0, self._damaged, 0)
        writer = self._writer
        done = (writer.groups, writer.entries, writer.duplicates, writer.refused, writer.turned_away)
        return Statistics(*done, self._damaged, writer.waiting)


def _stored_item(brand: str, item: Item) -> tuple[bytes, bytes]:
    key = stored_item_key(brand, item.id)
    return key, framed(key, _item_encoder.encode(item))


def _catch_up(env: Environment) -> int:
    """Forget whom the ledger names and the store does not know as forgotten; how many there were."""
    with env.reading() as txn:
        known = Ledger(env.path.parent).is_known(env, txn)
    again = 0 if known else env.write(lambda txn: erasure.replay(env, txn))
    if again:  # it is another journal than the one that was learned from
        log.warning("erased_again", subjects=again)
        forget_learned(env.path.parent)
    return again


def _begin_changes(env: Environment) -> None:
    if not changes.has_begun(env):
        env.write(lambda txn: changes.begin(env, txn))


def _settle(learned_through: int, swept: bool, at_ms: int, env: Environment, txn: Txn) -> None:
    erasures.settle(env, txn, learned_through, swept, at_ms)
    forgotten.drop(env, txn, learned_through)


def _has(env: Environment, txn: Txn, event_id: EventId) -> bool:
    if not isinstance(event_id, Sequenced):
        return txn.get(foreign_key(event_id.brand, event_id.uuid), db=env.databases.foreign) is not None
    key = window_key(event_id.client, event_id.epoch)
    return stored_window(txn.get(key, db=env.databases.windows), key).has(event_id.sequence)


def _copied(env: Environment, txn: Txn, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    with txn.cursor(db=env.databases.journal) as cursor:
        if not cursor.set_range(start):
            return []
        return [item for item, _ in zip(cursor.iternext(), range(limit), strict=False)]


def _keys_with(txn: Txn, database: Any, prefix: bytes) -> Iterator[bytes]:
    with txn.cursor(db=database) as cursor:
        if cursor.set_range(prefix):
            for key in cursor.iternext(values=False):
                if not key.startswith(prefix):
                    return
                yield key


def _delete_below(txn: Txn, database: Any, floor: bytes) -> int:
    gone = 0
    with txn.cursor(db=database) as cursor:
        more = cursor.first()
        while more and gone < FORGET_AT_ONCE and b"" < cursor.key() < floor:  # b"": behind the last one
            more = cursor.delete()
            gone += 1
    return gone

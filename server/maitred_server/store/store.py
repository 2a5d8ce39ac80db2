"""The store on LMDB: what a process of the server reads and writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import structlog

from maitred_server.errors import RecordDamaged, StoreRefused
from maitred_server.model import Entry, EventId, Item, LiveState, Record, Sequenced, StateChange, SubjectKey
from maitred_server.store import audit, erasure, itemstate
from maitred_server.store.env import DEFAULT_MAP_SIZE, Environment, Txn
from maitred_server.store.group import stored_window, subject_records
from maitred_server.store.itemstate import StateChanges
from maitred_server.store.journal import by_kind, decode_record, framed, unframed
from maitred_server.store.keys import (
    brand_prefix,
    foreign_floor,
    foreign_key,
    sequence_key,
    stored_item_key,
    window_key,
)
from maitred_server.store.profiles import Profile
from maitred_server.store.results import Audit, Commit, Deleted, Statistics, Tombstone, Usage
from maitred_server.store.writer import QUEUE_ENTRIES, Writer

log = structlog.get_logger(__name__)

FORGET_AT_ONCE = 10_000
_item_encoder = msgspec.msgpack.Encoder()
_item_decoder = msgspec.msgpack.Decoder(Item)


class Store:
    """One process's door to the store, for any of its threads; `base.AnyStore` says what each method promises."""

    def __init__(self, env: Environment, writer: Writer | None) -> None:
        self._env, self._writer = env, writer
        self._databases = env.databases
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
    ) -> Store:
        """Open the store of a data directory, made when missing; once a process.

        `map_size`: the most it may grow to, bytes; `read_only`: writing methods raise StoreRefused; `allow_overlay`:
        see `directory.check_file_system`; `queue_entries`: how much may wait to be written. Raises StoreRefused.
        """
        env = Environment.open(Path(path) / "store", map_size, read_only, allow_overlay)
        return cls(env, None if read_only else Writer(env, queue_entries))

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
        self._env.close()

    @property
    def healthy(self) -> bool:
        return not self._closed if self._writer is None else self._writer.healthy

    # Writing

    def submit(self, entries: Sequence[Entry]) -> Future[Commit]:
        return self._writing().submit(entries)

    def submit_items(self, brand: str, items: Iterable[Item], replace_all: bool = False) -> Future[None]:
        encoded = [_stored_item(brand, item) for item in items]

        def work(txn: Txn) -> None:
            self._env.admit(txn)
            if replace_all:
                for key in list(_keys_with(txn, self._databases.items, brand_prefix(brand))):
                    txn.delete(key, db=self._databases.items)
            for key, value in encoded:
                txn.put(key, value, db=self._databases.items)

        return self._writing().run(work, 1 + len(encoded))

    def submit_item_states(
        self, brand: str, changes: Sequence[StateChange], at_ms: int, source: str = ""
    ) -> Future[int]:
        return self._writing().run(
            lambda txn: itemstate.set_states(self._env, txn, brand, changes, at_ms, source), 1 + len(changes)
        )

    def delete(self, subject: SubjectKey, at_ms: int) -> Future[Deleted]:
        return self._writing().run(lambda txn: erasure.forget(self._env, txn, subject, at_ms))

    def forget_foreign(self, before_ms: int) -> Future[int]:
        return self._writing().run(lambda txn: _delete_below(txn, self._databases.foreign, foreign_floor(before_ms)))

    def maintain(self, forget_before_ms: int) -> None:
        self._env.check_readers()
        while self._writer is not None and self.forget_foreign(forget_before_ms).result() == FORGET_AT_ONCE:
            pass

    def _writing(self) -> Writer:
        if self._writer is None:
            raise StoreRefused("the store was opened to read only")
        return self._writer

    # Reading

    def profile(self, subject: SubjectKey) -> Profile | None:
        stored = self._env.read(subject, self._databases.profiles)
        return None if stored is None else Profile.decode(subject, stored)

    def tombstone(self, subject: SubjectKey) -> Tombstone | None:
        stored = self._env.read(subject, self._databases.tombstones)
        return None if stored is None else erasure.decode_tombstone(subject, stored)

    def seen(self, event_ids: Sequence[EventId]) -> list[bool]:
        with self._env.reading() as txn:
            return [self._has(txn, event_id) for event_id in event_ids]

    def _has(self, txn: Txn, event_id: EventId) -> bool:
        if not isinstance(event_id, Sequenced):
            return txn.get(foreign_key(event_id.brand, event_id.uuid), db=self._databases.foreign) is not None
        key = window_key(event_id.client, event_id.epoch)
        return stored_window(txn.get(key, db=self._databases.windows), key).has(event_id.sequence)

    def acknowledged_through(self, client: bytes, epoch: int) -> int:
        key = window_key(client, epoch)
        return stored_window(self._env.read(key, self._databases.windows), key).settled_through()

    def read_journal(self, after: int, limit: int) -> list[tuple[int, Record]]:
        found: list[tuple[int, Record]] = []
        while len(found) < limit:
            stored = self._copied(self._databases.journal, sequence_key(after + 1), limit - len(found))
            if not stored:
                break
            found += self._decoded(stored)
            after = int.from_bytes(stored[-1][0], "big")
        return found

    def _copied(self, database: Any, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        with self._env.reading() as txn, txn.cursor(db=database) as cursor:
            if not cursor.set_range(start):
                return []
            return [item for item, _ in zip(cursor.iternext(), range(limit), strict=False)]

    def _decoded(self, stored: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[int, Record]]:
        for key, value in stored:
            sequence = int.from_bytes(key, "big")
            try:
                yield sequence, decode_record(key, value)
            except RecordDamaged:
                self._damaged += 1
                log.warning("record_damaged", sequence=sequence)

    def read_subject(self, subject: SubjectKey, after: int, limit: int) -> list[tuple[int, Record]]:
        with self._env.reading() as txn:
            records = subject_records(self._env, txn, subject, after)
            return [one for one, _ in zip(records, range(limit), strict=False)]

    def items(self, brand: str) -> Iterator[Item]:
        prefix = brand_prefix(brand)
        with self._env.reading() as txn:
            keys = list(_keys_with(txn, self._databases.items, prefix))
            stored = [(key, txn.get(key, b"", db=self._databases.items)) for key in keys]
        return (_item_decoder.decode(unframed(key, value)) for key, value in stored)

    def item_state(self, brand: str, item: str = "", group: str = "") -> LiveState | None:
        with self._env.reading() as txn:
            return itemstate.state_of(self._env, txn, brand, item, group)

    def item_states(self, brand: str) -> Iterator[LiveState]:
        return itemstate.states_of(self._env, brand)

    def item_state_version(self, brand: str) -> int:
        return itemstate.decode_version(brand, self._env.read(itemstate.version_key(brand), self._databases.meta))

    def item_states_since(self, brand: str, version: int) -> StateChanges:
        return itemstate.changes_since(self._env, brand, version)

    def type_name(self, code: int) -> str | None:
        if code not in self._names:
            name = self._env.read(code.to_bytes(4, "big"), self._databases.names)
            if name is None:
                return None
            self._names[code] = name.decode()
        return self._names[code]

    def last_sequence(self) -> int:
        with self._env.reading() as txn:
            return self._env.counts(txn).sequence

    def usage(self) -> Usage:
        with self._env.reading() as txn:
            counts = self._env.counts(txn)
            return Usage(
                txn.stat(self._databases.profiles)["entries"],
                by_kind(counts.by_kind),
                self._env.used(txn),
                self._env.map_size,
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
        while more and gone < FORGET_AT_ONCE and cursor.key() < floor:
            more = cursor.delete()
            gone += 1
    return gone

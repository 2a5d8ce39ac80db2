"""The store's twin in memory: same meaning, plain dictionaries, no durability. For tests and comparison."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

from maitred_server.errors import StoreBroken
from maitred_server.model import (
    Deletion,
    Entry,
    EventId,
    Foreign,
    Item,
    ItemStates,
    LiveState,
    Record,
    Sequenced,
    StateChange,
    SubjectKey,
    Unmerge,
)
from maitred_server.store import changes, itemstate
from maitred_server.store.changes import SubjectChanges
from maitred_server.store.erasure import is_late
from maitred_server.store.erasures import Erasure
from maitred_server.store.itemstate import StateChanges
from maitred_server.store.journal import KIND_INDEX, KIND_NAMES, encode_record
from maitred_server.store.keys import brand_prefix, type_code
from maitred_server.store.memory_changes import MemoryChanges
from maitred_server.store.memory_erasures import MemoryErasures
from maitred_server.store.memory_subjects import MemorySubjects
from maitred_server.store.profiles import Profile
from maitred_server.store.replay import keys_of
from maitred_server.store.results import (
    DUPLICATE,
    FORGOTTEN,
    REFUSED,
    Audit,
    Changes,
    Commit,
    Deleted,
    Found,
    Statistics,
    Tombstone,
    Usage,
)
from maitred_server.store.retention import HISTORY_RECORDS, Keeping
from maitred_server.store.seen import WINDOW
from maitred_server.store.touches import counter_types

T = TypeVar("T")


class MemoryStore:
    """See `base.AnyStore`. Futures are done when they are returned."""

    def __init__(self, history_records: int = HISTORY_RECORDS) -> None:
        self._history_records = history_records
        self._lock = threading.Lock()
        self._journal: dict[int, Record] = {}
        self._subjects = MemorySubjects(self._journal)
        self._numbered: dict[tuple[bytes, int], set[int]] = {}
        self._foreign: set[Foreign] = set()
        self._tombstones: dict[SubjectKey, Tombstone] = {}
        self._erasures = MemoryErasures()
        self._changes = MemoryChanges()
        self._items: dict[tuple[str, str], Item] = {}
        self._states: dict[str, dict[tuple[str, str], LiveState]] = {}
        self._state_versions: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._last = 0
        self._tally: Counter[int] = Counter()
        self._groups = 0
        self._open = True

    @property
    def healthy(self) -> bool:
        return self._open

    def close(self) -> None:
        self._open = False

    # Writing

    def submit(self, entries: Sequence[Entry], mark: EventId | None = None) -> Future[Commit]:
        self._check_open()
        with self._lock:
            sequences = self._batch(entries, mark)
        self._groups += 1
        self._tally.update(min(sequence, 1) for sequence in sequences)
        return _done(Commit(sequences, max([0, *sequences])))

    def submit_made(self, size: int, make: Callable[[], Sequence[Entry]]) -> Future[Commit]:
        self._check_open()
        try:
            return self.submit(make())
        except Exception as error:  # noqa: BLE001  (as the other store)
            failed: Future[Commit] = Future()
            failed.set_exception(error)
            return failed

    def _batch(self, entries: Sequence[Entry], mark: EventId | None) -> list[int]:
        if mark is not None and self._has(mark):
            return [DUPLICATE] * len(entries)
        self._remember(mark)
        return [self._apply(entry) for entry in entries]

    def _apply(self, entry: Entry) -> int:
        if entry.event_id is not None and self._has(entry.event_id):
            return DUPLICATE
        record, sequence = self._subjects.addressed(entry.record), self._last + 1
        try:
            if record is None:
                self._remember(entry.event_id)
                return DUPLICATE
            encode_record(record)
            if isinstance(record.body, Deletion | Unmerge | ItemStates):
                return REFUSED
            if self._is_late(entry):
                self._remember(entry.event_id)
                return FORGOTTEN
            told = self._subjects.told_with(record)
            self._subjects.apply(sequence, record)
        except Exception:  # noqa: BLE001  (whatever it is, it costs this entry alone)
            return REFUSED
        self._last = sequence
        self._journal[sequence] = record
        self._changes.add(sequence, record.received_at, told)
        self._names.update((type_code(name), name) for name in counter_types(record))
        self._remember(entry.event_id)
        return sequence

    def _is_late(self, entry: Entry) -> bool:
        return any(is_late(entry, self._tombstones.get(key)) for key in keys_of(entry.record))

    def _remember(self, event_id: EventId | None) -> None:
        if isinstance(event_id, Sequenced):
            self._numbered.setdefault((event_id.client, event_id.epoch), set()).add(event_id.sequence)
        elif event_id is not None:
            self._foreign.add(event_id)

    def submit_items(self, brand: str, items: Iterable[Item], replace_all: bool = False) -> Future[None]:
        self._check_open()
        with self._lock:
            if replace_all:
                self._items = {key: item for key, item in self._items.items() if key[0] != brand}
            self._items.update({(brand, item.id): item for item in items})
        return _done(None)

    def submit_item_states(
        self, brand: str, changes: Sequence[StateChange], at_ms: int, source: str = ""
    ) -> Future[int]:
        self._check_open()
        with self._lock:
            kept = self._states.setdefault(brand, {})
            states = itemstate.resulting(changes, lambda *name: kept.get(name, LiveState(*name)))
            version = self.item_state_version(brand)
            for record in itemstate.records(states, brand, at_ms, source, self._last, version):
                self._last += 1
                self._journal[self._last] = record
                self._state_versions[brand] = self._last
            kept.update({(state.item, state.group): state for state in states})
        return _done(self.item_state_version(brand))

    def delete(self, subject: SubjectKey, at_ms: int) -> Future[Deleted]:
        self._check_open()
        with self._lock:
            gone = self._subjects.records(self._subjects.members(subject))
            keys, kind, existed = self._subjects.drop(subject)
            self._last += 1
            self._journal[self._last] = Record(keys[0], kind, at_ms, at_ms, Deletion())
            self._changes.add(self._last, at_ms, keys[:1])
            for key in keys:
                before = self._tombstones.get(key, Tombstone(0, at_ms))
                self._tombstones[key] = Tombstone(self._last, max(before.at_ms, at_ms))
            erasure = self._erasures.add(at_ms, existed, len(gone), len(keys) - 1, self._erasures.note(gone))
            return _done(Deleted(self._last, existed, erasure))

    def erasure(self, erasure_id: str) -> Erasure | None:
        return self._erasures.read(erasure_id)

    def settle(self, learned_through: int, at_ms: int) -> None:
        self._erasures.settle(learned_through, at_ms)

    def tidy(self) -> None:
        pass

    def unmerge(self, subject: SubjectKey, other: SubjectKey, at_ms: int, source: str = "") -> Future[int]:
        self._check_open()
        with self._lock:
            record = self._subjects.parting(subject, other, at_ms, source)
            if record is None:
                return _done(0)
            self._last += 1
            self._journal[self._last] = record
            self._changes.add(self._last, at_ms, changes.subjects_of(record))
            self._subjects.rebuild(subject)
            return _done(self._last)

    def end_session(self, session: SubjectKey, at_ms: int) -> Future[bool]:
        merged = self._subjects.members(session) != [session]
        return _done(not merged and self.profile(session) is not None and self.delete(session, at_ms).result().existed)

    def forget_foreign(self, before_ms: int) -> Future[int]:
        self._check_open()
        with self._lock:
            old = {one for one in self._foreign if int.from_bytes(one.uuid[:6], "big") < before_ms}
            self._foreign -= old
        return _done(len(old))

    def maintain(self, forget_before_ms: int) -> None:
        self.forget_foreign(forget_before_ms)

    def keep(self, keeping: Keeping, now_ms: int) -> None:
        with self._lock:
            self._subjects.keep(keeping.ages, self._history_records, now_ms)
            self._changes.prune(now_ms)
        for session in self._subjects.idle_sessions(now_ms - keeping.session_ms):
            self.end_session(session, now_ms)

    def _check_open(self) -> None:
        if not self._open:
            raise StoreBroken("the store is closed")

    # Reading

    def find(self, key: SubjectKey) -> Found | None:
        canonical = self._subjects.canonical(key)
        profile = self._subjects.profiles.get(canonical)
        return None if profile is None else Found(canonical, profile)

    def profile(self, subject: SubjectKey) -> Profile | None:
        found = self.find(subject)
        return None if found is None else found.profile

    def tombstone(self, subject: SubjectKey) -> Tombstone | None:
        return self._tombstones.get(subject)

    def seen(self, event_ids: Sequence[EventId]) -> list[bool]:
        return [self._has(event_id) for event_id in event_ids]

    def _has(self, event_id: EventId) -> bool:
        if not isinstance(event_id, Sequenced):
            return event_id in self._foreign
        numbers = self._numbered.get((event_id.client, event_id.epoch), set())
        return event_id.sequence in numbers or event_id.sequence < max(numbers, default=0) - WINDOW

    def acknowledged_through(self, client: bytes, epoch: int) -> int:
        highest = max(self._numbered.get((client, epoch), set()), default=0)
        through = 0
        while through < highest and self._has(Sequenced(client, epoch, through + 1)):
            through += 1
        return through

    def read_journal(self, after: int, limit: int) -> list[tuple[int, Record]]:
        return [(number, record) for number, record in self._journal.items() if number > after][:limit]

    def read_changes(self, after: int, limit: int, noted_through: int) -> Changes:
        notes = [note for note in self._erasures.notes if note.number > noted_through]
        records = self.read_journal(after, limit)
        return Changes(notes, records, records[-1][0] if records else after)

    def read_subject(self, subject: SubjectKey, after: int, limit: int) -> list[tuple[int, Record]]:
        return [one for one in self._subjects.own_records(subject) if one[0] > after][:limit]

    def members(self, key: SubjectKey) -> list[SubjectKey]:
        return self._subjects.members(key)

    def read_key(self, key: SubjectKey, through: int) -> list[tuple[int, Record]]:
        return [one for one in self._subjects.records([key]) if one[0] <= through]

    def origins(self, keys: Iterable[SubjectKey]) -> dict[SubjectKey, int]:
        return {key: self._subjects.origins[key] for key in keys if key in self._subjects.origins}

    def items(self, brand: str) -> Iterator[Item]:
        return iter([item for (owner, _), item in self._items.items() if owner == brand])

    def item_state(self, brand: str, item: str = "", group: str = "") -> LiveState | None:
        state = self._states.get(brand, {}).get((item, group))
        return None if state is None or itemstate.says_nothing(state) else state

    def item_states(self, brand: str) -> Iterator[LiveState]:
        kept = self._states.get(brand, {})
        return iter([state for state in kept.values() if not itemstate.says_nothing(state)])

    def item_state_version(self, brand: str) -> int:
        return self._state_versions.get(brand, 0)

    def item_states_since(self, brand: str, version: int) -> StateChanges:
        now = self.item_state_version(brand)
        if not 0 < version <= now:
            return StateChanges(now, list(self.item_states(brand)), whole=True)
        prefix, journal = brand_prefix(brand), self._journal.items()
        bodies = [record.body for number, record in journal if number > version and record.subject == prefix]
        told = [body for body in bodies if isinstance(body, ItemStates)]
        return StateChanges(now, [state for body in told for state in body.states], whole=False)

    def subject_changes(self, position: int) -> SubjectChanges:
        return self._changes.since(position, self._last)

    def type_name(self, code: int) -> str | None:
        return self._names.get(code)

    def last_sequence(self) -> int:
        return self._last

    def usage(self) -> Usage:
        return Usage(len(self._subjects.profiles), self._records(), 0, 0, self._last)

    def audit(self) -> Audit:
        counted: Counter[str] = Counter(dict.fromkeys(KIND_NAMES, 0))
        for profile in self._subjects.profiles.values():
            counted.update(profile.totals)
        return Audit(self._records(), dict(counted), self._records(), 0)

    def statistics(self) -> Statistics:
        return Statistics(self._groups, self._tally[1], self._tally[DUPLICATE], self._tally[REFUSED], 0, 0, 0)

    def _records(self) -> dict[str, int]:
        found = Counter(KIND_INDEX[type(record.body)] for record in self._journal.values())
        return {name: found[index] for index, name in enumerate(KIND_NAMES)}


def _done(result: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(result)
    return future

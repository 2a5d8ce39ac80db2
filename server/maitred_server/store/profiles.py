"""The profile of a subject: an immutable value over the very bytes that are stored, see `layout`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from maitred_server.model import (
    Consent,
    ConsentState,
    Deletion,
    Event,
    Exposure,
    Intensity,
    Kind,
    Merge,
    Outcome,
    Record,
    SubjectKey,
    Trait,
    Unmerge,
)
from maitred_server.store import buckets, consents, counters, layout, traits
from maitred_server.store.buckets import NO_BUCKETS, Buckets
from maitred_server.store.consents import Objections
from maitred_server.store.counters import NO_ROWS, Rows
from maitred_server.store.journal import KIND_INDEX, KIND_SLOTS, by_kind
from maitred_server.store.keys import ANY_KEY, type_code
from maitred_server.store.layout import (
    CHECKSUM,
    HAS_UNIT,
    HEADER,
    KINDS,
    MERGED,
    NO_RECENT,
    RECENT,
    read_fields,
)
from maitred_server.store.touches import Touches, checked_time, touches_of

LAYOUT = layout.LAYOUT
MOST_RECENT = 256

_MOST_QUANTITY = np.uint64((1 << 32) - 1)


class Recent(NamedTuple):
    """One recent event. Keys are 0 when it was about no item."""

    occurred_at: int
    action_key: int
    item_key: int
    type_code: int
    quantity: int


class CounterTable(NamedTuple):
    """Counters as columns of equal length, in no useful order."""

    types: NDArray[np.uint32]  # codes, see `keys.type_code`
    keys: NDArray[np.uint64]  # of actions, items and groups
    counts: NDArray[np.uint32]
    quantities: NDArray[np.uint64]
    values: NDArray[np.float64]
    first: NDArray[np.int64]  # ms
    last: NDArray[np.int64]  # ms


class Profile(msgspec.Struct, frozen=True, eq=False, dict=True):
    """What is kept about one subject. Made by `empty`, `decode` and `with_records` only."""

    kind: Kind
    sequence: int = 0  # of the last record applied
    first_seen: int = 0  # ms, by the server's clock, like last_seen
    last_seen: int = 0
    newest: int = 0  # time of the newest event, ms
    evicted: int = 0  # counters and traits that went to stay within the bounds
    counts_by_kind: tuple[int, ...] = (0,) * KIND_SLOTS
    rows: Rows = NO_ROWS
    ring: Rows = NO_RECENT  # by time, then by sequence
    buckets: Buckets = NO_BUCKETS
    stored_traits: bytes = traits.NONE
    stored_consents: bytes = consents.NONE
    unit: bytes = b""  # the pseudonym by which layers assign; b"": the subject's own
    merged: bool = False  # two subjects that were seen apart are one: proofs leave it out
    stamp: bytes = b""  # what was worked out of kind, traits and consents, see `stamping`; b"": nothing

    @classmethod
    def empty(cls, kind: Kind) -> Profile:
        """Of a subject of whom nothing is known."""
        return cls(kind)

    @property
    def totals(self) -> dict[str, int]:
        """Records applied, by kind."""
        return by_kind(self.counts_by_kind)

    @cached_property
    def traits(self) -> dict[str, Trait]:
        """By name."""
        return traits.visible(self.stored_traits)

    @cached_property
    def consents(self) -> dict[str, Consent]:
        """What the subject said last, by purpose."""
        return consents.visible(self.stored_consents)

    @cached_property
    def objections(self) -> Objections:
        """What the subject does not want to see."""
        return consents.objections(self.stored_consents)

    @cached_property
    def intensity(self) -> Intensity | None:
        """How much the subject lets be used; None: it never said."""
        return consents.intensity(self.stored_consents)

    @property
    def silent(self) -> bool:
        """Whether the subject never said anything of what it allows, or does not want."""
        return self.stored_consents == consents.NONE

    def consent(self, purpose: str) -> ConsentState | None:
        """What the subject said about a purpose; None: nothing."""
        said = self.consents.get(purpose)
        return None if said is None else said.state

    def count(self, counter_type: str, keys: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """How often each entity was counted; 0 where it never was. Like the four below: n keys in, n numbers out."""
        return counters.look_up(self.rows, counter_type, keys, "count")

    def quantity(self, counter_type: str, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Sums of quantities."""
        return counters.look_up(self.rows, counter_type, keys, "quantity")

    def value(self, counter_type: str, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Sums of values."""
        return counters.look_up(self.rows, counter_type, keys, "value")

    def total_value(self, counter_type: str) -> float:
        """The sum of the values of everything of a type, whatever it was about."""
        return counters.value_of(self.rows, counter_type, ANY_KEY)

    def first(self, counter_type: str, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Time of the first occurrence, ms; 0 where there is none."""
        return counters.look_up(self.rows, counter_type, keys, "first")

    def last(self, counter_type: str, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Time of the last occurrence, ms; 0 where there is none."""
        return counters.look_up(self.rows, counter_type, keys, "last")

    def counters(self, counter_type: str | None = None) -> CounterTable:
        """All counters, or those of one type."""
        rows = self.rows if counter_type is None else counters.of_type(self.rows, counter_type)
        return CounterTable(
            rows["type"],
            counters.keys_of(rows),
            rows["count"],
            rows["quantity"],
            rows["value"],
            rows["first"],
            rows["last"],
        )

    def window(self, counter_type: str, key: int, since_ms: int) -> int:
        """How often an action, item or group was counted at or after `since_ms`; never less than the truth.

        Exact when the recent events or whole buckets tell it; else a bucket that is partly in the window counts whole.
        """
        sought = np.uint64(counters.id_of(counter_type, key))
        row = int(self.rows["id"].searchsorted(sought))
        if row == len(self.rows) or self.rows["id"][row] != sought or self.rows["last"][row] < since_ms:
            return 0
        count = int(self.rows["count"][row])
        if self.rows["first"][row] >= since_ms:
            return count
        if self._ring_covers(since_ms) and (exact := self._recently(type_code(counter_type), key, since_ms)):
            return exact
        if since_ms < buckets.horizon(self.newest):
            return count
        return min(count, int(buckets.counts_since(self.buckets, np.array([row]), np.array([since_ms]))[0]))

    def recent(self, limit: int = MOST_RECENT) -> list[Recent]:
        """The events with the latest times, newest first; at most 256 are kept."""
        return [Recent(*one) for one in reversed(self.ring[len(self.ring) - min(limit, len(self.ring)) :].tolist())]

    def with_records(self, records: Sequence[tuple[int, Record]]) -> Profile:
        """The profile after some records of its subject, in their order, with their sequences.

        A deletion forgets all before it. Raises ValueError (or TypeError) for a record that cannot be applied.
        """
        forgotten = [number for number, (_, record) in enumerate(records) if isinstance(record.body, Deletion)]
        if not forgotten:
            return self._after(records) if records else self
        sequence, record = records[forgotten[-1]]
        return Profile(record.kind, sequence)._after(records[forgotten[-1] + 1 :])

    def _after(self, records: Sequence[tuple[int, Record]]) -> Profile:
        if not records:
            return self
        touches = touches_of(record for _, record in records)
        profile = self.told(records)
        return profile if touches is None else profile._touched(touches)

    def told(self, records: Sequence[tuple[int, Record]]) -> Profile:
        """The profile after some records, but for what they count for; see `together`."""
        by_kind, kind, sequence = list(self.counts_by_kind), self.kind, self.sequence
        first, last, said = self.first_seen, self.last_seen, False
        for number, record in records:
            body, at = type(record.body), checked_time(record.received_at)
            by_kind[KIND_INDEX[body]] += 1
            sequence = max(sequence, number)
            kind = kind if record.addressed else record.kind
            said = said or body not in _COUNTED_ONLY
            if body not in _NOT_HEARD:
                first, last = min(first or at, at), max(last, at)
        told = replace(
            self,
            kind=KINDS[kind],
            sequence=sequence,
            first_seen=first,
            last_seen=last,
            counts_by_kind=tuple(by_kind),
            stamp=self.stamp if kind is self.kind else b"",
        )
        return told._after_words(records) if said else told

    def _after_words(self, records: Sequence[tuple[int, Record]]) -> Profile:
        stored_traits, gone = traits.put(self.stored_traits, records)
        stored_consents = consents.put(self.stored_consents, records)
        if stored_traits is self.stored_traits and stored_consents is self.stored_consents:
            return self
        return replace(
            self,
            evicted=self.evicted + gone,
            stored_traits=stored_traits,
            stored_consents=stored_consents,
            stamp=b"",
        )

    def _touched(self, touches: Touches) -> Profile:
        newest = max(self.newest, int(touches.times.max()))
        added = counters.add(self.rows, touches)
        held = buckets.moved(self.buckets, added.placed)
        if newest // buckets.DAY_MS != self.newest // buckets.DAY_MS and len(held.cells):
            held = buckets.rolled(held, newest)
        held = buckets.add(held, added.of_touch, touches.times.repeat(touches.spans), newest)
        ring = _ring_after(self.ring, touches)
        return replace(self, newest=newest, rows=added.rows, ring=ring, buckets=held).bounded()

    def bounded(self) -> Profile:
        """Itself, or without what goes over the bounds of counters and buckets."""
        profile = self
        if (excess := len(self.rows) - counters.MOST_ROWS) > 0:
            stays = counters.keep_newest(self.rows)
            profile = replace(
                self,
                rows=self.rows[stays],
                buckets=buckets.of_rows(self.buckets, stays),
                evicted=self.evicted + excess,
            )
        if len(profile.buckets.cells) > buckets.MOST_BUCKETS:
            profile = replace(profile, buckets=buckets.bounded(profile.buckets))
        return profile

    def _ring_covers(self, since_ms: int) -> bool:
        """Whether every event at or after a moment is among the recent ones."""
        return len(self.ring) < MOST_RECENT or bool(since_ms > self.ring["time"][0])

    def _recently(self, code: int, key: int, since_ms: int) -> int:
        ring, sought = self.ring, np.uint64(key)
        found = (ring["type"] == code) & (ring["time"] >= since_ms)
        if key != ANY_KEY:
            found &= (ring["action"] == sought) | (ring["item"] == sought)
        return int(np.count_nonzero(found))

    def encode(self, subject: SubjectKey) -> bytes:
        """As stored under `subject`."""
        header = HEADER.pack(
            0,
            LAYOUT,
            self.kind,
            MERGED * self.merged | HAS_UNIT * bool(self.unit),
            self.sequence,
            self.first_seen,
            self.last_seen,
            self.newest,
            self.evicted,
            len(self.rows),
            len(self.ring),
            len(self.buckets.cells),
            len(self.stored_traits),
            len(self.stored_consents),
            self.unit,
            *self.counts_by_kind,
        )
        columns = (self.rows, self.ring, self.buckets.cells, self.buckets.tallies)
        payload = b"".join(
            (
                header[CHECKSUM:],
                *(column.data for column in columns if len(column)),
                self.stored_traits,
                self.stored_consents,
                self.stamp,
            )
        )
        return crc32(payload, crc32(subject)).to_bytes(CHECKSUM, "little") + payload

    @classmethod
    def decode(cls, subject: SubjectKey, stored: bytes) -> Profile:
        """The profile stored under `subject`, over the given bytes. Raises RecordDamaged."""
        return cls(*read_fields(subject, stored))


_COUNTED_ONLY = frozenset((Event, Exposure, Outcome))  # kinds of record that change no traits and no consents
_NOT_HEARD = frozenset((Merge, Unmerge))  # they do not say that the subject itself was there


def _ring_after(ring: Rows, touches: Touches) -> Rows:
    """The ring with what was touched, one for each row: the latest 256 by time."""
    both = np.empty(len(ring) + len(touches.types), RECENT)
    both[: len(ring)], fresh = ring, both[len(ring) :]
    _fill(fresh, touches)
    return latest(both)


def recent_of(touches: Touches) -> Rows:
    """What was touched as recent events, one for each row."""
    fresh = np.empty(len(touches.types), RECENT)
    _fill(fresh, touches)
    return fresh


def _fill(fresh: Rows, touches: Touches) -> None:
    fresh["time"], fresh["action"], fresh["item"] = touches.times, touches.actions, touches.items
    fresh["type"], fresh["quantity"] = touches.types, np.minimum(touches.quantities, _MOST_QUANTITY)


def latest(ring: Rows) -> Rows:
    """The latest 256 by time; of equal times in the order given."""
    times = ring["time"]
    if (times[1:] < times[:-1]).any():
        ring = ring[times.argsort(kind="stable")]
    return ring[-MOST_RECENT:]

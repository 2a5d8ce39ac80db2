"""What every store can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol

from maitred_server.model import Entry, EventId, Item, LiveState, Record, StateChange, SubjectKey
from maitred_server.store.changes import SubjectChanges
from maitred_server.store.erasures import Erasure
from maitred_server.store.itemstate import StateChanges
from maitred_server.store.profiles import Profile
from maitred_server.store.results import Audit, Changes, Commit, Deleted, Found, Statistics, Tombstone, Usage
from maitred_server.store.retention import Keeping


class AnyStore(Protocol):
    """`Store` and its twin `MemoryStore`. Those that write raise StoreFull or StoreBroken, at once or by the future."""

    @property
    def healthy(self) -> bool:
        """Whether writes can succeed; False for ever once the environment broke or was closed."""

    def submit(self, entries: Sequence[Entry], mark: EventId | None = None) -> Future[Commit]:
        """Record entries, in one transaction; durable when the future is done. Merging what is one is a duplicate.

        `mark` is an id of the whole batch: remembered with it, whatever becomes of single entries. When it is known
        already, every entry is a duplicate.
        """

    def submit_made(self, size: int, make: Callable[[], Sequence[Entry]]) -> Future[Commit]:
        """As `submit`, of about `size` entries that `make` gives when their turn has come, on the writer's thread: so
        who hands them in need not compute. What `make` raises is what the future raises.
        """

    def submit_items(self, brand: str, items: Iterable[Item], replace_all: bool = False) -> Future[None]:
        """Add or replace items of a brand's catalogue; with `replace_all` all others go."""

    def submit_item_states(
        self, brand: str, changes: Sequence[StateChange], at_ms: int, source: str = ""
    ) -> Future[int]:
        """Change live states of a brand's items and groups, in order; the version after it (`item_state_version`).

        What changes nothing writes nothing. Kills alone are accepted when the store is nearly full.
        """

    def delete(self, subject: SubjectKey, at_ms: int) -> Future[Deleted]:
        """Forget a subject, with all that was merged into it: profile, records and aliases go; a deletion record stays,
        and a tombstone for each key.
        """

    def erasure(self, erasure_id: str) -> Erasure | None:
        """How far an erasure has come, by its id; None: there is none. Raises RecordDamaged, ValueError for no id."""

    def settle(self, learned_through: int, at_ms: int) -> None:
        """Note how far erasures have come, and let go of what nobody needs any more; often, from any process.

        `learned_through`: the note of `store.forgotten` that all published sums are past. Raises StoreError, OSError.
        """

    def tidy(self) -> None:
        """Let go of what is not needed any more, in a process that only reads; `settle` does it in one that writes."""

    def unmerge(self, subject: SubjectKey, other: SubjectKey, at_ms: int, source: str = "") -> Future[int]:
        """Take back the merge that made one subject of two keys: each has again what came under its own keys, also
        since. The sequence of the record that says so; 0: they are not one.
        """

    def end_session(self, session: SubjectKey, at_ms: int) -> Future[bool]:
        """Forget a session as `delete` does; False: nothing was kept of it, or it was merged and is somebody's."""

    def maintain(self, forget_before_ms: int) -> None:
        """To be called every half minute, from a thread that may wait: forgets foreign ids older than a moment."""

    def keep(self, keeping: Keeping, now_ms: int) -> None:
        """To be called now and then, from a thread that may wait: takes out what is over the bound of a subject, or is
        expired, ends sessions in which nothing happens any more, and lets go of what no client asks for any more.
        """

    def forget_foreign(self, before_ms: int) -> Future[int]:
        """Forget foreign ids older than a moment (at most `FORGET_AT_ONCE`); how many were forgotten."""

    def find(self, key: SubjectKey) -> Found | None:
        """Whom a key leads to and what is kept about them; None: nothing. One read, two where it was merged into
        another. Raises RecordDamaged.
        """

    def profile(self, subject: SubjectKey) -> Profile | None:
        """What is kept about a subject; None: nothing. Raises RecordDamaged."""

    def tombstone(self, subject: SubjectKey) -> Tombstone | None:
        """When a subject was last forgotten; None: never."""

    def seen(self, event_ids: Sequence[EventId]) -> list[bool]:
        """Which events are already durable."""

    def acknowledged_through(self, client: bytes, epoch: int) -> int:
        """The sequence up to which every event of a client's epoch is durable or too old to be taken; 0: none."""

    def read_journal(self, after: int, limit: int) -> list[tuple[int, Record]]:
        """The next records after a sequence, in order; damaged ones are left out (and counted)."""

    def read_changes(self, after: int, limit: int, noted_through: int) -> Changes:
        """The learner's part of one moment: notes beyond a number of what was forgotten, and the next records.

        While notes are left there are no records: what was forgotten comes first.
        """

    def read_subject(self, subject: SubjectKey, after: int, limit: int) -> list[tuple[int, Record]]:
        """The next records of one subject, whichever of its keys they came under."""

    def members(self, key: SubjectKey) -> list[SubjectKey]:
        """All keys that lead to the subject that a key leads to, the canonical one first."""

    def read_key(self, key: SubjectKey, through: int) -> list[tuple[int, Record]]:
        """All records up to a sequence that came under this very key, and the merges that name it."""

    def origins(self, keys: Iterable[SubjectKey]) -> dict[SubjectKey, int]:
        """When keys were first seen, ms: those of which the first record is kept no more."""

    def items(self, brand: str) -> Iterator[Item]:
        """All items of a brand as they are now, in no useful order. Raises RecordDamaged."""

    def item_state(self, brand: str, item: str = "", group: str = "") -> LiveState | None:
        """The live state of an item or of a group; None: all is as the catalogue says. Raises RecordDamaged."""

    def item_states(self, brand: str) -> Iterator[LiveState]:
        """All live states of a brand at one moment, in no useful order. Raises RecordDamaged."""

    def item_state_version(self, brand: str) -> int:
        """Changes with every change of a brand's live states: the sequence of their last record; 0: there is none.

        One small read: made for polling. Raises RecordDamaged.
        """

    def item_states_since(self, brand: str, version: int) -> StateChanges:
        """What was set after a version; with 0 everything. Raises RecordDamaged."""

    def subject_changes(self, position: int) -> SubjectChanges:
        """Whose cached decisions must go since a position (0: from now on), of all brands. One small read when there is
        nothing new: made for polling. Raises RecordDamaged.
        """

    def type_name(self, code: int) -> str | None:
        """The counter type that a code stands for."""

    def last_sequence(self) -> int:
        """The journal's last sequence; 0: none was given yet."""

    def usage(self) -> Usage:
        """What the store holds."""

    def audit(self) -> Audit:
        """Scan all of it; takes as long as that takes."""

    def statistics(self) -> Statistics:
        """What this process did."""

    def close(self) -> None:
        """Commit what is waiting and close."""

"""What the store answers with: plain immutable values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from maitred_server.model import Record, SubjectKey
from maitred_server.store.erasures import Erasure
from maitred_server.store.forgotten import Note
from maitred_server.store.profiles import Profile

DUPLICATE = 0
REFUSED = -1
FORGOTTEN = -2
_IN_NO_PROFILE = frozenset(("deletion", "item_states"))


class Commit(NamedTuple):
    """A batch that is durable.

    `sequences` has one number for each entry, in their order: its journal sequence, `DUPLICATE`, `REFUSED`, or
    `FORGOTTEN` when its subject was erased after it.
    """

    sequences: Sequence[int]
    last_sequence: int  # of the batch's last new record; 0 when none was written


class Changes(NamedTuple):
    """What the learner has to do, from one moment of the store: first take away, then add."""

    notes: list[Note]  # of what was forgotten
    records: list[tuple[int, Record]]  # the next of the journal, by sequence
    through: int  # the journal is read to here


class Deleted(NamedTuple):
    """A subject that was forgotten."""

    sequence: int  # of the deletion record
    existed: bool  # whether a profile was kept
    erasure: Erasure  # what was forgotten


class Found(msgspec.Struct, frozen=True, gc=False):
    """Whom a key leads to."""

    subject: SubjectKey  # the canonical key
    profile: Profile


class Tombstone(NamedTuple):
    """When a subject was last forgotten."""

    sequence: int
    at_ms: int


class Usage(NamedTuple):
    """What the store holds."""

    subjects: int
    records: dict[str, int]  # in the journal, by kind
    bytes: int  # pages in use
    limit: int  # the most the environment may grow to
    last_sequence: int


class Audit(NamedTuple):
    """What a full scan found, by kind. All three must be equal, but that no profile counts what is about no subject
    any more: deletions and live item states.
    """

    journalled: dict[str, int]  # records in the journal, by scan
    counted: dict[str, int]  # totals of all profiles, by scan
    recorded: dict[str, int]  # the journal's own counters
    damaged: int  # records, profiles and live states that fail their checksum

    @property
    def sound(self) -> bool:
        """Whether the three agree and nothing is damaged."""
        held, counted = (
            {kind: number for kind, number in totals.items() if kind not in _IN_NO_PROFILE}
            for totals in (self.journalled, self.counted)
        )
        return not self.damaged and self.journalled == self.recorded and held == counted


class Statistics(NamedTuple):
    """What this process did since it opened the store."""

    groups: int  # commits that held entries
    entries: int  # durable, without duplicates
    duplicates: int
    refused: int  # entries whose application failed
    turned_away: int  # batches refused because too much was waiting, or the store was full
    damaged: int  # stored records met that fail their checksum
    waiting: int  # entries in the queue now

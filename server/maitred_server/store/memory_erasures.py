"""Erasures of the store's twin in memory: what the learner has to subtract, and how far each erasure has come."""

from __future__ import annotations

import os
from collections.abc import Iterable

from maitred_server.model import Record
from maitred_server.store.erasures import ID_BYTES, ErasedStore, Erasure
from maitred_server.store.forgotten import Note, lost_by


class MemoryErasures:
    """There is no disk that could keep anything."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._last = 0
        self._erasures: dict[str, tuple[Erasure, int]] = {}

    def note(self, records: Iterable[tuple[int, Record]]) -> Note:
        """What `forgotten.note` does."""
        lost = lost_by(records)
        if not lost:
            return Note(0, lost)
        self._last += 1
        self.notes.append(Note(self._last, lost))
        return self.notes[-1]

    def add(self, at_ms: int, profiles: int, records: int, aliases: int, note: Note) -> Erasure:
        """Begin the record of an erasure."""
        counts = sum(len(lost.counted) for lost in note.lost)
        stores = (
            ErasedStore("profile", profiles, at_ms),
            ErasedStore("history", records, at_ms),
            ErasedStore("aliases", aliases, at_ms),
            ErasedStore("learned", counts, 0 if note.number else at_ms),
            ErasedStore("disk", profiles + records + aliases, at_ms),
        )
        erasure = Erasure(os.urandom(ID_BYTES).hex(), at_ms, stores)
        self._erasures[erasure.erasure_id] = erasure, note.number
        return erasure

    def read(self, erasure_id: str) -> Erasure | None:
        return self._erasures.get(erasure_id, (None, 0))[0]

    def settle(self, learned_through: int, at_ms: int) -> None:
        """What `Store.settle` does."""
        self.notes = [note for note in self.notes if note.number > learned_through]
        for erasure, number in list(self._erasures.values()):
            if number <= learned_through:
                stores = tuple(one._replace(done_at=one.done_at or at_ms) for one in erasure.stores)
                self._erasures[erasure.erasure_id] = erasure._replace(stores=stores), number

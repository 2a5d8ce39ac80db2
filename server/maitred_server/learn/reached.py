"""How far something has read: the journal, and the notes of what was forgotten."""

from __future__ import annotations

from typing import NamedTuple

from maitred_server.store.published import numbers_of


class Reached(NamedTuple):
    """How far sums go: they hold every journal record up to a sequence, and nothing that was forgotten up to a note."""

    through: int = 0
    forgotten: int = 0

    def further(self, other: Reached) -> Reached:
        """What is known when both are: that the further one holds includes the other."""
        return Reached(max(self.through, other.through), max(self.forgotten, other.forgotten))

    @property
    def version(self) -> str:
        """What a snapshot of this is called: the sequence, and the note behind a dash when there is one."""
        return f"{self.through}-{self.forgotten}" if self.forgotten else str(self.through)

    @classmethod
    def of(cls, version: str) -> Reached | None:
        """How far the counts of the snapshot of a version go; None: it is no such version."""
        numbers = numbers_of(version)
        return cls(*numbers[:2]) if len(numbers) in (1, 2, 6) else None

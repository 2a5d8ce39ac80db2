"""Whose cached decisions must go, of the store's twin in memory."""

from __future__ import annotations

from collections.abc import Iterable

from maitred_server.model import SubjectKey
from maitred_server.store.changes import (
    LONGEST_MS,
    MOST_KEPT,
    MOST_TOLD,
    Change,
    SubjectChanges,
    is_known,
    new_mark,
    position_at,
    sequence_of,
)
from maitred_server.store.keys import brand_of, subject_tag


class MemoryChanges:
    """See `changes`."""

    def __init__(self) -> None:
        self._mark = new_mark(0)
        self._kept: list[tuple[int, Change]] = []  # with the times

    def add(self, sequence: int, at_ms: int, subjects: Iterable[SubjectKey]) -> None:
        """Keep that cached decisions of some subjects must go; none: nothing."""
        keys = list(subjects)
        if keys:
            self._kept.append((at_ms, Change(sequence, brand_of(keys[0]), tuple(map(subject_tag, keys)))))

    def since(self, position: int, last: int) -> SubjectChanges:
        now = position_at(self._mark, last)
        if not position:
            return SubjectChanges(now, [])
        if not is_known(self._mark, position, last):
            return SubjectChanges(now, [], whole=True)
        found = [one for _, one in self._kept if one.sequence > sequence_of(position)]
        return SubjectChanges(now, found[:MOST_TOLD], len(found) > MOST_TOLD)

    def prune(self, now_ms: int) -> None:
        first_kept = max(0, len(self._kept) - MOST_KEPT)
        while first_kept < len(self._kept) and self._kept[first_kept][0] < now_ms - LONGEST_MS:
            first_kept += 1
        if first_kept:
            self._mark = self._mark._replace(gone_through=self._kept[first_kept - 1][1].sequence)
            del self._kept[:first_kept]

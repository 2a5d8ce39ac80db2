"""Journal records as the learner takes them: by brand, and those that a placement may learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from maitred_server.model import Exposure, Outcome, Record
from maitred_server.store import Changes
from maitred_server.store.keys import brand_of

ReadChanges: TypeAlias = Callable[[int, int, int], Changes]
Entries: TypeAlias = Sequence[tuple[int, Record]]


def by_brand(records: Iterable[tuple[int, Record]], through: int) -> Mapping[str, Entries]:
    """Those up to a sequence, by the brand of their subject."""
    by_prefix: dict[bytes, list[tuple[int, Record]]] = {}
    for entry in records:
        if entry[0] <= through:
            subject = entry[1].subject
            by_prefix.setdefault(subject[: 1 + subject[0]], []).append(entry)
    return {brand_of(prefix): entries for prefix, entries in by_prefix.items()}


def about(entries: Entries, placement: str) -> Entries:
    """The exposures of a placement, and outcomes that may be of it."""
    return [
        entry
        for entry in entries
        if isinstance(body := entry[1].body, Exposure | Outcome) and body.placement in ("", placement)
    ]

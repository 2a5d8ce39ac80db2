"""What is summed up of the journal: integers only, so that any order and any sharding give the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from maitred_server.model import Event, Exposure, Outcome, Record
from maitred_server.policy.snapshot import Column, Counts, Keys, PolicySnapshot
from maitred_server.store.keys import EXPOSURE_TYPE, action_key, group_key, item_key, outcome_type, type_code


class Met(NamedTuple):
    """One thing that happened to an action; equal ones are counted together before any key is looked up."""

    type: str
    item: str
    variant: str
    groups: tuple[str, ...]

    def counts_for(self) -> Iterator[int]:
        """The keys of the action, of its item as a whole, and of each of its groups."""
        yield action_key(self.item, self.variant)
        yield item_key(self.item)
        yield from {group_key(group) for group in self.groups}


def met_in(record: Record) -> Iterator[Met]:
    """What a record counts for: nothing, one thing, or one for each slot that was shown."""
    body = record.body
    match body:
        case Event(item=item) if item:
            yield Met(body.type, item, body.variant, body.groups)
        case Outcome():
            yield Met(outcome_type(body.type), body.item, body.variant, body.groups)
        case Exposure():
            yield from (Met(EXPOSURE_TYPE, one.item, one.variant, one.groups) for one in body.shown)


class Sums:
    """Counts of one brand by counter type and key: of actions, of items over all variants, of groups."""

    def __init__(self) -> None:
        self._tables: dict[int, _Table] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sums) and self._counted() == other._counted()

    __hash__ = None  # type: ignore[assignment]

    def _counted(self) -> dict[int, dict[int, int]]:
        return {code: table.counts for code, table in self._tables.items() if table.counts}

    def add(self, found: Counter[Met]) -> None:
        """Adds what was found, each with its number of times."""
        for met, times in found.items():
            table = self._table(type_code(met.type))
            for key in met.counts_for():
                table.add(key, times)

    def merge(self, other: Sums) -> None:
        """Adds the sums of another shard of the same brand."""
        for code, theirs in other._tables.items():
            table = self._table(code)
            for key, times in theirs.counts.items():
                table.add(key, times)

    def columns(self) -> dict[int, Column]:
        """The columns of a snapshot. They are new arrays where something changed, and the same as before elsewhere."""
        return {code: table.column() for code, table in self._tables.items()}

    @classmethod
    def of(cls, snapshot: PolicySnapshot) -> Sums:
        """The sums that a snapshot was made of."""
        sums = cls()
        for code, (keys, counts) in snapshot.columns.items():
            sums._tables[code] = _Table(dict(zip(keys.tolist(), counts.tolist(), strict=True)))
        return sums

    def _table(self, code: int) -> _Table:
        table = self._tables.get(code)
        if table is None:
            table = self._tables[code] = _Table({})
        return table


class _Table:
    """One counter type."""

    def __init__(self, counts: dict[int, int]) -> None:
        self.counts = counts
        self._column: Column | None = None

    def add(self, key: int, times: int) -> None:
        self.counts[key] = self.counts.get(key, 0) + times
        self._column = None

    def column(self) -> Column:
        if self._column is None:
            keys: Keys = np.fromiter(self.counts, np.uint64, len(self.counts))
            counts: Counts = np.fromiter(self.counts.values(), np.int64, len(self.counts))
            order = np.argsort(keys, kind="stable")
            self._column = Column(keys[order], counts[order])
        return self._column

"""What is summed up of the journal: integers only, so that any order and any sharding give the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from maitred_server.policy.snapshot import Column, Counts, Keys, PolicySnapshot
from maitred_server.store.counted import Met
from maitred_server.store.keys import type_code


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

    def subtract(self, counted: Iterable[tuple[int, int]]) -> None:
        """Takes away what was added before, given as (type code, key), once for each time."""
        for code, key in counted:
            self._table(code).add(key, -1)

    def merge(self, other: Sums) -> None:
        """Adds the sums of another shard of the same brand."""
        for code, theirs in other._tables.items():
            table = self._table(code)
            for key, times in theirs.counts.items():
                table.add(key, times)

    def columns(self) -> dict[int, Column]:
        """The columns of a snapshot. They are new arrays where something changed, and the same as before elsewhere."""
        return {code: table.column() for code, table in self._tables.items() if table.counts}

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
        count = self.counts.get(key, 0) + times
        if count:
            self.counts[key] = count
        else:
            self.counts.pop(key, None)
        self._column = None

    def column(self) -> Column:
        if self._column is None:
            keys: Keys = np.fromiter(self.counts, np.uint64, len(self.counts))
            counts: Counts = np.fromiter(self.counts.values(), np.int64, len(self.counts))
            order = np.argsort(keys, kind="stable")
            self._column = Column(keys[order], counts[order])
        return self._column

"""Counts over the journal, by brand: every record counts once while it is there, and not at all when it is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain

from maitred_server.learn.entries import Entries
from maitred_server.learn.reached import Reached
from maitred_server.learn.sums import Sums
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.store import Lost, Note
from maitred_server.store.counted import Met, met_in


class Brand:
    """One brand's sums, and how far they hold every record of it, and none that was forgotten."""

    def __init__(self, sums: Sums, reached: Reached) -> None:
        self.sums = sums
        self.reached = reached
        self.changed = False

    def add(self, entries: Entries) -> None:
        """Adds records of rising sequences; those that the sums hold already are passed over."""
        fresh = [record for sequence, record in entries if sequence > self.reached.through]
        found: Counter[Met] = Counter(chain.from_iterable(map(met_in, fresh)))
        self.sums.add(found)
        self.reached = self.reached._replace(through=max(self.reached.through, entries[-1][0]))
        self.changed = self.changed or bool(fresh)

    def take_away(self, number: int, lost: Lost) -> None:
        """Takes away what a record counted for, if the sums hold it: it was read before it was forgotten."""
        if number > self.reached.forgotten and lost.sequence <= self.reached.through and lost.counted:
            if not lost.stays:
                self.sums.subtract(lost.counted)
            self.changed = True


class Counts:
    """All brands' counts. `reached`: what was read, which may count for no brand."""

    def __init__(self, reached: Reached, snapshots: Mapping[str, PolicySnapshot]) -> None:
        self.reached = reached
        self.brands = {
            brand: Brand(Sums.of(snapshot), reached.further(Reached(snapshot.cursor, snapshot.forgotten)))
            for brand, snapshot in snapshots.items()
        }

    def brand(self, name: str) -> Brand:
        """What is counted of a brand; nothing yet, where it is a new one."""
        brand = self.brands.get(name)
        if brand is None:
            brand = self.brands[name] = Brand(Sums(), Reached())
        return brand

    def unlearn(self, note: Note) -> None:
        """Take away what was forgotten."""
        if note.number <= self.reached.forgotten:
            return
        for lost in note.lost:
            self.brand(lost.brand).take_away(note.number, lost)
        self.reached = self.reached._replace(forgotten=note.number)

    def learn(self, by_brand: Mapping[str, Entries], through: int) -> None:
        """Add records of rising sequences; `through`: the last sequence that was looked at."""
        for name, entries in by_brand.items():
            self.brand(name).add(entries)
        self.reached = self.reached._replace(through=through)

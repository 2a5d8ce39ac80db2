"""The learner: reads the journal from where it stood, sums up, publishes what changed. A process of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as StopEvent
from typing import Final, TypeAlias

import structlog

from maitred_server.errors import StoreError
from maitred_server.learn.publish import Reached, Resumed, forget, publish_snapshot, resume, save_cursor
from maitred_server.learn.sums import Sums
from maitred_server.model import Record
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.store import Changes, Lost, Store
from maitred_server.store.counted import Met, met_in
from maitred_server.store.keys import brand_of

CHUNK: Final = 5_000  # records read at once

ReadChanges: TypeAlias = Callable[[int, int, int], Changes]

log = structlog.get_logger()


class Learner:
    """Sums over the journal, by brand. Every record counts exactly once while it is there, and not at all when it is
    gone; over restarts too (see `publish`).
    """

    def __init__(self, read_changes: ReadChanges, folder: Path, chunk: int = CHUNK) -> None:
        """`read_changes(after, limit, noted_through)`: see `Store.read_changes`. `folder`: the data directory.

        Goes on from what is published there. Raises OSError.
        """
        self._read_changes = read_changes
        self._folder = folder
        self._chunk = chunk
        self._take_up(resume(folder))

    @property
    def cursor(self) -> int:
        """The sequence of the last record that was read; 0 before the first."""
        return self._reached.through

    def start_over(self) -> None:
        """Forgets everything, published or not, and reads from the beginning. Raises OSError."""
        forget(self._folder)
        self._take_up(Resumed(Reached(), {}))

    def _take_up(self, resumed: Resumed) -> None:
        self._reached = self._saved = resumed.reached
        self._brands = {
            brand: _Brand(Sums.of(snapshot), _further(resumed.reached, snapshot))
            for brand, snapshot in resumed.snapshots.items()
        }

    def sums(self, brand: str) -> Sums:
        """What is summed up of a brand."""
        known = self._brands.get(brand)
        return known.sums if known else Sums()

    def step(self) -> int:
        """Takes away what was forgotten, then adds up the next records; says how much there was. Raises StoreError."""
        changes = self._read_changes(self._reached.through, self._chunk, self._reached.forgotten)
        for note in changes.notes:
            for lost in note.lost:
                self._brand(lost.brand).take_away(note.number, lost)
            self._reached = self._reached._replace(forgotten=note.number)
        by_prefix: dict[bytes, list[tuple[int, Record]]] = {}
        for entry in changes.records:
            subject = entry[1].subject
            by_prefix.setdefault(subject[: 1 + subject[0]], []).append(entry)
        for prefix, entries in by_prefix.items():
            self._brand(brand_of(prefix)).add(entries)
        self._reached = self._reached._replace(through=changes.through)
        return len(changes.notes) + len(changes.records)

    def _brand(self, name: str) -> _Brand:
        brand = self._brands.get(name)
        if brand is None:
            brand = self._brands[name] = _Brand(Sums(), Reached())
        return brand

    def publish(self) -> list[str]:
        """Publishes the brands that have new records, then the cursor; says which brands. Raises OSError."""
        changed = [name for name, brand in self._brands.items() if brand.changed]
        for name in changed:
            brand = self._brands[name]
            publish_snapshot(self._folder, name, brand.reached.further(self._reached), brand.sums.columns())
            brand.changed = False
        if self._reached != self._saved:
            save_cursor(self._folder, self._reached, list(self._brands))
            self._saved = self._reached
        return changed


class _Brand:
    """One brand's sums, and how far they hold every record of it, and none that was forgotten."""

    def __init__(self, sums: Sums, reached: Reached) -> None:
        self.sums = sums
        self.reached = reached
        self.changed = False

    def add(self, entries: Sequence[tuple[int, Record]]) -> None:
        """Adds records of rising sequences; those that the sums hold already are passed over."""
        fresh = [record for sequence, record in entries if sequence > self.reached.through]
        found: Counter[Met] = Counter(met for record in fresh for met in met_in(record))
        self.sums.add(found)
        self.reached = self.reached._replace(through=max(self.reached.through, entries[-1][0]))
        self.changed = self.changed or bool(fresh)

    def take_away(self, number: int, lost: Lost) -> None:
        """Takes away what a record counted for, if the sums hold it: it was read before it was forgotten."""
        if number > self.reached.forgotten and lost.sequence <= self.reached.through:
            self.sums.subtract(lost.counted)
            self.changed = True


def _further(reached: Reached, snapshot: PolicySnapshot) -> Reached:
    return reached.further(Reached(snapshot.cursor, snapshot.forgotten))


def run(data: Path, map_size: int, stop: StopEvent, interval_s: float = 1.0) -> None:
    """What the learner's process does until `stop` is set: reads what is new, publishes every `interval_s` at most.

    What the disk or the store refuses is logged and tried again. Raises StoreRefused, OSError when it cannot begin.
    """
    with Store.open(data, map_size=map_size, read_only=True) as store:
        learner = Learner(store.read_changes, data)
        _check_journal(learner, store.last_sequence())
        log.info("learner_started", cursor=learner.cursor)
        while True:
            stopping = stop.is_set()
            _round(learner, interval_s, stop)
            store.tidy()
            if stopping:
                break
            stop.wait(interval_s)
        log.info("learner_stopped", cursor=learner.cursor)


def _check_journal(learner: Learner, last: int) -> None:
    """A journal that ends before the cursor is another one, put back from a backup: what was learned is not of it."""
    if learner.cursor > last:
        log.warning("learner_starts_over", cursor=learner.cursor, journal=last)
        learner.start_over()


def _round(learner: Learner, interval_s: float, stop: StopEvent) -> None:
    """Reads to the end of the journal, and publishes; on a long way also in between."""
    try:
        published = time.monotonic()
        while learner.step():
            if time.monotonic() - published >= interval_s:
                learner.publish()
                published = time.monotonic()
                if stop.is_set():
                    break
        learner.publish()
    except (StoreError, OSError) as error:
        log.error("learner_failed", error=type(error).__name__, reason=str(error), cursor=learner.cursor)

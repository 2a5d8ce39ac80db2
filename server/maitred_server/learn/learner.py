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
from maitred_server.learn.publish import Resumed, forget, publish_snapshot, resume, save_cursor
from maitred_server.learn.sums import Met, Sums, met_in
from maitred_server.model import Record
from maitred_server.store import Store
from maitred_server.store.keys import brand_of

CHUNK: Final = 5_000  # records read at once

ReadJournal: TypeAlias = Callable[[int, int], list[tuple[int, Record]]]

log = structlog.get_logger()


class Learner:
    """Sums over the journal, by brand. Every record counts exactly once, over restarts too (see `publish`)."""

    def __init__(self, read_journal: ReadJournal, folder: Path, chunk: int = CHUNK) -> None:
        """`read_journal(after, limit)`: records with higher sequences, rising. `folder`: the data directory.

        Goes on from what is published there. Raises OSError.
        """
        self._read_journal = read_journal
        self._folder = folder
        self._chunk = chunk
        self._take_up(resume(folder))

    @property
    def cursor(self) -> int:
        """The sequence of the last record that was read; 0 before the first."""
        return self._cursor

    def start_over(self) -> None:
        """Forgets everything, published or not, and reads from the beginning. Raises OSError."""
        forget(self._folder)
        self._take_up(Resumed(0, {}))

    def _take_up(self, resumed: Resumed) -> None:
        self._cursor = self._saved = resumed.cursor
        self._brands = {
            brand: _Brand(Sums.of(snapshot), snapshot.cursor) for brand, snapshot in resumed.snapshots.items()
        }

    def sums(self, brand: str) -> Sums:
        """What is summed up of a brand."""
        known = self._brands.get(brand)
        return known.sums if known else Sums()

    def step(self) -> int:
        """Reads the next records, adds them up and says how many there were. Raises StoreError."""
        records = self._read_journal(self._cursor, self._chunk)
        if not records:
            return 0
        by_prefix: dict[bytes, list[tuple[int, Record]]] = {}
        for entry in records:
            subject = entry[1].subject
            by_prefix.setdefault(subject[: 1 + subject[0]], []).append(entry)
        for prefix, entries in by_prefix.items():
            self._brand(brand_of(prefix)).add(entries)
        self._cursor = records[-1][0]
        return len(records)

    def _brand(self, name: str) -> _Brand:
        brand = self._brands.get(name)
        if brand is None:
            brand = self._brands[name] = _Brand(Sums(), 0)
        return brand

    def publish(self) -> list[str]:
        """Publishes the brands that have new records, then the cursor; says which brands. Raises OSError."""
        changed = [name for name, brand in self._brands.items() if brand.changed]
        for name in changed:
            publish_snapshot(self._folder, name, self._cursor, self._brands[name].sums.columns())
            self._brands[name].changed = False
        if self._cursor != self._saved:
            save_cursor(self._folder, self._cursor, list(self._brands))
            self._saved = self._cursor
        return changed


class _Brand:
    """One brand's sums, and the sequence through which they hold every record of it."""

    def __init__(self, sums: Sums, through: int) -> None:
        self.sums = sums
        self.through = through
        self.changed = False

    def add(self, entries: Sequence[tuple[int, Record]]) -> None:
        """Adds records of rising sequences; those that the sums hold already are passed over."""
        fresh = [record for sequence, record in entries if sequence > self.through]
        found: Counter[Met] = Counter(met for record in fresh for met in met_in(record))
        self.sums.add(found)
        self.through = max(self.through, entries[-1][0])
        self.changed = self.changed or bool(fresh)


def run(data: Path, map_size: int, stop: StopEvent, interval_s: float = 1.0) -> None:
    """What the learner's process does until `stop` is set: reads what is new, publishes every `interval_s` at most.

    What the disk or the store refuses is logged and tried again. Raises StoreRefused, OSError when it cannot begin.
    """
    with Store.open(data, map_size=map_size, read_only=True) as store:
        learner = Learner(store.read_journal, data)
        _check_journal(learner, store.last_sequence())
        log.info("learner_started", cursor=learner.cursor)
        while True:
            stopping = stop.is_set()
            _round(learner, interval_s, stop)
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

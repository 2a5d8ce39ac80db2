"""The learner: reads the journal from where it stood, sums up, publishes what changed. A process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event as StopEvent
from typing import Final

import structlog

from maitred_server.errors import StoreError
from maitred_server.learn.counting import Counts
from maitred_server.learn.entries import ReadChanges, about, by_brand
from maitred_server.learn.gates import Gates
from maitred_server.learn.lane import Lane
from maitred_server.learn.models import NONE, InForce, Models
from maitred_server.learn.publish import forget, publish_snapshot, resume, save_cursor
from maitred_server.learn.reached import Reached
from maitred_server.learn.sums import Sums
from maitred_server.policy.fitted import Stamp
from maitred_server.store import Store
from maitred_server.store.published import CATALOGUE, brand_folders

CHUNK: Final = 5_000  # records read at once

log = structlog.get_logger()


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Learner:
    """Sums over the journal, by brand. Every record counts exactly once while it is there, and not at all when it is
    gone; over restarts too (see `publish`).

    Counts and the lanes of placements each know how far they have read. Those that are equally far read together; one
    that is behind, because it is new or its check-point is older, reads for itself until it is as far as the counts.
    """

    def __init__(
        self,
        read_changes: ReadChanges,
        folder: Path,
        chunk: int = CHUNK,
        clock: Callable[[], int] = wall_clock,
        gates: Gates = Gates(),  # noqa: B008  (it is immutable)
    ) -> None:
        """`read_changes(after, limit, noted_through)`: see `Store.read_changes`. `folder`: the data directory.

        Goes on from what is published there. Raises OSError.
        """
        self._read_changes = read_changes
        self._folder = folder
        self._chunk = chunk
        self._clock = clock
        self._gates = gates
        resumed = resume(folder)
        self._counts = Counts(resumed.reached, resumed.snapshots)
        self._saved: tuple[Reached, int | None] = (resumed.reached, None)
        self._models: dict[str, Models] = {}
        self._published: dict[str, InForce] = {
            name: InForce(snapshot.models, Stamp.of(snapshot.version)) for name, snapshot in resumed.snapshots.items()
        }
        self._follow()

    @property
    def cursor(self) -> int:
        """The sequence of the last record that was counted; 0 before the first."""
        return self._counts.reached.through

    @property
    def furthest(self) -> int:
        """The sequence of the last record that was read for anything."""
        return max([self.cursor, *(lane.reached.through for lane in self._lanes())])

    def sums(self, brand: str) -> Sums:
        """What is counted of a brand."""
        known = self._counts.brands.get(brand)
        return known.sums if known else Sums()

    def lane(self, brand: str, placement: str) -> Lane | None:
        """What is learned in a placement; None: nothing is."""
        known = self._models.get(brand)
        found = (lane for lane in known.lanes if lane.plan.placement == placement) if known else iter(())
        return next(found, None)

    def start_over(self) -> None:
        """Forgets everything, published or not, and reads from the beginning. Raises OSError."""
        forget(self._folder)
        self._counts = Counts(Reached(), {})
        self._saved, self._published = (Reached(), None), {}
        for models in self._models.values():
            models.start_over()

    def step(self) -> int:
        """Takes away what was forgotten, then adds up the next records; says how much there was. Raises StoreError."""
        front = self.cursor
        done = self._advance(front, None)
        for through in sorted({lane.reached.through for lane in self._lanes()} - {front, self.cursor}):
            done += self._advance(through, max(front, self.cursor))
        return done

    def _advance(self, after: int, until: int | None) -> int:
        """Whoever has read up to `after` reads the next chunk, up to `until`."""
        lanes = [(name, lane) for name, one in self._models.items() for lane in one.lanes]
        reading = [(name, lane) for name, lane in lanes if lane.reached.through == after]
        counts = self._counts if self._counts.reached.through == after else None
        passed = [lane.reached for _, lane in reading] + ([counts.reached] if counts else [])
        noted = min(reached.forgotten for reached in passed)
        changes = self._read_changes(after, self._chunk, noted)
        through = changes.through if until is None or after >= until else min(changes.through, until)
        own = by_brand(changes.records, through)
        for note in changes.notes:
            if counts:
                counts.unlearn(note)
            for name, lane in reading:
                lane.unlearn(note, name)
        if counts:
            counts.learn(own, through)
        for name, lane in reading:
            lane.learn(about(own.get(name, ()), lane.plan.placement), through)
        return len(changes.notes) + (through > after)

    def publish(self, *, last: bool = False) -> list[str]:
        """Publishes the brands that changed, after check-points that are due, then the cursor; says which brands.

        `last`: nothing comes after it, so check-points are due. Raises OSError.
        """
        self._follow()
        for models in self._models.values():
            models.checkpoint(now=last)
        names = dict.fromkeys([*self._counts.brands, *self._models])
        changed = [name for name in names if self._publish(name)]
        forgotten = [one.forgotten for one in self._models.values()]
        now = self._counts.reached, min((one for one in forgotten if one is not None), default=None)
        if now != self._saved:
            save_cursor(self._folder, now[0], list(self._published), now[1])
            self._saved = now
        return changed

    def _publish(self, name: str) -> bool:
        models, counts = self._models.get(name), self._counts.brands.get(name)
        before = self._published.get(name, NONE)
        in_force = models.refresh(self.cursor, self._clock()) if models else NONE
        moved = in_force is not before and bool(in_force.models or before.models)
        if not moved and not (counts and counts.changed):
            return False
        brand = self._counts.brand(name)
        reached = brand.reached.further(self._counts.reached)
        publish_snapshot(self._folder, name, reached, brand.sums.columns(), *in_force)
        brand.changed = False
        self._published[name] = in_force
        return True

    def _lanes(self) -> Iterable[Lane]:
        return (lane for one in self._models.values() for lane in one.lanes)

    def _follow(self) -> None:
        """Take up new brands, and new playbooks of those that are known."""
        for folder in brand_folders(self._folder):
            known = self._models.get(folder.name)
            if known is not None:
                known.follow()
            elif (folder / CATALOGUE).exists():
                in_force = self._published.get(folder.name, NONE)
                self._models[folder.name] = Models(self._folder, folder.name, in_force, self._gates)


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
    if learner.furthest > last:
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
        learner.publish(last=stop.is_set())
    except (StoreError, OSError) as error:
        log.error("learner_failed", error=type(error).__name__, reason=str(error), cursor=learner.cursor)

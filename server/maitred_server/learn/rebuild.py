"""Policy snapshots of the past, made again: a snapshot is a function of the journal up to its cursor.

Sums are integers, so a snapshot is reached from any other by adding, or by taking away, the records between the two:
the nearest one is where to begin.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from maitred_server.errors import NothingKept, RecordDamaged, TooLarge
from maitred_server.learn.entries import ReadChanges
from maitred_server.learn.publish import policy_folder, reached_by_all
from maitred_server.learn.reached import Reached
from maitred_server.learn.remodel import Forward, Remodelled
from maitred_server.learn.sums import Sums
from maitred_server.model import Record
from maitred_server.policy.fitted import Stamp
from maitred_server.policy.snapshot import PolicySnapshot, Remade, open_snapshot
from maitred_server.store.counted import Met, counted_by, met_in
from maitred_server.store.keys import brand_prefix
from maitred_server.store.published import current

CHUNK: Final = 1_000  # records read at once
KEPT: Final = 4  # remade snapshots that stay in memory
IDLE_S: Final = 60.0  # after which what models were made from is let go of
MOST: Final = 2_000_000  # records between two snapshots, unless asked for more


class Base(NamedTuple):
    """Where to begin: sums of all records up to `reached`."""

    reached: Reached
    snapshot: PolicySnapshot


class _Walker(NamedTuple):
    """What models are made from, and when it was used last."""

    brand: str
    forgotten: int
    forward: Forward
    at: float


class Rebuilder:
    """Safe between threads; `snapshot` may take seconds."""

    def __init__(
        self,
        read_changes: ReadChanges,
        data: Path,
        most: int = MOST,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        """`read_changes`: see `Store.read_changes`. `data`: the data directory. `most`: records that are read at most.

        `progress`: told how many records are done, and of how many at most.
        """
        self._read_changes = read_changes
        self._data = data
        self._most = most
        self._progress = progress
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, Reached], PolicySnapshot] = OrderedDict()
        self._walking = threading.Lock()  # models are made by one thread at a time
        self._walker: _Walker | None = None
        self._models: OrderedDict[tuple[str, Stamp, int], Remodelled] = OrderedDict()

    def snapshot(self, brand: str, version: str) -> Remade:
        """The snapshot of a version. Raises NothingKept for what is none, TooLarge when it is too far away."""
        wanted = Reached.of(version)
        if wanted is None:
            raise NothingKept(f"`{version}` is no version of a policy snapshot", "past.receipt")
        self.tidy()
        found = self._published(brand, version)
        return Remade(found) if found is not None else self._rebuilt(brand, wanted, Stamp.of(version))

    def tidy(self) -> None:
        """Let go of what counts records that were forgotten since; to be called often. Raises OSError."""
        forgotten = reached_by_all(self._data).forgotten
        with self._lock:
            for key in [key for key in self._kept if key[1].forgotten < forgotten]:
                del self._kept[key]
        walker = self._walker
        if walker and (walker.forgotten < forgotten or time.monotonic() - walker.at > IDLE_S):
            self._walker = None

    def _published(self, brand: str, version: str) -> PolicySnapshot | None:
        try:
            return open_snapshot(policy_folder(self._data, brand), version)
        except (RecordDamaged, FileNotFoundError):
            return None

    def _rebuilt(self, brand: str, wanted: Reached, stamp: Stamp | None) -> Remade:
        counted = self._counted(brand, wanted)
        if stamp is None:
            return counted
        modelled = self._modelled(brand, stamp)
        counts = counted.snapshot
        version = f"{wanted.through}-{wanted.forgotten}{stamp.suffix}"
        snapshot = PolicySnapshot(version, counts.cursor, counts.columns, counts.forgotten, modelled.models)
        return Remade(snapshot, "; ".join(filter(None, (counted.note, modelled.note))))

    def _modelled(self, brand: str, stamp: Stamp) -> Remodelled:
        forgotten = reached_by_all(self._data).forgotten
        with self._lock:
            for key in [
                key for key in self._models if key[2] < forgotten
            ]:  # they learned from what was forgotten since
                del self._models[key]
            known = self._models.get((brand, stamp, forgotten))
        if known is None:
            self._check(stamp.through)
            known = self._walked(brand, stamp, forgotten)
            with self._lock:
                self._models[brand, stamp, forgotten] = known
                while len(self._models) > KEPT:
                    self._models.popitem(last=False)
        return known

    def _walked(self, brand: str, stamp: Stamp, forgotten: int) -> Remodelled:
        """From where the last models were made, if that was before: who asks for many asks in their order."""
        with self._walking:
            walker = self._walker
            if walker is None or (walker.brand, walker.forgotten) != (brand, forgotten):
                walker = _Walker(brand, forgotten, Forward(self._read_changes, self._data, brand, self._progress), 0.0)
            found = walker.forward.models(stamp)
            self._walker = walker._replace(at=time.monotonic())
            return found

    def _check(self, away: int) -> None:
        if away > self._most:
            raise TooLarge(
                f"the policy snapshot of this decision is {away:,} journal records away from where it can be made "
                f"from; at most {self._most:,} are read (setting `explain_records`)",
                "past.receipt",
            )

    def _counted(self, brand: str, wanted: Reached) -> Remade:
        """The snapshot without models."""
        if (known := self._kept.get((brand, wanted))) is not None:
            return Remade(known)
        bases = list(self._bases(brand))
        base = min(bases, key=lambda one: abs(one.reached.through - wanted.through))
        away = abs(base.reached.through - wanted.through)
        self._check(away)
        walk = _Walk(brand, base, wanted.through)
        for done in walk.steps(self._read_changes):
            self._progress(done, away)
        reached = Reached(wanted.through, walk.forgotten)
        snapshot = PolicySnapshot(wanted.version, wanted.through, walk.sums.columns(), walk.forgotten)
        self._keep(brand, reached, snapshot)
        return Remade(snapshot, "" if reached == wanted else _inexact(wanted, reached))

    def _bases(self, brand: str) -> Iterator[Base]:
        """The snapshot in force, those that were remade and know all that was forgotten, and the very beginning."""
        by_all = reached_by_all(self._data)  # before the snapshot, which may be newer then, but never older
        yield Base(Reached(0, by_all.forgotten), PolicySnapshot("0", 0, {}))
        version = current(policy_folder(self._data, brand))
        held = self._published(brand, version) if version else None
        if held is not None:
            yield Base(by_all.further(Reached(held.cursor, held.forgotten)), held)
        with self._lock:
            kept = [Base(reached, one) for (name, reached), one in self._kept.items() if name == brand]
        yield from (base for base in kept if base.reached.forgotten >= by_all.forgotten)

    def _keep(self, brand: str, reached: Reached, snapshot: PolicySnapshot) -> None:
        with self._lock:
            self._kept[brand, reached] = snapshot
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


def _inexact(wanted: Reached, reached: Reached) -> str:
    if reached.forgotten > wanted.forgotten:
        return (
            "records were erased, or expired, since the policy snapshot of this decision: what all subjects did is "
            "counted without them"
        )
    return "the policy snapshot of this decision is of another journal; it is made from the one there is"


class _Walk:
    """From one snapshot's sums to another's, record by record."""

    def __init__(self, brand: str, base: Base, through: int) -> None:
        self.sums = Sums.of(base.snapshot)
        self.forgotten = base.reached.forgotten
        self._brand = brand
        self._prefix = brand_prefix(brand)
        self._is_back = through < base.reached.through
        self._at, self._end = sorted((base.reached.through, through))
        self._low, self._high = self._at, self._end

    def steps(self, read_changes: ReadChanges) -> Iterator[int]:
        """Walk; how many sequences were passed, now and then."""
        while True:
            changes = read_changes(self._at, CHUNK, self.forgotten)
            for note in changes.notes:
                self.forgotten = note.number
                for lost in note.lost:
                    if lost.brand == self._brand and self._holds(lost.sequence):
                        self.sums.subtract(lost.counted)
            if not changes.notes and (self._at >= self._end or not changes.records):
                return
            self._pass(changes.records)
            self._at = min(max(self._at, changes.through), self._end)
            yield self._at - self._low

    def _holds(self, sequence: int) -> bool:
        """Whether the sums hold a record now."""
        if self._is_back:
            return sequence <= self._low or self._at < sequence <= self._high
        return sequence <= self._at

    def _pass(self, records: list[tuple[int, Record]]) -> None:
        own = [one for sequence, one in records if sequence <= self._end and one.subject.startswith(self._prefix)]
        if self._is_back:
            self.sums.subtract(pair for record in own for pair in counted_by(record))
        else:
            found: Counter[Met] = Counter(met for record in own for met in met_in(record))
            self.sums.add(found)

"""Models of the past, made again: they are a function of the journal, a catalogue and the stamp in their snapshot's
name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from maitred_server.errors import NotPublished, RecordDamaged
from maitred_server.learn.entries import ReadChanges, about, by_brand
from maitred_server.learn.fitting import Fitter
from maitred_server.learn.lane import Lane
from maitred_server.learn.orders import holds
from maitred_server.learn.plans import plans_of
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.fitted import Fitted, Stamp
from maitred_server.store.published import CATALOGUE, POLICY, brand_folder

CHUNK: Final = 1_000  # records read at once


class Remodelled(NamedTuple):
    """Models by placement. `note` "": they are the very ones; else what differs, in words."""

    models: Mapping[str, Fitted]
    note: str = ""


class Forward:
    """Models of the past one after the other, in the order in which they were made: the journal is read once for all.

    An earlier one, or one by another playbook, is made from the journal's beginning.
    """

    def __init__(
        self,
        read_changes: ReadChanges,
        data: Path,
        brand: str,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self._read_changes = read_changes
        self._folder = brand_folder(data, brand)
        self._brand = brand
        self._progress = progress
        self._catalogue: Catalogue | None = None
        self._fitters: dict[str, Fitter] = {}
        self._replay = _Replay(read_changes, brand, [])
        self._base = (-1, -1)  # record and day

    def models(self, stamp: Stamp) -> Remodelled:
        """The models that a stamp says. Raises StoreError."""
        try:
            catalogue = self._begun(stamp)
        except (NotPublished, RecordDamaged, FileNotFoundError):
            return Remodelled({}, f"playbook {stamp.catalogue}, by which the models were made, is kept no more")
        if self._base != (stamp.base, stamp.day):
            self._run(stamp.base, stamp)
            for one in self._fitters.values():
                one.anew(catalogue, stamp.day)
            self._base = stamp.base, stamp.day
        self._run(stamp.through, stamp)
        for one in self._fitters.values():
            one.further(catalogue, stamp.day)
        return self._fitted(stamp)

    def _begun(self, stamp: Stamp) -> Catalogue:
        """Where the stamp can be reached from, by its catalogue."""
        version = str(stamp.catalogue)
        base = stamp.through if self._base == (stamp.base, stamp.day) else stamp.base
        if self._catalogue is not None and self._catalogue.version == version and base >= self._replay.at:
            return self._catalogue
        catalogue = self._catalogue = Catalogue.open(self._folder / CATALOGUE, version)
        self._fitters = {name: Fitter(Lane(plan)) for name, plan in plans_of(catalogue).items()}
        self._replay = _Replay(self._read_changes, self._brand, [one.lane for one in self._fitters.values()])
        self._base = (-1, -1)
        return catalogue

    def _run(self, until: int, stamp: Stamp) -> None:
        self._replay.run(until, lambda done: self._progress(done, stamp.through))

    def _fitted(self, stamp: Stamp) -> Remodelled:
        through = stamp.through
        held = [
            one.placement for one in holds(self._folder / POLICY) if one.since <= through < (one.until or through + 1)
        ]
        fitted = {name: one.fitted(stamp) for name, one in self._fitters.items() if name not in held}
        models = {name: one for name, one in fitted.items() if one.model.exposures}
        return Remodelled(models, f"the model of {', '.join(held)} was held back, and is kept no more" if held else "")


class _Replay:
    """Reads the journal into lanes, as far as they are asked to go."""

    def __init__(self, read_changes: ReadChanges, brand: str, lanes: list[Lane]) -> None:
        self._read_changes = read_changes
        self._brand = brand
        self._lanes = lanes
        self.at = self._noted = 0

    def run(self, until: int, progress: Callable[[int], None]) -> None:
        while self.at < until:
            changes = self._read_changes(self.at, CHUNK, self._noted)
            for note in changes.notes:
                self._noted = note.number
                for lane in self._lanes:
                    lane.unlearn(note, self._brand)
            if not changes.notes and changes.through == self.at:
                break
            through = min(changes.through, until)
            entries = by_brand(changes.records, through).get(self._brand, ())
            for lane in self._lanes:
                lane.learn(about(entries, lane.plan.placement), through)
            self.at = through
            progress(through)

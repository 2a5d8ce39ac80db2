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


def remodelled(
    read_changes: ReadChanges,
    data: Path,
    brand: str,
    stamp: Stamp,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Remodelled:
    """The models that a stamp says, from the whole journal up to it. Raises StoreError."""
    folder = brand_folder(data, brand)
    try:
        catalogue = Catalogue.open(folder / CATALOGUE, str(stamp.catalogue))
    except (NotPublished, RecordDamaged, FileNotFoundError):
        return Remodelled({}, f"playbook {stamp.catalogue}, by which the models were made, is kept no more")
    fitters = {name: Fitter(Lane(plan)) for name, plan in plans_of(catalogue).items()}
    replay = _Replay(read_changes, brand, [one.lane for one in fitters.values()])
    replay.run(stamp.base, lambda done: progress(done, stamp.through))
    for one in fitters.values():
        one.anew(catalogue, stamp.day)
    replay.run(stamp.through, lambda done: progress(done, stamp.through))
    for one in fitters.values():
        one.further(catalogue, stamp.day)
    held = [
        one.placement for one in holds(folder / POLICY) if one.since <= stamp.through < (one.until or stamp.through + 1)
    ]
    fitted = {name: one.fitted(stamp) for name, one in fitters.items() if name not in held}
    models = {name: one for name, one in fitted.items() if one.model.exposures}
    return Remodelled(models, f"the model of {', '.join(held)} was held back, and is kept no more" if held else "")


class _Replay:
    """Reads the journal into lanes, as far as they are asked to go."""

    def __init__(self, read_changes: ReadChanges, brand: str, lanes: list[Lane]) -> None:
        self._read_changes = read_changes
        self._brand = brand
        self._lanes = lanes
        self._at = self._noted = 0

    def run(self, until: int, progress: Callable[[int], None]) -> None:
        while self._at < until:
            changes = self._read_changes(self._at, CHUNK, self._noted)
            for note in changes.notes:
                self._noted = note.number
                for lane in self._lanes:
                    lane.unlearn(note, self._brand)
            if not changes.notes and changes.through == self._at:
                break
            through = min(changes.through, until)
            entries = by_brand(changes.records, through).get(self._brand, ())
            for lane in self._lanes:
                lane.learn(about(entries, lane.plan.placement), through)
            self._at = through
            progress(through)

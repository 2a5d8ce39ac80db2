"""Decisions made again by another policy, and by the one that made them: the proof that all the rest is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from maitred_server.decide.past import Again, Past, Rerun
from maitred_server.decide.pipeline import Page
from maitred_server.decide.retell import CLOSED_NOW, OTHER_PIN, PARTLY, Apart, Slate
from maitred_server.decide.retell import GONE as NO_CANDIDATE
from maitred_server.decide.world import World
from maitred_server.errors import NothingKept, TooLarge
from maitred_server.learn.reached import Reached
from maitred_server.model import Exposure, Record
from maitred_server.policy.exploring import LEARNED
from maitred_server.policy.fitted import Fitted
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.replaying.candidate import Candidate
from maitred_server.replaying.pages import Sheet, sheet
from maitred_server.replaying.reading import Found, Shown
from maitred_server.store import AnyStore

CHECKED: Final = 200  # decisions at least that the logging policy makes again; all where that costs little
NEAR: Final = 1e-9  # how far its probabilities may be from those that were logged
DIFFERS: Final = "it comes out differently when it is decided again"
WRONG: Final = (CLOSED_NOW, OTHER_PIN, NO_CANDIDATE)  # what the policy that made it cannot have come to
GONE: Final = "its exposure is kept no more"


class Retold(NamedTuple):
    """A decision as the other policy would have made it. `notes`: what could not be had as it was."""

    records: Sequence[Record]  # its exposures
    sheet: Sheet
    slate: Slate
    again: Again


class Check(NamedTuple):
    """Decisions made again by the policy that made them. `noted`: that differ for a known reason."""

    checked: int = 0
    same: int = 0
    noted: int = 0

    @property
    def differ(self) -> int:
        """Those that differ for no known reason."""
        return self.checked - self.same - self.noted


class Retelling:
    """Makes decisions again one after the other; `left_out` and `check` are complete at its end."""

    def __init__(
        self,
        store: AnyStore,
        past: Past,
        candidate: Candidate,
        models: Mapping[str, Fitted] | None = None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        """`past`: may hold on to what it makes. `models`: by placement, instead of those that were in force then."""
        self.left_out: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.check = Check()
        self._store = store
        self._past = past
        self._candidate = candidate
        self._models = models
        self._progress = progress
        self._world: tuple[World, World] | None = None  # with the other models

    def run(self, found: Found) -> Iterator[Retold]:
        """Those that can be had."""
        every = max(1, len(found.shown) // CHECKED)
        for done, shown in enumerate(found.shown):
            try:
                retold = self._retold(shown, checked=done % every == 0)
            except Apart as error:
                self.left_out[error.why] += 1
            except (NothingKept, TooLarge) as error:
                self.left_out[error.message.partition(";")[0]] += 1
            else:
                yield retold
            self._progress(done + 1, len(found.shown))

    def _retold(self, shown: Shown, *, checked: bool) -> Retold:
        records = self._records(shown)
        body = records[0].body
        assert isinstance(body, Exposure)
        rerun = Rerun.of_exposure(records[0], body)
        own = rerun if body.policy in LEARNED else _without_models(rerun)
        asked = rerun if self._is_followed else _without_models(rerun)
        again = self._past.rerun(asked)
        if checked or own == asked:  # else it costs as much as learning anew
            self._checked(again if own == asked else self._past.rerun(own), records)
        if self._models is not None and self._candidate.is_learned:
            again = again._replace(world=self._with_models(again.world, self._models))
        again = self._candidate.on(again, body.placement)
        told, slate = self._told(again, records)
        self.notes.update(again.notes)
        return Retold(records, told, slate, again)

    @property
    def _is_followed(self) -> bool:
        """Whether the models in force then are needed."""
        return self._candidate.is_learned and self._models is None

    def _with_models(self, world: World, models: Mapping[str, Fitted]) -> World:
        """With the counts of then, and other models."""
        if self._world is None or self._world[0] is not world:
            counts = world.snapshot or PolicySnapshot("0", 0, {})
            snapshot = PolicySnapshot(counts.version, counts.cursor, counts.columns, counts.forgotten, models)
            self._world = world, World(world.catalogue, snapshot, world, world.overlay)
        return self._world[1]

    def _records(self, shown: Shown) -> list[Record]:
        found = [self._store.read_journal(sequence - 1, 1) for sequence in shown.sequences]
        records = [
            one[0][1]
            for sequence, one in zip(shown.sequences, found, strict=True)
            if one and one[0][0] == sequence and isinstance(one[0][1].body, Exposure)
        ]
        if len(records) < len(found):
            raise Apart(GONE)
        return records

    def _checked(self, again: Again, records: Sequence[Record]) -> None:
        """By the policy that made it. Raises Apart where it comes out differently."""
        try:
            told, slate = self._told(again, records)
        except Apart as error:
            if error.why in WRONG:
                self._count(False, again.notes)
            raise
        logged = [one.probability for one in told.parts[told.at].shown]
        same = all(abs(step.probability - one) <= NEAR for step, one in zip(slate.steps, logged, strict=True))
        self._count(same, again.notes)
        if not same and not again.notes:
            raise Apart(DIFFERS)

    def _count(self, same: bool, notes: Sequence[str]) -> None:
        checked, was_same, noted = self.check
        self.check = Check(checked + 1, was_same + same, noted + (not same and bool(notes)))

    def _told(self, again: Again, records: Sequence[Record]) -> tuple[Sheet, Slate]:
        told = sheet(self._store, records, alone=not _has_pins(again))
        try:
            return told, told.retell(_page(again, told, exactly=False, records=records))
        except Apart as error:
            if error.why != PARTLY:
                raise
        return told, told.retell(_page(again, told, exactly=True, records=records))


def _page(again: Again, told: Sheet, *, exactly: bool, records: Sequence[Record]) -> Page:
    body = records[0].body
    assert isinstance(body, Exposure)
    ask = again.moment.ask._replace(placements=told.placements(exactly))
    return Page(again.world, replace(again.moment, ask=ask), body.seed)


def _has_pins(again: Again) -> bool:
    return any(again.world.catalogue.control.slate(name).pins for name in again.world.catalogue.placements)


def _without_models(rerun: Rerun) -> Rerun:
    """With the counts of its policy snapshot alone, which are much sooner had."""
    reached = Reached.of(rerun.snapshot) if rerun.snapshot else None
    return rerun._replace(snapshot=reached.version) if reached else rerun

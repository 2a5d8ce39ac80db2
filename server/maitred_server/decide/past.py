"""Decisions of the past: the very world and moment that one was made from, made again from what is kept.

A receipt names all of it, and so does a journalled exposure. Profiles are replayed from the journal, live item states
follow the chain of their records, policy snapshots come from whoever keeps or remakes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from maitred_server.decide.ask import Ask
from maitred_server.decide.moment import Moment
from maitred_server.decide.overlay import NO_STATES, LiveStates, Overlay
from maitred_server.decide.pipeline import moment_of
from maitred_server.decide.profile import Known
from maitred_server.decide.receipt import Receipt
from maitred_server.decide.world import World
from maitred_server.decide.worlds import CATALOGUE
from maitred_server.errors import NothingKept, TooLarge
from maitred_server.model import Exposure, ItemStates, Kind, LiveState, Record, SubjectKey, Value
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.snapshot import Remade
from maitred_server.store import AnyStore, Profile
from maitred_server.store.keys import brand_of
from maitred_server.store.published import brand_folder, ordered
from maitred_server.store.replay import own_key
from maitred_server.subjects.assignment import NO_ARM, Assignment, Situation, assign
from maitred_server.subjects.history import as_of

CATALOGUES_KEPT: Final = 4  # versions that stay open
WORLDS_KEPT: Final = 4
STATES_KEPT: Final = 8
MOST_RECORDS: Final = 1_000_000  # of live states, that are read to tell those of one moment


class Rerun(NamedTuple):
    """What a decision was made from, by name: enough to make it again."""

    asked_for: SubjectKey  # the key that the decision was asked for
    subject: SubjectKey  # the canonical one that it led to
    kind: Kind
    profile_sequence: int
    catalogue: str
    snapshot: str
    item_states: int
    decided_at: int
    seed: int
    context: Mapping[str, Value]
    placements: tuple[tuple[str, int], ...]  # with the wanted slots; 0: the placement's own number
    arms: tuple[tuple[str, str], ...]
    overridden: tuple[str, ...]

    @property
    def brand(self) -> str:
        """Whose decision it was."""
        return brand_of(self.subject)

    @classmethod
    def of_receipt(cls, receipt: Receipt) -> Rerun:
        """Of a whole answer."""
        return cls(
            receipt.asked_for,
            receipt.subject,
            receipt.kind,
            receipt.profile_sequence,
            receipt.catalogue,
            receipt.snapshot,
            receipt.item_states,
            receipt.decided_at,
            receipt.seed,
            receipt.context,
            tuple((one.placement, one.wanted) for one in receipt.decisions),
            receipt.arms,
            receipt.overridden,
        )

    @classmethod
    def of_exposure(cls, record: Record, body: Exposure) -> Rerun:
        """Of the one placement that was shown. What its page showed before it, and how many slots were wanted, is not
        in the journal: it is made again as if it had been asked for alone, with its own number of slots.
        """
        return cls(
            own_key(record),
            record.subject,
            record.kind,
            body.profile_sequence,
            body.catalogue,
            body.snapshot,
            body.item_states,
            body.decided_at,
            body.seed,
            body.context,
            ((body.placement, 0),),
            body.arms,
            body.overridden,
        )


class Snapshots(Protocol):
    """Whoever keeps policy snapshots, or makes them again."""

    def snapshot(self, brand: str, version: str) -> Remade:
        """The snapshot of a version. Raises NothingKept, TooLarge."""


class Again(NamedTuple):
    """A world and a moment as they were. `notes`: what could not be had as it was."""

    world: World
    moment: Moment
    notes: list[str]


class Origin(NamedTuple):
    """What a world is made from."""

    brand: str
    catalogue: str
    item_states: int
    snapshot: str


class Learned(NamedTuple):
    """A world with what was learned. `note` "": it is the very one."""

    world: World
    note: str


class Past:
    """Worlds and moments as they were. Safe between threads."""

    def __init__(self, store: AnyStore, data: Path, snapshots: Snapshots, keep: bool = False) -> None:
        """`data`: the data directory. `keep`: hold on to the last world, with what was learned: for who makes many
        decisions again and ends.
        """
        self._store = store
        self._keep = keep
        self._kept: tuple[Origin, Learned] | None = None
        self._last_states: dict[str, tuple[int, LiveStates]] = {}
        self._data = data
        self._snapshots = snapshots
        self._catalogue = lru_cache(maxsize=CATALOGUES_KEPT)(self._open_catalogue)
        self._states = lru_cache(maxsize=STATES_KEPT)(self._read_states)
        self._world = lru_cache(maxsize=WORLDS_KEPT)(self._make_world)  # without what was learned: that may be erased

    def rerun(self, rerun: Rerun) -> Again:
        """The world and the moment of a decision. Raises NothingKept, TooLarge, RecordDamaged."""
        profile = self._profile(rerun)
        world, note = self._learned(Origin(rerun.brand, rerun.catalogue, rerun.item_states, rerun.snapshot))
        notes = [note] if note else []
        return Again(world, _moment(world, rerun, profile), notes + self._missing(rerun))

    def _learned(self, origin: Origin) -> Learned:
        if self._kept is not None and self._kept[0] == origin:
            return self._kept[1]
        remade = self._snapshots.snapshot(origin.brand, origin.snapshot) if origin.snapshot else None
        base = self._world(origin.brand, origin.catalogue, origin.item_states)
        world = World(base.catalogue, remade.snapshot if remade else None, base, base.overlay)
        found = Learned(world, remade.note if remade else "")
        if self._keep:
            self._kept = origin, found
        return found

    def _profile(self, rerun: Rerun) -> Profile | None:
        tombstone = self._store.tombstone(rerun.asked_for)
        if tombstone is not None and tombstone.sequence > rerun.profile_sequence:
            raise NothingKept("the subject was erased after this decision; nothing of before is kept", "past.receipt")
        return as_of(self._store, rerun.asked_for, rerun.profile_sequence)

    def _missing(self, rerun: Rerun) -> list[str]:
        keys = self._store.members(rerun.asked_for)
        if not self._store.origins(keys):
            return []
        return ["the subject's oldest records are kept no more: its profile is made from those that are left"]

    def _make_world(self, brand: str, catalogue: str, item_states: int) -> World:
        opened = self._catalogue(brand, catalogue)
        return World(opened, None, None, Overlay.of(opened, self._states(brand, item_states), item_states))

    def _open_catalogue(self, brand: str, version: str) -> Catalogue:
        folder = brand_folder(self._data, brand) / CATALOGUE
        kept = ordered(folder) if folder.is_dir() else []
        if version not in kept:
            which = f"kept are {kept[0]} to {kept[-1]}" if kept else "none is"
            raise NothingKept(f"catalogue version {version} is not kept any more; {which}", "past.receipt")
        return Catalogue.open(folder, version)

    def _read_states(self, brand: str, version: int) -> LiveStates:
        """The newest word on each item and group, up to a record; on from the last read, if the chain leads there."""
        newest: dict[tuple[str, str], LiveState] = {}
        known, states = self._last_states.get(brand, (0, NO_STATES))
        for read, (at, body) in enumerate(self._chain(version)):
            if at == known:
                break
            if read == MOST_RECORDS:
                raise TooLarge(f"live item states changed more than {MOST_RECORDS:,} times before this decision")
            for state in reversed(body.states):
                newest.setdefault((state.item, state.group), state)
        else:
            states = NO_STATES
        found = states.with_states(newest.values())
        self._last_states[brand] = version, found
        return found

    def _chain(self, version: int) -> Iterator[tuple[int, ItemStates]]:
        """What the records of live states say, newest first, each with its sequence."""
        while version:
            found = self._store.read_journal(version - 1, 1)
            if not found or found[0][0] != version or not isinstance(body := found[0][1].body, ItemStates):
                raise NothingKept("the live item states of this decision are not kept any more", "past.receipt")
            yield version, body
            version = body.before


def _moment(world: World, rerun: Rerun, profile: Profile | None) -> Moment:
    """Arms are those that the decision had: the ids that they were assigned by are nowhere kept."""
    ask = Ask(
        rerun.brand, rerun.asked_for, rerun.kind, {}, rerun.placements, context=rerun.context, at=rerun.decided_at
    )
    who = Known(rerun.subject, rerun.kind, profile, rerun.asked_for, 0 if profile else rerun.profile_sequence)
    view = world.sight.see(profile, rerun.kind, rerun.context)
    return moment_of(world, ask, who, view, _assignment(world, rerun), rerun.decided_at)


def _assignment(world: World, rerun: Rerun) -> Assignment:
    arms = dict(rerun.arms)
    asked = {division.layer.name: arms.get(division.layer.name, NO_ARM) for division in world.layers}
    return assign(world.layers, Situation({}, rerun.kind), asked)._replace(overridden=rerun.overridden)

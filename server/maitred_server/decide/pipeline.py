"""Every stage of a decision, on one screen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from maitred_server.decide import arbitration, filters, scoring, slate
from maitred_server.decide.answer import Answer, Decision
from maitred_server.decide.ask import Ask
from maitred_server.decide.choice import Choice, with_remaining
from maitred_server.decide.contacts import Contacts
from maitred_server.decide.ground import Ground
from maitred_server.decide.learned import Seen
from maitred_server.decide.moment import Moment
from maitred_server.decide.packing import pack
from maitred_server.decide.profile import Known, Reader, known
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.turns import pinned
from maitred_server.decide.view import View
from maitred_server.decide.world import World
from maitred_server.errors import NotPublished
from maitred_server.model import Reason
from maitred_server.policy.base import Floats, Scores
from maitred_server.subjects.assignment import NOT_ASSIGNED, Assignment, Situation, assign, own_unit
from maitred_server.subjects.dimensions import dimensions


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Stopwatch(Protocol):
    """Told the name of each stage when it ends; benchmarks bring one that keeps time."""

    def __call__(self, stage: str) -> None: ...


class Pipeline:
    """Decides. Reads the store and what is published, writes nothing, waits for nothing."""

    def __init__(
        self,
        reader: Reader,
        world_of: Callable[[str], World | None],
        sealer: Sealer,
        clock: Callable[[], int] = wall_clock,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._reader = reader
        self._world_of = world_of
        self._sealer = sealer
        self._clock = clock
        self._entropy = entropy

    def decide(self, ask: Ask, stopwatch: Stopwatch | None = None) -> Answer:
        """Answer one request. Raises NotPublished, UnknownName."""
        world, moment = self.look(ask, stopwatch)
        answer_id = self._entropy(15)
        page = Page(world, moment, seed_of(answer_id), stopwatch, alone=True)
        decisions = [
            page.decide((answer_id + bytes([index])).hex(), name, wanted)
            for index, (name, wanted) in enumerate(ask.placements)
        ]
        decisions = page.counted_down(decisions)
        view = moment.view
        seen = None if view.whole else view.seen_types
        cuts = dimensions(world.catalogue.dimensions, ask.context, view.profile, moment.now, seen)
        if stopwatch is not None:
            stopwatch("dimensions")
        receipt = self._sealer.seal_packed(_packed(page, decisions, cuts))
        if stopwatch is not None:
            stopwatch("receipt")
        return Answer(
            decisions,
            receipt,
            world,
            moment.assignment.arms,
            moment.now,
            moment.assignment.overridden,
            moment.who.subject,
            moment.segments,
            view.intensity,
            0 if page.moment.contacts is None else len(page.moment.contacts.unknown),
        )

    def look(self, ask: Ask, stopwatch: Stopwatch | None = None) -> tuple[World, Moment]:
        """What a decision is made from: what is in force, and who asks, when and where.

        Raises NotPublished, InvalidRequest.
        """
        world = self._world_of(ask.brand)
        if world is None:
            raise NotPublished("nothing is published yet; publish a playbook first")
        now = self._clock() if ask.at is None else ask.at
        who = known(self._reader, ask)
        if stopwatch is not None:
            stopwatch("profile")
        view = world.sight.see(who.profile, who.kind, ask.context)
        if stopwatch is not None:
            stopwatch("view")
        assignment = NOT_ASSIGNED
        if world.layers or ask.overrides:
            assignment = assign(world.layers, _situation(self._reader, world, ask, who, view), ask.overrides)
        if stopwatch is not None:
            stopwatch("assignment")
        moment = moment_of(world, ask, who, view, assignment, now)
        if stopwatch is not None:
            stopwatch("rules")
        return world, moment


def seed_of(answer_id: bytes) -> int:
    """The seed of an answer: its decisions' ids begin with it."""
    return int.from_bytes(answer_id[:8], "big")


def moment_of(world: World, ask: Ask, who: Known, view: View, assignment: Assignment, now: int) -> Moment:
    """With what the playbook's rules and contact policies say of it."""
    told = world.rulebook.ask(view, now)
    contacts = Contacts(who.profile, now, world.catalogue.group_keys) if world.capped else None
    return Moment(ask, who, view, assignment, now, told.answers, told.segments, contacts)


class Prepared(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One placement before its slots are filled."""

    ground: Ground
    slots: int
    closed: Sequence[int]  # items that the page shows already, or has pinned further on
    served: scoring.Served
    scores: Scores
    priority: Floats  # float64[m]: CLOSED where a filter closed; changes while slots are filled
    pins: Mapping[int, int]  # row by slot
    seen: Seen | None = None  # the features by which is learned; None: nothing is learned


class Page:
    """The placements of one answer, decided one after the other so that no item is repeated."""

    __slots__ = ("_decided", "_held", "_stopwatch", "_taken", "moment", "seed", "world")

    def __init__(
        self, world: World, moment: Moment, seed: int, stopwatch: Stopwatch | None = None, alone: bool = False
    ) -> None:
        """`alone`: the moment is looked at by nobody else, so that its contacts may be counted on."""
        self.world = world
        self.moment = moment if alone or moment.contacts is None else moment.for_page(moment.contacts)
        self.seed = seed
        self._stopwatch = stopwatch
        self._taken: list[int] = []  # item numbers, in fill order over the page
        self._held: list[list[int]] | None = None  # by placement: the items that are pinned there; None: not known yet
        self._decided = 0

    def decide(self, decision_id: str, name: str, wanted: int) -> Decision:
        """One placement, from its candidates to its slate. They are decided in the order of the request."""
        ready = self.prepare(name, wanted)
        return self.finish(decision_id, ready, self.fill(ready))

    def prepare(self, name: str, wanted: int) -> Prepared:
        """Candidates, filters, scores. Once for each placement, in the order of the request."""
        ground = self.world.ground(name)
        slots = wanted or ground.placement.slots
        closed = self._closed()
        if self._stopwatch is not None:
            self._stopwatch("candidates")
        open_rows = filters.open_rows(ground, self.moment, closed)
        if self._stopwatch is not None:
            self._stopwatch("filters")
        seen = None
        if ground.learned is not None:
            seen = ground.learned.see(self.moment.view, self.moment.now)
            if self._stopwatch is not None:
                self._stopwatch("features")
        served = scoring.learning_from(scoring.served_by(ground.placement, self.moment), seen, self.seed)
        scores = scoring.scored(served, seen, self.moment, ground)
        ranked = arbitration.priorities(ground, self.moment, served, scores, self.world.conditions)
        priority = scoring.closed_where(ranked, open_rows)
        if self._stopwatch is not None:
            self._stopwatch("scoring")
        pins = pinned(ground, self.moment, self.world.conditions, open_rows, slots)
        return Prepared(ground, slots, closed, served, scores, priority, pins, seen)

    def fill(self, ready: Prepared, watch: slate.Watch | None = None) -> Sequence[Choice]:
        """Slot by slot, in the order in which they are filled."""
        return slate.fill(
            self.world,
            ready.ground,
            self.moment,
            ready.served,
            ready.scores,
            ready.priority,
            ready.slots,
            self.seed,
            len(self._taken),
            ready.pins,
            watch,
            ready.seen,
        )

    def finish(self, decision_id: str, ready: Prepared, choices: Sequence[Choice]) -> Decision:
        """With the fallback where nothing could be chosen, and with what is said of each choice."""
        placement, name = ready.ground.placement, ready.ground.placement.name
        space = ready.seen.ground.space.name if choices and ready.seen is not None else ""
        if not choices:
            choices = slate.fallback(self.world, self.world.fallback(name), self.moment, ready.closed, ready.slots)
        if not self.world.wording.silent:
            choices = self.world.wording.worded(choices, name, self.moment)
        if self._decided < len(self.moment.ask.placements):
            item_of = self.world.catalogue.item_index.item
            self._taken += [item_of(choice.action) for choice in choices]
        if self._stopwatch is not None:
            self._stopwatch("slate")
        return Decision(
            decision_id,
            name,
            choices,
            _reason(ready.served, choices),
            ready.served.policy.name,
            placement.ttl_ms,
            placement.stale_ms,
            ready.ground.channel(self.moment.ask.context),
            space,
        )

    def counted_down(self, decisions: list[Decision]) -> list[Decision]:
        """With how often each choice may be shown; asked when the whole page is decided."""
        contacts = self.moment.contacts
        if contacts is None:
            return decisions
        return [self._counted_down(decision, contacts) for decision in decisions]

    def _counted_down(self, decision: Decision, contacts: Contacts) -> Decision:
        if not decision.slate:
            return decision
        ground = self.world.ground(decision.placement)
        if decision.slate[0].reason is Reason.FALLBACK:
            ground = self.world.fallback(decision.placement)
        left = contacts.remaining(ground, [choice.row for choice in decision.slate], decision.channel)
        return decision.with_slate(with_remaining(decision.slate, left))

    def _closed(self) -> list[int]:
        """Items that this placement may not show: the page shows them already, or they are pinned further on."""
        if self._held is None:
            self._held = self._ahead() if len(self.moment.ask.placements) > 1 else []
        self._decided += 1
        if not self._taken and not self._held:
            return []
        return self._taken + [item for held in self._held[self._decided :] for item in held]

    def _ahead(self) -> list[list[int]]:
        """By placement of the page, in its order: the items that will be pinned there."""
        grounds = [self.world.ground(name) for name, _ in self.moment.ask.placements]
        held: list[list[int]] = []
        if not any(ground.slots and ground.slots.pins for ground in grounds[1:]):
            return held
        for ground, (_, wanted) in zip(grounds, self.moment.ask.placements, strict=True):
            held.append(self._pinned(ground, wanted, [item for items in held for item in items]))
        return held

    def _pinned(self, ground: Ground, wanted: int, before: Sequence[int]) -> list[int]:
        """The items that will be pinned in a placement, but for those that are pinned `before`."""
        if ground.slots is None or not ground.slots.pins:
            return []
        open_rows = filters.open_rows(ground, self.moment, before)
        pins = pinned(ground, self.moment, self.world.conditions, open_rows, wanted or ground.placement.slots)
        return [int(ground.item_index[row]) for row in pins.values()]


def _reason(served: scoring.Served, choices: Sequence[Choice]) -> Reason:
    """Of the slate as a whole: what covers all of it, else that of the first choice that no person made."""
    first = choices[0].reason if choices else Reason.FALLBACK
    if first is Reason.FALLBACK:
        return first
    if served.reason is not None:
        return served.reason
    return (
        first if first is not Reason.RULE else next((one.reason for one in choices if one.reason is not first), first)
    )


def _situation(reader: Reader, world: World, ask: Ask, who: Known, view: View) -> Situation:
    own = own_unit(who.subject, who.profile)
    units = {**ask.units, who.kind: own, None: own}
    for kind in world.units.intersection(ask.units) - {who.kind}:  # a household, say, that was merged with another
        found = reader.find(ask.units[kind])
        units[kind] = ask.units[kind] if found is None else own_unit(found.subject, found.profile)
    return Situation(units, who.kind, ask.context, view.said(world.asked_traits) if world.asked_traits else {})


def _packed(page: Page, decisions: Sequence[Decision], cuts: dict[str, str]) -> bytes:
    """The fields of a `Receipt`, as bytes."""
    moment = page.moment
    who, ask, world = moment.who, moment.ask, page.world
    before = (
        who.subject,
        who.kind,
        moment.now,
        page.seed,
        who.sequence,
        world.catalogue.version,
        world.snapshot_version,
        moment.assignment.arms,
    )
    behind = (
        cuts,
        moment.segments,
        who.profile is not None and who.profile.merged,
        moment.assignment.overridden,
        b"" if who.addressed == who.subject else who.addressed,
        world.overlay.version,
        dict(ask.context),
        bool(ask.pending),
    )
    return pack(before, decisions, [wanted for _, wanted in ask.placements], behind)

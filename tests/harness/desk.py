"""Decisions in this process: a published playbook with a `Control` made in code, over a store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maitred_server.decide.answer import Answer
from maitred_server.decide.ask import Ask
from maitred_server.decide.moment import Moment
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.profile import Known
from maitred_server.decide.receipt import Receipt, Sealer
from maitred_server.decide.world import World
from maitred_server.model import Body, Consent, Consents, ConsentState, Entry, Intensity, Kind, Record, Sequenced, Value
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Control
from maitred_server.store import MemoryStore, Profile
from maitred_server.subjects.assignment import NOT_ASSIGNED
from maitred_server.subjects.consent import as_consents
from msgspec.structs import replace

from harness.server import PLAYBOOK

NOW = 1_700_000_000_000
SUBJECT = b"\x04shop" + bytes(16)


def publish(folder: Path, control: Control, files: Mapping[str, bytes] = {}) -> World:
    """A world with the playbook of the harness, changed by `files`, and with a control."""
    put_in_force(folder, control, files)
    return World(Catalogue.open(folder), None)


def put_in_force(folder: Path, control: Control, files: Mapping[str, bytes] = {}) -> None:
    """The same on disk alone."""
    build(replace(loader.load({**PLAYBOOK, **files}, imported=[]), control=control), [], folder)


def record(body: Body, at: int = NOW) -> Record:
    """Of the subject."""
    return Record(SUBJECT, Kind.PERSON, at, at, body)


def profile(*bodies: Body) -> Profile:
    """Of whom all this was told, in order."""
    return Profile.empty(Kind.PERSON).with_records([(n, record(body)) for n, body in enumerate(bodies, 1)])


def consents(**said: ConsentState) -> Consents:
    """Words on purposes."""
    return Consents(tuple(Consent(purpose, state, observed_at=NOW) for purpose, state in said.items()))


def granted(*purposes: str) -> Consents:
    """All of them granted."""
    return consents(**dict.fromkeys(purposes, ConsentState.GRANTED))


def intensity(level: Intensity) -> Consents:
    """The subject says how much may be used."""
    return Consents(as_consents(level, NOW))


class Desk:
    """Where decisions are asked for. With equal entropy equal moments give equal answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = MemoryStore()
        self._sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
        self.pipeline = Pipeline(
            self.store, lambda brand: self.world, self._sealer, lambda: NOW, lambda size: b"\x07" * size
        )

    def tell(self, *bodies: Body, subject: bytes = SUBJECT) -> None:
        """Make something durable."""
        records = [record(body) for body in bodies]
        self.store.submit([Entry(replace(one, subject=subject)) for one in records]).result()

    def answer(
        self, *placements: str, pending: Sequence[Body] = (), entries: Sequence[Entry] = (), **more: Any
    ) -> Answer:
        """Ask for placements, with as many slots as they have; `pending` or `entries`: what travels along."""
        on_the_way = [*entries, *(Entry(record(body), Sequenced(b"c", 2, n)) for n, body in enumerate(pending, 1))]
        wanted = [(name, 0) for name in placements or ("home",)]
        ask = Ask("shop", SUBJECT, Kind.PERSON, {Kind.PERSON: SUBJECT}, wanted, pending=on_the_way)
        return self.pipeline.decide(ask._replace(**more))

    def items(self, placement: str = "home", **more: Any) -> list[str]:
        """What one placement shows, in the order in which it was filled."""
        (decision,) = self.answer(placement, **more).decisions
        return [choice.item for choice in decision.slate]

    def moment(self, who: Profile | None, context: Mapping[str, Value] = {}) -> Moment:
        """A moment of a subject of whom this is known."""
        ask = Ask("shop", SUBJECT, Kind.PERSON, {}, [], context=context)
        view = self.world.sight.see(who, Kind.PERSON, context)
        told = self.world.rulebook.ask(view, NOW)
        known = Known(SUBJECT, Kind.PERSON, who, SUBJECT)
        return Moment(ask, known, view, NOT_ASSIGNED, NOW, told.answers, told.segments)

    def receipt(self, answer: Answer) -> Receipt:
        """What the answer's receipt holds."""
        return self._sealer.open(answer.receipt)

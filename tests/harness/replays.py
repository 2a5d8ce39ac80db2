"""A shop in this process whose customers click with known rates, to be replayed from its journal."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from maitred_server.decide.answer import Answer
from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Receipt, Sealer
from maitred_server.decide.worlds import CATALOGUE, Worlds
from maitred_server.learn.learner import Learner
from maitred_server.model import Body, Entry, Event, Exposure, Kind, Outcome, Record, Sequenced, Shown, Value
from maitred_server.playbook.control import Control
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix
from maitred_server.store.published import brand_folder

from harness.desk import put_in_force

BRAND = "default"
GROUPS = {"APPLES": "fruit", "PEARS": "fruit", "BREAD": "bakery", "MILK": "dairy", "SOAP": "home"}
MINUTE = 60_000


class Shop:
    """A server's parts over a data directory, with a clock that only the test moves."""

    def __init__(self, data: Path, placements: str, control: Control, files: Mapping[str, bytes] = {}) -> None:
        self.data = data
        self.sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
        self.random = random.Random(11)
        self.now = 1_750_000_000_000
        self._told = 0
        folder = brand_folder(data, BRAND) / CATALOGUE
        put_in_force(folder, control, {"placements.yaml": placements.encode(), **files})
        self.open()

    def open(self) -> None:
        """Begin, or go on after `close`."""
        self.store = Store.open(self.data, map_size=1 << 28)
        self.worlds = Worlds(self.data, self.store)
        self.worlds.poll()
        self.learner = Learner(self.store.read_changes, self.data)
        self.pipeline = Pipeline(self.store, self.worlds.world, self.sealer, lambda: self.now, self.random.randbytes)

    def close(self) -> None:
        """A process opens a store once; who reads it by a command must wait for this."""
        self.worlds.close()
        self.store.close()

    def learn(self) -> None:
        """All of the journal, and serve by it."""
        while self.learner.step():
            pass
        self.learner.publish()
        self.worlds.poll()

    def tell(self, subject: bytes, *bodies: Body) -> None:
        """Make something durable."""
        self.write([(subject, body) for body in bodies])

    def write(self, bodies: Sequence[tuple[bytes, Body]]) -> None:
        """Of several subjects, at once."""
        entries = []
        for subject, body in bodies:
            self._told += 1
            record = Record(subject, Kind.PERSON, self.now, self.now, body)
            entries.append(Entry(record, Sequenced(b"c", 1, self._told)))
        self.store.submit(entries).result()

    def decide(self, subject: bytes, *placements: str, context: Mapping[str, Value] = {}) -> Answer:
        ask = Ask(BRAND, subject, Kind.PERSON, {}, [(name, 0) for name in placements], context=context)
        return self.pipeline.decide(ask)

    def serve(self, visits: int, rates: Mapping[str, float], *placements: str, subjects: int = 250) -> list[Exposure]:
        """So many visits, each with its exposures and clicks at these rates; the first placement's exposures."""
        found, told = [], list[tuple[bytes, Body]]()
        for number in range(visits):
            self.now += MINUTE
            subject = person(number % subjects)
            exposures = exposed(self.sealer.open(self.decide(subject, *placements).receipt))
            found.append(exposures[0])
            told += [(subject, one) for one in exposures]
            told += [(subject, one) for one in self._clicks(exposures, rates)]
        self.write(told)
        return found

    def _clicks(self, exposures: Sequence[Exposure], rates: Mapping[str, float]) -> list[Outcome]:
        return [
            Outcome("clicked", 1.0, one.item, one.variant, one.groups, exposure.decision_id, exposure.placement)
            for exposure in exposures
            for one in exposure.shown
            if self.random.random() < rates[one.item]
        ]


def person(number: int) -> bytes:
    return brand_prefix(BRAND) + number.to_bytes(16, "big")


def bought(item: str) -> Event:
    return Event("purchase", item, "", (GROUPS[item],))


def exposed(receipt: Receipt) -> list[Exposure]:
    """The exposures of a whole answer."""
    return [
        Exposure(
            one.decision_id,
            one.placement,
            1,
            tuple(
                Shown(
                    s.slot,
                    s.item,
                    s.variant,
                    (GROUPS[s.item],),
                    s.probability,
                    s.propensity,
                    s.priority,
                    s.reason,
                    features=s.features,
                )
                for s in one.slots
            ),
            one.policy,
            one.reason,
            receipt.arms,
            receipt.catalogue,
            receipt.snapshot,
            receipt.decided_at,
            receipt.seed,
            receipt.profile_sequence,
            context=receipt.context,
            item_states=receipt.item_states,
            channel=one.channel,
            space=one.space,
            merged=receipt.merged,
            overridden=receipt.overridden,
            pending=receipt.pending,
        )
        for one in receipt.decisions
    ]

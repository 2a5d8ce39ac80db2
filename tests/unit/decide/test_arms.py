"""What the pipeline puts into receipts about the subject and the moment."""

from __future__ import annotations

from pathlib import Path

from harness.server import PLAYBOOK
from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Receipt, Sealer
from maitred_server.decide.world import World
from maitred_server.model import Body, Entry, Event, Kind, Merge, Record
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.store import MemoryStore

NOW = 1_700_000_000_000
DAY = 86_400_000
BOOK = b"name: t\nlayers:\n" + b"".join(
    b"  - {name: l%d, arms: [{name: a, share: 0.5}, {name: b, share: 0.5}]}\n" % number for number in range(16)
)


def key(number: int) -> bytes:
    return b"\x04shop" + number.to_bytes(16, "big")


class Deciding:
    """A pipeline over a store in memory."""

    def __init__(self, folder: Path) -> None:
        build(loader.load({**PLAYBOOK, "playbook.yaml": BOOK}, imported=[]), [], folder)
        world = World(Catalogue.open(folder), None)
        self._sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
        self.store = MemoryStore()
        self._pipeline = Pipeline(self.store, lambda brand: world, self._sealer, lambda: NOW)

    def put(self, subject: bytes, at: int, body: Body) -> None:
        self.store.submit([Entry(Record(subject, Kind.PERSON, at, at, body))]).result()

    def receipt(self, subject: bytes, **more: object) -> Receipt:
        ask = Ask("shop", subject, Kind.PERSON, {Kind.PERSON: subject}, [("home", 1)], **more)  # type: ignore[arg-type]
        return self._sealer.open(self._pipeline.decide(ask).receipt)


def test_after_a_merge_the_arms_of_the_older_stick(tmp_path: Path) -> None:
    """Whoever is asked for, the one that stays or the one that was joined to it, has the arms that the older had, and
    receipts say that the subject is merged.
    """
    deciding = Deciding(tmp_path)
    older, newer = key(1), key(2)
    deciding.put(older, NOW - 9, Event("purchase", "MILK"))
    deciding.put(newer, NOW - 5, Event("purchase", "SOAP"))
    before = {subject: deciding.receipt(subject) for subject in (older, newer)}
    assert before[older].arms != before[newer].arms
    assert not before[older].merged
    deciding.put(newer, NOW - 1, Merge(older))
    for subject in (older, newer):
        after = deciding.receipt(subject)
        assert (after.subject, after.arms, after.merged) == (newer, before[older].arms, True)


def test_receipts_carry_the_dimensions_of_the_moment(tmp_path: Path) -> None:
    """Texts of the context, stage and value band are in the receipt, by the decision's own clock; segments are none."""
    deciding = Deciding(tmp_path)
    for _ in range(3):
        deciding.put(key(1), NOW - DAY, Event("purchase", "MILK", value=50.0))
    context = {"region": "north", "weather": "rain"}
    found = deciding.receipt(key(1), context=context)
    assert found.dimensions == {"region": "north", "stage": "active", "value_band": "middle"}
    assert (found.segments, found.overridden) == ((), ())
    later = deciding.receipt(key(1), context=context, at=NOW + 90 * DAY)
    assert later.dimensions == {"region": "north", "stage": "lapsed", "value_band": "middle"}

"""What is said to the subject: content filled in, and reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maitred_server.decide.ask import Ask
from maitred_server.decide.choice import Choice
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.world import World
from maitred_server.model import Entry, Event, Item, Kind, Reason, Record, Variant
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Control, ReasonText, Wording
from maitred_server.store import MemoryStore
from msgspec.structs import replace

SUBJECT = b"\x04shop" + bytes(16)
NOW = 1_700_000_000_000
FILES = {
    "playbook.yaml": b"name: t\n",
    "placements.yaml": b"placements:\n  - {name: home, policy: habit, fallback: [boots]}\n",
}
BOOTS = Item(
    "boots",
    attributes={"name": "Trail Shoes", "price": 80.0},
    variants=(
        Variant("", b"Again {{ last.purchase.name }}, {{ item.price }}?", "text/plain", template=True, plain=b"Shoes"),
    ),
)
SAYS = Wording(
    locale="en",
    reasons=(
        ReasonText(Reason.POPULAR, (("en", "Popular in {{ context.store }}"),)),
        ReasonText(Reason.POPULAR, (("en", "Popular right now"), ("de", "Gerade beliebt"))),
        ReasonText(
            Reason.HABIT, (("en", "Because you bought {{ because.name }}"), ("de", "Sie kauften {{ because.name }}"))
        ),
    ),
)


def decide(folder: Path, store: MemoryStore, **context: Any) -> Choice:
    playbook = replace(loader.load(FILES, imported=[BOOTS]), control=Control(wording=SAYS))
    build(playbook, [BOOTS], folder)
    published = World(Catalogue.open(folder), None)
    sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
    asked = Ask("shop", SUBJECT, Kind.PERSON, {Kind.PERSON: SUBJECT}, [("home", 1)], context=context)
    return Pipeline(store, lambda brand: published, sealer, lambda: NOW).decide(asked).decisions[0].slate[0]


def bought() -> MemoryStore:
    store = MemoryStore()
    store.submit([Entry(Record(SUBJECT, Kind.PERSON, NOW - 9, NOW - 9, Event("purchase", "boots")))]).result()
    return store


def test_a_habit_is_said_with_what_was_bought(tmp_path: Path) -> None:
    """Who bought the item before is told so, by its name, in the language of the request."""
    assert decide(tmp_path / "a", bought()).reason_text == "Because you bought Trail Shoes"
    assert decide(tmp_path / "b", bought(), locale="de-CH").reason_text == "Sie kauften Trail Shoes"


def test_a_reason_that_names_what_is_unknown_is_not_said(tmp_path: Path) -> None:
    """Without the store in the context the next reason that is true is taken; a locale without a text gets the
    playbook's own.
    """
    assert decide(tmp_path / "a", MemoryStore()).reason_text == "Popular right now"
    assert decide(tmp_path / "b", MemoryStore(), locale="fr").reason_text == "Popular right now"
    assert decide(tmp_path / "c", MemoryStore(), locale="de").reason_text == "Gerade beliebt"


def test_content_is_filled_in_or_plain(tmp_path: Path) -> None:
    """A template is filled in with the subject's own last purchase; who bought nothing sees what stands in."""
    assert decide(tmp_path / "a", bought()).content == b"Again Trail Shoes, 80?"
    assert decide(tmp_path / "b", MemoryStore()).content == b"Shoes"

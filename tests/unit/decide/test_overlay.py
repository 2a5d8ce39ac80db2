"""Live item states against the simplest reading of them, item by item."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maitred_server.decide.ask import Ask
from maitred_server.decide.overlay import NO_STATES, UNLIMITED, LiveStates, Overlay
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.world import World
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import RecordDamaged
from maitred_server.model import Item, Kind, LiveState, Reason, StateChange, Variant
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.store import MemoryStore
from maitred_server.store.published import brand_folder

NOW = 1_700_000_000_000
SUBJECT = b"\x04shop" + bytes(16)
PLACEMENTS = b"""
placements:
  - {name: all, slots: 9, policy: uniform}
  - {name: order, slots: 2, policy: fixed, order: [A, B, C], fallback: [D, A]}
  - {name: quiet, slots: 1, policy: uniform, baseline: fixed, order: [B, C], automation: fixed}
"""
FILES = {"playbook.yaml": b"name: test\n", "placements.yaml": PLACEMENTS}
ITEMS = (
    Item("A", ("h", "g"), {"price": 2.0}, (Variant("small"), Variant("large"))),
    Item("B", ("h",), {"price": 3.0}),
    Item("C", ("g",)),
    Item("D", (), {"price": 4.0}, (Variant("x"), Variant("y"), Variant("z"))),
)


class Row(NamedTuple):
    """What an overlay says of one action."""

    open: bool
    stock: int
    price: float


def catalogue(folder: Path, items: Sequence[Item] = ITEMS, files: dict[str, bytes] = FILES) -> Catalogue:
    folder.mkdir(parents=True, exist_ok=True)
    build(loader.load(files, imported=items), items, folder)
    return Catalogue.open(folder)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return catalogue(tmp_path_factory.mktemp("published"))


def naive(item: Item, states: Iterable[LiveState]) -> Row:
    """One item, from the states as they were set, the later last."""
    last = {(state.item, state.group): state for state in states}
    mine = [last[name] for name in [(item.id, ""), *(("", group) for group in item.groups)] if name in last]
    stocks = [state.stock for state in mine if state.stock is not None]
    prices = [state.price for state in mine if state.price is not None]
    own: Any = item.attributes.get("price", math.nan)
    closed = any(state.kill or state.paused or state.stock == 0 for state in mine)
    return Row(not closed, min(stocks, default=UNLIMITED), prices[0] if prices else own)


def rows(overlay: Overlay) -> list[Row]:
    columns = (overlay.open.tolist(), overlay.stock.tolist(), overlay.price.tolist())
    return [Row(*row) for row in zip(*columns, strict=True)]


STATES = st.builds(
    lambda name, *rest: LiveState(name if name.isupper() else "", name if name.islower() else "", *rest),
    st.sampled_from(["A", "B", "C", "D", "UNKNOWN", "g", "h", "unknown"]),
    st.sampled_from([None, 0, 1, 7]),
    st.sampled_from([None, 0.0, 1.5]),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(STATES, max_size=6), max_size=4))
def test_an_overlay_says_what_its_states_say(published: Catalogue, batches: list[list[LiveState]]) -> None:
    """For any states, in any batches, each action is as its item, read alone with its groups, is; unknown names change
    nothing."""
    live = NO_STATES
    for batch in batches:
        live = live.with_states(batch)
    overlay = Overlay.of(published, live, 7)
    states = [state for batch in batches for state in batch]
    expected = [naive(item, states) for item in ITEMS for _ in item.variants]
    assert repr(rows(overlay)) == repr(expected)  # as text, where NaN equals NaN
    assert (overlay.version, overlay.all_open) == (7, all(row.open for row in expected))


def test_an_overlay_and_its_states_do_not_change(published: Catalogue) -> None:
    """New states make new columns; those that a decision holds stay as they are and cannot be written."""
    before = NO_STATES.with_states([LiveState("A", kill=True)])
    overlay = Overlay.of(published, before)
    after = before.with_states([LiveState("A"), LiveState("B", paused=True)])
    assert (before.closed.tolist(), len(after.keys)) == ([True], 2)
    assert overlay.open.tolist() == [False, False, True, True, True, True, True]
    for column in (overlay.open, overlay.stock, overlay.price):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_an_empty_catalogue_takes_states(tmp_path: Path) -> None:
    """Without items there is nothing to close."""
    nothing = catalogue(tmp_path, (), {**FILES, "placements.yaml": b"placements:\n  - {name: all, policy: uniform}\n"})
    overlay = Overlay.of(nothing, NO_STATES.with_states([LiveState("A", kill=True)]))
    assert (rows(overlay), overlay.all_open) == ([], True)


def world(published: Catalogue, *states: LiveState) -> World:
    live: LiveStates = NO_STATES.with_states(states)
    return World(published, None, overlay=Overlay.of(published, live))


def decide(found: World | None, placement: str) -> list[tuple[str, Reason]]:
    sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
    pipeline = Pipeline(MemoryStore(), lambda brand: found, sealer, lambda: NOW)
    ask = Ask("shop", SUBJECT, Kind.PERSON, {Kind.PERSON: SUBJECT}, [(placement, 0)])
    return [(choice.item, choice.reason) for choice in pipeline.decide(ask).decisions[0].slate]


@pytest.mark.parametrize(
    "state",
    [LiveState("A", kill=True), LiveState("A", paused=True), LiveState("A", stock=0), LiveState("", "g", kill=True)],
    ids=["kill", "pause", "stock", "group"],
)
def test_what_is_closed_is_offered_by_nobody(published: Catalogue, state: LiveState) -> None:
    """Neither a policy nor a fixed order nor a fallback offers an item that is killed, paused or out of stock."""
    closed = world(published, state)
    left = {"B", "D"} if state.group else {"B", "C", "D"}
    assert {item for item, _ in decide(closed, "all")} == left
    assert [item for item, _ in decide(closed, "order")] == (["B"] if state.group else ["B", "C"])
    nothing = world(published, state, *(LiveState(item, kill=True) for item in "BC"))
    assert decide(nothing, "order") == [("D", Reason.FALLBACK)]
    assert decide(world(published, *(LiveState(item, kill=True) for item in "ABCD")), "order") == []


def test_the_baseline_offers_nothing_closed(published: Catalogue) -> None:
    """A placement that serves its baseline, as the holdout is served, skips what is closed."""
    assert decide(world(published), "quiet") == [("B", Reason.BASELINE)]
    assert decide(world(published, LiveState("B", stock=0)), "quiet") == [("C", Reason.BASELINE)]


def test_without_closed_candidates_there_is_no_mask(published: Catalogue) -> None:
    """Decisions pay for live states only where a candidate is closed."""
    assert world(published, LiveState("A", stock=3, price=1.0)).ground("all").available is None
    partly = world(published, LiveState("UNKNOWN", kill=True), LiveState("D", kill=True))
    mask = partly.ground("all").available
    assert mask is not None
    assert np.flatnonzero(~mask).tolist() == [4, 5, 6]


def test_a_receipt_names_the_states_it_was_decided_with(published: Catalogue) -> None:
    """The version of the live states is sealed with the others: a decision can be had again as it was."""
    found = World(published, None, overlay=Overlay.of(published, NO_STATES, 42))
    sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
    pipeline = Pipeline(MemoryStore(), lambda brand: found, sealer, lambda: NOW)
    answer = pipeline.decide(Ask("shop", SUBJECT, Kind.PERSON, {Kind.PERSON: SUBJECT}, [("all", 0)]))
    assert sealer.open(answer.receipt).item_states == 42


def put(store: MemoryStore, *changes: StateChange, brand: str = "shop") -> None:
    store.submit_item_states(brand, changes, NOW).result()


def test_worlds_follow_the_states_of_their_brand(tmp_path: Path) -> None:
    """A poll takes up what was set, a publish keeps it, and another brand's states are not looked at."""
    store = MemoryStore()
    worlds = Worlds(tmp_path, store)
    folder = brand_folder(tmp_path, "shop") / "catalogue"
    put(store, StateChange("A", kill=True))
    catalogue(folder)
    worlds.poll()
    first = worlds.world("shop")
    assert {item for item, _ in decide(first, "all")} == {"B", "C", "D"}
    put(store, StateChange("B", kill=True), brand="other")
    worlds.poll()
    assert worlds.world("shop") is first
    put(store, StateChange("A", kill=False), StateChange("C", stock=0))
    worlds.poll()
    assert {item for item, _ in decide(worlds.world("shop"), "all")} == {"A", "B", "D"}
    assert {item for item, _ in decide(first, "all")} == {"B", "C", "D"}
    catalogue(folder, (*ITEMS, Item("E")))
    worlds.poll()
    assert {item for item, _ in decide(worlds.world("shop"), "all")} == {"A", "B", "D", "E"}


class Unreadable(MemoryStore):
    """A store whose live states cannot be read while `broken`."""

    broken = True

    def item_state_version(self, brand: str) -> int:
        if self.broken:
            raise RecordDamaged("a stored record fails its checksum")
        return super().item_state_version(brand)


def test_states_that_cannot_be_read_open_nothing(tmp_path: Path) -> None:
    """Before they were read once nothing is served; afterwards those of before stay in force."""
    store = Unreadable()
    worlds = Worlds(tmp_path, store)
    catalogue(brand_folder(tmp_path, "shop") / "catalogue")
    worlds.poll()
    assert worlds.world("shop") is None
    store.broken = False
    put(store, StateChange("A", kill=True))
    worlds.poll()
    store.broken = True
    catalogue(brand_folder(tmp_path, "shop") / "catalogue", (*ITEMS, Item("E")))
    worlds.poll()
    assert {item for item, _ in decide(worlds.world("shop"), "all")} == {"B", "C", "D", "E"}

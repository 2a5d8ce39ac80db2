"""Live item states, over the real store and its twin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maitred_server.errors import StoreBroken
from maitred_server.model import Entry, Event, ItemStates, Kind, LiveState, Record, StateChange
from maitred_server.store import REFUSED, AnyStore, MemoryStore, Store
from maitred_server.store.itemstate import MOST_RECORDS, RECORD_STATES
from maitred_server.store.keys import brand_prefix

NOON = 1_700_000_000_000
ANNA = brand_prefix("shop") + b"anna".ljust(16)


def open_store(folder: Path) -> AnyStore:
    return Store.open(folder, map_size=64 << 20, allow_overlay=True)


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    made: AnyStore = open_store(tmp_path) if request.param == "lmdb" else MemoryStore()
    yield made
    made.close()


def change(store: AnyStore, *changes: StateChange, brand: str = "shop") -> int:
    return store.submit_item_states(brand, changes, NOON, "ops").result(timeout=30)


def states(store: AnyStore, brand: str = "shop") -> list[LiveState]:
    return sorted(store.item_states(brand), key=lambda state: (state.item, state.group))


def buy(store: AnyStore) -> int:
    event = Entry(Record(ANNA, Kind.PERSON, NOON, NOON, Event("purchase", "MILK")))
    return store.submit([event]).result(timeout=30).last_sequence


def test_what_is_not_given_keeps_what_was_set(store: AnyStore) -> None:
    """Each field is set apart, in the order of the changes, in one batch and over batches."""
    change(store, StateChange("MILK", stock=3, price=1.5), StateChange("MILK", stock=2))
    change(store, StateChange("MILK", paused=True), StateChange("MILK", kill=True, stock=0))
    change(store, StateChange("MILK", paused=False))
    assert [LiveState("MILK", "", 0, 1.5, False, True)] == states(store)
    assert states(store) == [store.item_state("shop", "MILK")]


def test_a_reset_forgets_what_was_set_before(store: AnyStore) -> None:
    """After a reset the change's own fields say all; when they say nothing, there is no state any more."""
    change(store, StateChange("MILK", stock=3, kill=True), StateChange("TEA", paused=True))
    change(store, StateChange("MILK", price=2.0, reset=True), StateChange("TEA", reset=True))
    assert [LiveState("MILK", price=2.0)] == states(store)
    assert (store.item_state("shop", "TEA"), store.item_state("shop", "COFFEE")) == (None, None)


def test_an_item_a_group_and_another_brand_are_apart(store: AnyStore) -> None:
    """An item and a group of one name have states of their own, and so has each brand; prefixes do not mix."""
    change(store, StateChange("MILK", stock=1), StateChange("", "MILK", stock=2))
    change(store, StateChange("MILK", stock=3), brand="shop2")
    assert [LiveState("", "MILK", 2), LiveState("MILK", "", 1)] == states(store)
    assert ([LiveState("MILK", "", 3)], []) == (states(store, "shop2"), states(store, "sho"))
    assert store.item_state("shop", group="MILK") == LiveState("", "MILK", 2)


def test_every_change_has_a_version_and_a_record(store: AnyStore) -> None:
    """The version is the journal's sequence of the brand's last record; what changes nothing writes nothing."""
    assert (store.item_state_version("shop"), change(store)) == (0, 0)
    assert (buy(store), change(store, StateChange("MILK", stock=1)), buy(store)) == (1, 2, 3)
    assert change(store, StateChange("MILK", stock=1), StateChange("TEA", kill=False)) == 2
    assert change(store, StateChange("TEA", kill=True, paused=True)) == 4
    assert change(store, StateChange("TEA", kill=True), brand="shop2") == 5
    assert [store.item_state_version(brand) for brand in ("shop", "shop2", "shop3")] == [4, 5, 0]
    (sequence, record) = store.read_journal(3, 1)[0]
    body = ItemStates((LiveState("TEA", paused=True, kill=True),), before=2)
    assert (4, Record(brand_prefix("shop"), Kind.PERSON, NOON, NOON, body, "ops")) == (sequence, record)


def test_what_was_set_since_a_version_can_be_read(store: AnyStore) -> None:
    """From a version on only what was set after it is told, the later last; from 0 on all that is in force."""
    first = change(store, StateChange("MILK", stock=1), StateChange("TEA", stock=1))
    buy(store)
    change(store, StateChange("MILK", stock=2), brand="shop2")
    second = change(store, StateChange("MILK", stock=3))
    third = change(store, StateChange("MILK", reset=True))
    told = store.item_states_since("shop", first)
    assert (third, [LiveState("MILK", "", 3), LiveState("MILK")], False) == tuple(told)
    assert (third, [LiveState("MILK")], False) == tuple(store.item_states_since("shop", second))
    assert (third, [], False) == tuple(store.item_states_since("shop", third))
    for version in (0, third + 9):
        assert (third, [LiveState("TEA", "", 1)], True) == tuple(store.item_states_since("shop", version))


def test_large_batches_are_cut_into_records(store: AnyStore) -> None:
    """A batch is in force at once however large, in records of bounded size that all are told."""
    first = change(store, StateChange("MILK", stock=1))
    names = [f"I{number}" for number in range(2 * RECORD_STATES + 1)]
    assert change(store, *(StateChange(name, stock=5) for name in names)) == first + 3
    sizes = [len(record.body.states) for _, record in store.read_journal(1, 9) if isinstance(record.body, ItemStates)]
    assert sizes == [RECORD_STATES, RECORD_STATES, 1]
    told = store.item_states_since("shop", first)
    assert (names, False) == ([state.item for state in told.states], told.whole)


def test_live_states_are_in_no_profile_and_no_subject(store: AnyStore) -> None:
    """They are journalled and counted, the audit stays sound, and no profile and no subject's history has them."""
    buy(store)
    change(store, StateChange("MILK", kill=True))
    audit = store.audit()
    assert (audit.sound, audit.journalled["item_states"], audit.recorded["item_states"]) == (True, 1, 1)
    assert (audit.counted["item_states"], store.usage().records["item_states"], store.usage().subjects) == (0, 1, 1)
    assert (store.read_subject(brand_prefix("shop"), 0, 9), store.profile(brand_prefix("shop"))) == ([], None)


def test_states_cannot_come_as_feedback(store: AnyStore) -> None:
    """A record of live states among entries is refused like any poison: it would set nothing."""
    record = Record(brand_prefix("shop"), Kind.PERSON, NOON, NOON, ItemStates((LiveState("MILK", kill=True),)))
    assert list(store.submit([Entry(record)]).result(30).sequences) == [REFUSED]


def test_a_closed_store_sets_nothing(store: AnyStore) -> None:
    """After `close` a change is refused at once."""
    store.close()
    with pytest.raises(StoreBroken):
        change(store, StateChange("MILK", kill=True))


CHANGES = st.builds(
    lambda name, group, *rest: StateChange("" if group else name, name if group else "", *rest),
    st.sampled_from("AB"),
    st.booleans(),
    st.sampled_from([None, 0, 5]),
    st.sampled_from([None, 0.5]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, True, False]),
    st.booleans(),
)
STEPS = st.lists(st.tuples(st.sampled_from(["shop", "shop2"]), st.lists(CHANGES, max_size=5)), max_size=6)


def by_name(found: Any) -> dict[tuple[str, str], LiveState]:
    return {(state.item, state.group): state for state in found}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_both_stores_keep_the_same_states(steps: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any changes leave both stores alike; what was told since any version, put on what was known, is what is kept."""
    stores: list[AnyStore] = [open_store(tmp_path_factory.mktemp("store")), MemoryStore()]
    known: dict[int, dict[tuple[str, str], LiveState]] = {0: {}}
    for brand, changes in steps:
        assert change(stores[0], *changes, brand=brand) == change(stores[1], *changes, brand=brand)
        known[stores[0].item_state_version("shop")] = by_name(stores[0].item_states("shop"))
    assert stores[0].read_journal(0, 99) == stores[1].read_journal(0, 99)
    for one in stores:
        for version, before in known.items():
            told = one.item_states_since("shop", version)
            after = ({} if told.whole else before) | by_name(told.states)
            assert {n: s for n, s in after.items() if s != LiveState(*n)} == by_name(one.item_states("shop"))
    assert states(stores[0], "shop2") == states(stores[1], "shop2")
    stores[0].close()


def test_who_is_far_behind_reads_everything(tmp_path: Path) -> None:
    """After very many changes since a version all states are told instead."""
    with Store.open(tmp_path, map_size=64 << 20, allow_overlay=True) as store:
        first = change(store, StateChange("MILK", stock=0))
        waiting = [
            store.submit_item_states("shop", [StateChange("MILK", stock=number)], NOON)
            for number in range(1, MOST_RECORDS + 2)
        ]
        last = [one.result(30) for one in waiting][-1]
        assert (last, [LiveState("MILK", "", MOST_RECORDS + 1)], True) == tuple(store.item_states_since("shop", first))
        assert not store.item_states_since("shop", first + 1).whole

"""What only the real store can show of live item states: damage, a full disk, other processes, reopening."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from maitred_server.errors import RecordDamaged, StoreFull
from maitred_server.model import Entry, Event, Kind, LiveState, Record, StateChange
from maitred_server.store import Store
from maitred_server.store.env import Environment
from maitred_server.store.itemstate import stored_state_key, version_key
from maitred_server.store.keys import brand_prefix, sequence_key

NOON = 1_700_000_000_000
MIB = 1 << 20


def open_store(folder: Path) -> Store:
    return Store.open(folder, map_size=64 * MIB, allow_overlay=True)


def change(store: Store, *changes: StateChange) -> int:
    return store.submit_item_states("shop", changes, NOON).result(timeout=30)


def flip(folder: Path, database: bytes, key: bytes) -> None:
    """Flip one bit in the middle of a value of a closed store."""
    with lmdb.open(str(folder / "store"), max_dbs=24, map_size=64 * MIB) as env:
        handle = env.open_db(database, create=False)
        with env.begin(write=True) as txn:
            value = bytearray(txn.get(key, db=handle) or b"")
            value[len(value) // 2] ^= 1
            txn.put(key, bytes(value), db=handle)


@pytest.fixture
def two_states(tmp_path: Path) -> Path:
    """The folder of a closed store in which MILK was set twice, in records 1 and 3, and TEA once, in record 2."""
    with open_store(tmp_path) as store:
        change(store, StateChange("MILK", stock=5))
        change(store, StateChange("TEA", kill=True))
        change(store, StateChange("MILK", price=2.0))
    return tmp_path


def test_states_outlive_the_process(two_states: Path) -> None:
    """After reopening states and version are as they were, and unset fields keep what was set before."""
    with open_store(two_states) as store:
        assert (store.item_state_version("shop"), change(store, StateChange("MILK", paused=True))) == (3, 4)
        assert store.item_state("shop", "MILK") == LiveState("MILK", "", 5, 2.0, True, False)


def test_a_damaged_state_is_taken_from_the_journal(two_states: Path) -> None:
    """A kill whose stored form lost a bit is still known, counted as damaged, and kept by the next change."""
    flip(two_states, b"item_states", stored_state_key("shop", "TEA", ""))
    with open_store(two_states) as store:
        assert store.item_state("shop", "TEA") == LiveState("TEA", kill=True)
        assert LiveState("TEA", kill=True) in list(store.item_states("shop"))
        assert (store.audit().damaged, store.audit().sound) == (1, False)
        change(store, StateChange("TEA", stock=1))
        assert (store.item_state("shop", "TEA"), store.audit().sound) == (LiveState("TEA", "", 1, kill=True), True)


def test_a_damaged_record_makes_readers_read_everything(two_states: Path) -> None:
    """Who would need a damaged record to know what changed is told all states instead."""
    flip(two_states, b"journal", sequence_key(2))
    with open_store(two_states) as store:
        told = store.item_states_since("shop", 1)
        assert (told.version, told.whole) == (3, True)
        assert {LiveState("TEA", kill=True), LiveState("MILK", "", 5, 2.0)} == set(told.states)
        assert not store.item_states_since("shop", 2).whole


def test_what_is_damaged_twice_is_told(two_states: Path) -> None:
    """A state that neither the table nor the journal has any more raises RecordDamaged."""
    flip(two_states, b"item_states", stored_state_key("shop", "TEA", ""))
    flip(two_states, b"journal", sequence_key(2))
    with open_store(two_states) as store, pytest.raises(RecordDamaged):
        store.item_state("shop", "TEA")


def test_a_damaged_version_is_told_and_put_right_by_the_next_change(two_states: Path) -> None:
    """Readers are told of it, rather than of no change; a change finds the last record in the journal again."""
    with open_store(two_states) as store:
        store.submit([Entry(Record(brand_prefix("shop") + bytes(16), Kind.PERSON, NOON, NOON, Event("view")))]).result()
    flip(two_states, b"meta", version_key("shop"))
    with open_store(two_states) as store:
        with pytest.raises(RecordDamaged):
            store.item_state_version("shop")
        assert change(store, StateChange("TEA", kill=True)) == 3
        assert (store.item_state_version("shop"), change(store, StateChange("TEA", kill=False))) == (3, 5)
        assert len(store.item_states_since("shop", 1).states) == 3


def test_a_kill_goes_through_when_the_disk_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only kills may use the space that is kept for deletes; anything else is refused with StoreFull."""
    with open_store(tmp_path) as store:
        monkeypatch.setattr(Environment, "_disk_is_nearly_full", lambda self: True)
        with pytest.raises(StoreFull):
            change(store, StateChange("MILK", kill=True), StateChange("TEA", paused=True))
        assert change(store, StateChange("MILK", kill=True), StateChange("TEA", kill=True)) == 1


def test_two_processes_change_one_after_the_other(tmp_path: Path) -> None:
    """Two processes that set two fields of one item, and feedback beside them, lose nothing of each other."""
    script = (
        "import sys; from maitred_server.store import Store; from maitred_server.model import StateChange\n"
        "with Store.open(sys.argv[1], map_size=64 << 20, allow_overlay=True) as store:\n"
        "    for n in range(1, 51):\n"
        "        store.submit_item_states('shop', [StateChange('MILK', **{sys.argv[2]: n})], n).result(30)\n"
    )
    with open_store(tmp_path) as store:
        command = [sys.executable, "-c", script, str(tmp_path)]
        others = [subprocess.Popen([*command, field]) for field in ("stock", "price")]
        bought = Record(brand_prefix("shop") + bytes(16), Kind.PERSON, NOON, NOON, Event("purchase", "MILK"))
        for _ in range(20):
            store.submit([Entry(bought)]).result(30)
        assert [other.wait(60) for other in others] == [0, 0]
        assert store.item_state("shop", "MILK") == LiveState("MILK", "", 50, 50.0)
        told = store.item_states_since("shop", store.item_state_version("shop") - 1)
        audit = store.audit()
    assert (len(told.states), audit.sound, audit.journalled["item_states"]) == (1, True, 100)

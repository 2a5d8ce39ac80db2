"""Whose cached decisions must go, on disk: older stores, compaction, backups, damage."""

from __future__ import annotations

from pathlib import Path

import lmdb
import pytest
from maitred_server.model import Entry, Kind, Objection, Record
from maitred_server.store import Store, changes
from maitred_server.store.backup import back_up, restore
from maitred_server.store.changes import LONGEST_MS, MOST_KEPT, Mark, is_known, new_mark, position_at
from maitred_server.store.compaction import compact
from maitred_server.store.keys import brand_prefix, subject_tag
from maitred_server.store.retention import Keeping

NOON = 1_700_000_000_000
ANNA = brand_prefix("shop") + b"anna".ljust(16)
MAP = 64 << 20


def open_store(folder: Path, read_only: bool = False) -> Store:
    return Store.open(folder, map_size=MAP, allow_overlay=True, read_only=read_only)


def put(store: Store, count: int = 1, at: int = NOON) -> int:
    """So many objections; the position after them."""
    record = Record(ANNA, Kind.PERSON, at, at, Objection("MILK"))
    store.submit([Entry(record)] * count).result()
    return store.subject_changes(0).position


def as_of_before(folder: Path) -> None:
    """Make it a store of a version that kept no changes."""
    with lmdb.open(str(folder / "store"), max_dbs=64, map_size=MAP) as env, env.begin(write=True) as txn:
        txn.drop(env.open_db(b"changes", txn), delete=True)
        txn.delete(b"changes", db=env.open_db(b"meta", txn))


def told(store: Store, position: int) -> list[tuple[bytes, ...]]:
    found = store.subject_changes(position)
    assert not found.whole
    return [change.tags for change in found.changes]


def test_an_older_store_is_read_as_it_is(tmp_path: Path) -> None:
    """Opened to read only it has no changes, and is backed up all the same."""
    with open_store(tmp_path / "data") as store:
        put(store)
    as_of_before(tmp_path / "data")
    with open_store(tmp_path / "data", read_only=True) as store:
        assert store.subject_changes(0).changes == []
        assert store.usage().subjects == 1
    assert back_up(tmp_path / "data", tmp_path / "backup", MAP, True).subjects == 1


def test_an_older_store_begins_to_keep_changes(tmp_path: Path) -> None:
    """From its first opening on; what was before is known to nobody."""
    with open_store(tmp_path) as store:
        before = put(store)
    as_of_before(tmp_path)
    with open_store(tmp_path) as store:
        position = store.subject_changes(0).position
        put(store)
        assert told(store, position) == [(subject_tag(ANNA),)]
        assert store.subject_changes(before).whole is True


def test_positions_outlive_a_restart_and_a_compaction(tmp_path: Path) -> None:
    """A client goes on where it was."""
    with open_store(tmp_path) as store:
        position = put(store)
        put(store)
    compact(tmp_path, MAP, True)
    with open_store(tmp_path) as store:
        put(store)
        assert told(store, position) == [(subject_tag(ANNA),)] * 2


def test_positions_mean_nothing_after_a_backup_was_put_back(tmp_path: Path) -> None:
    """The same sequences mean other records then: whoever asks from before begins anew."""
    with open_store(tmp_path / "data") as store:
        position = put(store)
    back_up(tmp_path / "data", tmp_path / "backup", MAP, True)
    restore(tmp_path / "data", tmp_path / "backup", replace=True, map_size=MAP, allow_overlay=True)
    with open_store(tmp_path / "data") as store:
        assert store.subject_changes(position).whole is True
        position = store.subject_changes(0).position
        put(store)
        assert told(store, position) == [(subject_tag(ANNA),)]


def test_a_damaged_change_means_everything(tmp_path: Path) -> None:
    """What cannot be read may have been about anybody."""
    with open_store(tmp_path) as store:
        position = put(store)
        put(store)
    with lmdb.open(str(tmp_path / "store"), max_dbs=64, map_size=MAP) as env, env.begin(write=True) as txn:
        database = env.open_db(b"changes", txn)
        for key, _ in list(txn.cursor(db=database)):
            txn.put(key, b"rubbish", db=database)
    with open_store(tmp_path) as store:
        assert store.subject_changes(position).whole is True


def test_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the bound the oldest go, some at once, and a position from before is not known any more."""
    monkeypatch.setattr(changes, "MOST_KEPT", 10)
    monkeypatch.setattr(changes, "PRUNED_AT_ONCE", 3)
    with open_store(tmp_path) as store:
        positions = [put(store) for _ in range(20)]
        store.keep(Keeping({}, LONGEST_MS), NOON)
        assert len(told(store, positions[9])) == 10
        assert store.subject_changes(positions[8]).whole is True


def test_many_at_once_are_kept_whole(tmp_path: Path) -> None:
    """Below the bounds nothing goes."""
    with open_store(tmp_path) as store:
        position = put(store)
        put(store, 500)
        store.keep(Keeping({}, LONGEST_MS), NOON + LONGEST_MS)
        assert len(told(store, position)) == 500
    assert MOST_KEPT == 100_000


def test_a_position_is_of_one_store() -> None:
    """Of another store, from before what is kept, or of the future, it is not known."""
    mark = new_mark(7)
    assert [is_known(mark, position_at(mark, sequence), 9) for sequence in (6, 7, 9, 10)] == [False, True, True, False]
    other = Mark(mark.store + 1, mark.gone_through)
    assert is_known(other, position_at(mark, 8), 9) is False

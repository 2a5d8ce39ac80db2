"""What only the real store can show of merged subjects: damage, several processes' order, what is on disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest
from maitred_server.errors import RecordDamaged
from maitred_server.model import Entry, Event, Kind, Merge, Record
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix

NOON = 1_700_000_000_000
MIB = 1 << 20
ANNA, BERT, CARL = (brand_prefix("shop") + name.ljust(16) for name in (b"anna", b"bert", b"carl"))


def open_store(folder: Path, **options: Any) -> Store:
    return Store.open(folder, **{"map_size": 64 * MIB, "allow_overlay": True, **options})


def viewed(subject: bytes) -> Entry:
    return Entry(Record(subject, Kind.PERSON, NOON, NOON, Event("view", "MILK")))


def merged(subject: bytes, other: bytes) -> Entry:
    return Entry(Record(subject, Kind.PERSON, NOON, NOON, Merge(other)))


def put(store: Store, *entries: Entry) -> None:
    assert min(store.submit(entries).result(30).sequences) > 0


def edit(folder: Path, database: bytes, change: Callable[[Any, Any], None]) -> None:
    """Change a closed store behind its back."""
    with lmdb.open(str(folder / "store"), max_dbs=32, map_size=64 * MIB) as env:
        handle = env.open_db(database, create=False)
        with env.begin(write=True) as txn:
            change(txn, handle)


def flip(folder: Path, key: bytes, at: int) -> None:
    """Flip one bit of what is stored under a subject's key."""

    def change(txn: Any, handle: Any) -> None:
        value = bytearray(txn.get(key, db=handle))
        value[at] ^= 1
        txn.put(key, bytes(value), db=handle)

    edit(folder, b"profiles", change)


@pytest.mark.parametrize("damaged", [ANNA, BERT], ids=["profile", "pointer"])
@pytest.mark.parametrize("at", [0, 4, 5, -1], ids=["checksum", "mark", "mark's end", "end"])
def test_a_damaged_subject_is_made_anew_from_all_its_keys(tmp_path: Path, damaged: bytes, at: int) -> None:
    """Wherever the bit flips: reading says so, and the next record mends profile and pointer from the journal."""
    with open_store(tmp_path) as store:
        put(store, viewed(ANNA), viewed(BERT), merged(ANNA, BERT), viewed(BERT), viewed(CARL))
    flip(tmp_path, damaged, at)
    with open_store(tmp_path) as store:
        with pytest.raises(RecordDamaged):
            store.find(damaged)
        assert store.audit().damaged == 1
        put(store, viewed(damaged))
        found = store.find(BERT)
        assert found is not None
        assert (found.subject, found.profile.totals["event"], found.profile.totals["merge"]) == (ANNA, 4, 1)
        assert store.audit().sound


def test_a_damaged_subject_can_be_merged_parted_and_forgotten(tmp_path: Path) -> None:
    """What is done to a subject does not depend on what is stored of it being whole."""
    with open_store(tmp_path) as store:
        put(store, viewed(ANNA), viewed(BERT), merged(ANNA, BERT), viewed(CARL))
    acts: list[Callable[[Store], object]] = [
        lambda store: put(store, merged(CARL, BERT)),
        lambda store: store.unmerge(ANNA, BERT, NOON).result(30),
        lambda store: store.delete(BERT, NOON).result(30),
    ]
    for number, act in enumerate(acts):
        flip(tmp_path, BERT, -1)
        with open_store(tmp_path) as store:
            act(store)
            assert (number, store.audit().sound) == (number, True)
            assert (store.find(BERT) is None) == (number == 2)


def test_two_processes_agree_on_who_is_who(tmp_path: Path) -> None:
    """A writer finds the merge of another in its own next transaction."""
    with open_store(tmp_path) as store:
        put(store, viewed(ANNA), viewed(BERT))
        command = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_merged import *
with open_store(Path({str(tmp_path)!r})) as other:
    put(other, merged(ANNA, BERT))
"""
        subprocess.run([sys.executable, "-c", command], check=True, timeout=60)
        put(store, viewed(BERT))
        assert [one.addressed for _, one in store.read_journal(3, 1)] == [BERT]
        found = store.find(BERT)
        assert found is not None
        assert (found.subject, found.profile.totals["event"]) == (ANNA, 3)


def test_the_names_of_a_subject_are_in_one_place_each(tmp_path: Path) -> None:
    """After a deletion no key of the subject is in any database but as a tombstone and in the deletion's record."""
    with open_store(tmp_path) as store:
        put(store, viewed(ANNA), viewed(BERT), merged(ANNA, BERT), viewed(CARL), merged(BERT, CARL))
        store.unmerge(BERT, CARL, NOON).result(30)
        store.delete(BERT, NOON).result(30)
        env = store._env
        with env.reading() as txn:
            named = [
                name
                for name, database in zip(env.databases._fields, env.databases, strict=True)
                for key, value in txn.cursor(db=database)
                if any(one[-16:] in key or one[-16:] in value for one in (ANNA, BERT))
            ]
        assert sorted(set(named)) == ["by_subject", "journal", "tombstones"]
        assert named.count("journal") == 1

"""What erasing a subject means: the same over the real store and its twin in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from maitred_server.model import Entry, Event, Kind, Merge, Record, Sequenced, Trait, Traits
from maitred_server.store import DUPLICATE, FORGOTTEN, AnyStore, MemoryStore, Store
from maitred_server.store.keys import brand_prefix, client_key

NOON = 1_700_000_000_000
WEB = client_key("shop", "web")
ANNA, BERT = (brand_prefix("shop") + name.ljust(16) for name in (b"anna", b"bert"))


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    made: AnyStore = (
        Store.open(tmp_path, map_size=64 << 20, allow_overlay=True) if request.param == "lmdb" else MemoryStore()
    )
    yield made
    assert made.audit().sound
    made.close()


def viewed(subject: bytes = ANNA, at: int = NOON, since: int | None = None, number: int = 0) -> Entry:
    record = Record(subject, Kind.PERSON, at, at, Event("view", "MILK"))
    return Entry(record, Sequenced(WEB, 1, number) if number else None, since)


def put(store: AnyStore, *entries: Entry) -> list[int]:
    return list(store.submit(entries).result(30).sequences)


def told(store: AnyStore, erasure_id: str) -> dict[str, tuple[int, int]]:
    erasure = store.erasure(erasure_id)
    assert erasure is not None
    return {one.name: (one.records, one.done_at) for one in erasure.stores}


def test_feedback_with_a_receipt_of_before_is_refused(store: AnyStore) -> None:
    """A receipt's sequence decides, whatever the clocks say: below the tombstone's it is refused, from there on not."""
    put(store, viewed(), viewed())
    assert store.delete(ANNA, NOON).result(30).sequence == 3
    assert put(store, viewed(at=NOON + 9, since=2), viewed(at=NOON - 9, since=3)) == [FORGOTTEN, 4]
    assert [sequence for sequence, _ in store.read_subject(ANNA, 0, 9)] == [3, 4]


def test_feedback_without_a_receipt_is_refused_by_its_own_time(store: AnyStore) -> None:
    """What happened before the erasure stays away however late it comes; what happens after begins a new profile."""
    put(store, viewed())
    store.delete(ANNA, NOON).result(30)
    assert put(store, viewed(at=NOON - 1), viewed(at=NOON)) == [FORGOTTEN, 3]
    profile = store.profile(ANNA)
    assert profile is not None
    assert (profile.totals["event"], profile.sequence) == (1, 3)


def test_a_resend_is_no_second_chance(store: AnyStore) -> None:
    """An event that was counted before the erasure is still known as received; a late one that was refused, too."""
    put(store, viewed(number=1))
    store.delete(ANNA, NOON + 9).result(30)
    assert put(store, viewed(number=1), viewed(number=2)) == [DUPLICATE, FORGOTTEN]
    assert put(store, viewed(number=2)) == [DUPLICATE]
    assert store.profile(ANNA) is None


def test_other_subjects_are_not_held_up(store: AnyStore) -> None:
    """In one batch with what is refused, others' events are kept."""
    store.delete(ANNA, NOON).result(30)
    assert put(store, viewed(at=1), viewed(BERT, at=1), viewed(BERT, since=0)) == [FORGOTTEN, 2, 3]


def test_all_that_was_merged_goes_and_stays_away(store: AnyStore) -> None:
    """Every key of the subject is forgotten, and late feedback under each of them is refused."""
    put(store, viewed(), viewed(BERT), Entry(Record(ANNA, Kind.PERSON, NOON, NOON, Merge(BERT))))
    deleted = store.delete(BERT, NOON).result(30)
    assert told(store, deleted.erasure.erasure_id)["aliases"] == (1, NOON)
    assert [store.find(key) for key in (ANNA, BERT)] == [None, None]
    assert put(store, viewed(since=3), viewed(BERT, since=3)) == [FORGOTTEN, FORGOTTEN]
    assert (store.members(ANNA), store.members(BERT)) == ([ANNA], [BERT])


def test_a_late_merge_brings_nobody_back(store: AnyStore) -> None:
    """A merge of before the erasure of either side is refused."""
    put(store, viewed(), viewed(BERT))
    store.delete(BERT, NOON + 5).result(30)
    late = Entry(Record(ANNA, Kind.PERSON, NOON, NOON, Merge(BERT)))
    assert put(store, late) == [FORGOTTEN]
    assert store.members(ANNA) == [ANNA]


def test_the_record_says_what_went_and_names_nobody(store: AnyStore) -> None:
    """An erasure's record has its stores, counts and times; what the learner and the disk have to do is still open."""
    traits = Entry(Record(ANNA, Kind.PERSON, NOON, NOON, Traits((Trait("age", 3.0),))))
    put(store, viewed(), viewed(), traits)
    deleted = store.delete(ANNA, NOON).result(30)
    assert (len(deleted.erasure.erasure_id), deleted.erasure.erased_at) == (32, NOON)
    known = told(store, deleted.erasure.erasure_id)
    assert {name: records for name, (records, _) in known.items()} == {
        "profile": 1,
        "history": 3,
        "aliases": 0,
        "learned": 4,
        "disk": 4,
    }
    assert [known[name][1] for name in ("profile", "history", "aliases", "learned")] == [NOON, NOON, NOON, 0]
    assert b"anna" not in bytes.fromhex(deleted.erasure.erasure_id)


def test_what_was_never_learned_is_learned_at_once(store: AnyStore) -> None:
    """Nothing is left to subtract when nothing counted; a subject that is not there can be erased, too."""
    erasure = store.delete(ANNA, NOON).result(30).erasure
    assert {name: records for name, (records, _) in told(store, erasure.erasure_id).items()} == dict.fromkeys(
        ("profile", "history", "aliases", "learned", "disk"), 0
    )
    assert told(store, erasure.erasure_id)["learned"] == (0, NOON)
    assert store.erasure("00" * 16) is None


def test_the_learner_is_told_what_to_subtract(store: AnyStore) -> None:
    """In one moment of the store the learner gets what went, in numbers alone, and the records that are left."""
    put(store, viewed(), viewed(BERT))
    store.delete(ANNA, NOON).result(30)
    changes = store.read_changes(0, 10, 0)
    lost = [(note.number, one.sequence, one.brand, len(one.counted)) for note in changes.notes for one in note.lost]
    assert lost == [(1, 1, "shop", 2)]
    assert ([sequence for sequence, _ in changes.records], changes.through) == ([2, 3], 3)
    assert store.read_changes(3, 10, 1) == ([], [], 3)


def test_erasing_again_is_no_error(store: AnyStore) -> None:
    """Whoever came back can be forgotten again; an earlier clock does not move the tombstone's time back."""
    first = store.delete(ANNA, NOON).result(30)
    second = store.delete(ANNA, NOON - 100).result(30)
    assert (first.existed, second.existed, second.sequence) == (False, False, 2)
    assert store.tombstone(ANNA) == (2, NOON)
    answers: list[Any] = put(store, viewed(at=NOON - 50))
    assert answers == [FORGOTTEN]

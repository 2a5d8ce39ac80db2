"""Every store means the same: one suite over the real one and its twin in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maitred_server.errors import StoreBroken
from maitred_server.model import (
    BODY_NAMES,
    Deletion,
    Entry,
    Event,
    EventId,
    Exposure,
    Foreign,
    Item,
    Kind,
    Outcome,
    Reason,
    Record,
    Sequenced,
    Shown,
    Trait,
    Traits,
)
from maitred_server.store import DUPLICATE, REFUSED, AnyStore, MemoryStore, Profile, Store, Tombstone
from maitred_server.store.keys import (
    EXPOSURE_TYPE,
    NO_ITEM_KEY,
    action_key,
    brand_prefix,
    client_key,
    group_key,
    item_key,
    outcome_type,
    type_code,
)

NOON = 1_700_000_000_000
ANNA = brand_prefix("shop") + b"anna".ljust(16)
BERT = brand_prefix("shop") + b"bert".ljust(16)
TILL = client_key("shop", "till-1")
NONE_OF_ANY = dict.fromkeys(BODY_NAMES.values(), 0)


def open_store(folder: Path) -> AnyStore:
    return Store.open(folder, map_size=64 << 20, allow_overlay=True)


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    made: AnyStore = open_store(tmp_path) if request.param == "lmdb" else MemoryStore()
    yield made
    made.close()


def record(body: Any, subject: bytes = ANNA, at: int = NOON) -> Record:
    return Record(subject, Kind.HOUSEHOLD, at, at, body)


def bought(item: str = "MILK", subject: bytes = ANNA, at: int = NOON, value: float = 1.5) -> Record:
    return record(Event("purchase", item, "", ("DAIRY",), value, 2), subject, at)


def shown(*items: str) -> Record:
    slots = tuple(
        Shown(n, item, "big", ("DAIRY",), 0.5, None, 1.0, Reason.POPULAR) for n, item in enumerate(items, start=1)
    )
    return record(Exposure("d1", "till", 1, slots, "popular", Reason.POPULAR, (), "c1", "s1", NOON, 7, 0))


def numbered(sequence: int, body: Record, epoch: int = 1) -> Entry:
    return Entry(body, Sequenced(TILL, epoch, sequence))


def foreign(at: int, tail: int, brand: str = "shop") -> Foreign:
    return Foreign(brand, at.to_bytes(6, "big") + tail.to_bytes(10, "big"))


def put(store: AnyStore, *entries: Entry) -> list[int]:
    return list(store.submit(entries).result(timeout=30).sequences)


def kept(store: AnyStore, subject: bytes = ANNA) -> Profile:
    profile = store.profile(subject)
    assert profile is not None
    return profile


def test_sequences_are_given_in_order_without_gaps(store: AnyStore) -> None:
    """Entries get 1, 2, 3 ... over all subjects, and the journal reads back what was written."""
    first = store.submit([Entry(bought()), Entry(bought(subject=BERT))]).result(timeout=30)
    second = store.submit([Entry(bought("BREAD"))]).result(timeout=30)
    assert [tuple(first.sequences), tuple(second.sequences)] == [(1, 2), (3,)]
    assert (first.last_sequence, second.last_sequence, store.last_sequence()) == (2, 3, 3)
    assert [(2, bought(subject=BERT)), (3, bought("BREAD"))] == store.read_journal(after=1, limit=10)


def test_an_empty_batch_commits_nothing(store: AnyStore) -> None:
    """A batch without entries is answered, and no sequence is spent."""
    assert (tuple(store.submit([]).result(timeout=30).sequences), store.last_sequence()) == ((), 0)


def test_a_resend_counts_once(store: AnyStore) -> None:
    """The same event id in the same batch, and in a later one, is a duplicate; another epoch is another event."""
    assert put(store, numbered(5, bought()), numbered(5, bought())) == [1, DUPLICATE]
    assert put(store, numbered(5, bought()), numbered(4, bought()), numbered(5, bought(), epoch=2)) == [DUPLICATE, 2, 3]
    assert kept(store).totals["event"] == 3


def test_what_is_older_than_the_window_counts_as_received(store: AnyStore) -> None:
    """Of the 1,024 below the highest the store knows each; below them everything is a duplicate."""
    assert put(store, numbered(2_000, bought()), numbered(976, bought()), numbered(975, bought())) == [1, 2, DUPLICATE]


def test_foreign_ids_are_remembered_until_they_are_forgotten(store: AnyStore) -> None:
    """A foreign id is recognised, apart by brand, until it is older than the moment before which all are forgotten."""
    old, young = foreign(NOON, 1), foreign(NOON + 5, 1)
    assert put(store, *(Entry(bought(), one) for one in (old, young, foreign(NOON, 1, "other"), old))) == [
        1,
        2,
        3,
        DUPLICATE,
    ]
    assert store.forget_foreign(NOON + 5).result(timeout=30) == 2
    assert store.seen([old, young]) == [False, True]


def test_seen_and_acknowledged_through(store: AnyStore) -> None:
    """`seen` tells what is durable; `acknowledged_through` stops before the first hole."""
    put(store, *(numbered(n, bought()) for n in (1, 2, 4)))
    ids: list[EventId] = [Sequenced(TILL, 1, n) for n in (2, 3, 4, 5)]
    assert store.seen(ids) == [True, False, True, False]
    assert (store.acknowledged_through(TILL, 1), store.acknowledged_through(TILL, 2)) == (2, 0)


def test_an_event_counts_for_action_item_and_groups(store: AnyStore) -> None:
    """One purchase counts once for its action, its item and its group, with value, quantity and times."""
    put(store, Entry(bought(at=NOON)), Entry(bought(at=NOON + 9, value=2.0)))
    keys = np.array([action_key("MILK", ""), item_key("MILK"), group_key("DAIRY"), item_key("TEA")], np.uint64)
    profile = kept(store)
    assert profile.count("purchase", keys).tolist() == [2, 2, 2, 0]
    assert profile.value("purchase", keys).tolist() == [3.5, 3.5, 3.5, 0.0]
    assert profile.quantity("purchase", keys).tolist() == [4, 4, 4, 0]
    assert profile.first("purchase", keys).tolist() == [NOON, NOON, NOON, 0]
    assert profile.last("purchase", keys).tolist() == [NOON + 9, NOON + 9, NOON + 9, 0]
    assert profile.count("view", keys).tolist() == [0, 0, 0, 0]


def test_exposures_and_outcomes_have_counters_of_their_own(store: AnyStore) -> None:
    """A shown slot counts as an exposure, an outcome apart from an event of its name, an itemless event for none."""
    outcome = record(Outcome("purchase", 1.0, "MILK", "big", ("DAIRY",), "d1"))
    put(store, Entry(shown("MILK", "TEA")), Entry(outcome), Entry(record(Event("call"))))
    profile, dairy = kept(store), np.array([group_key("DAIRY")], np.uint64)
    assert profile.count(EXPOSURE_TYPE, dairy).tolist() == [2]
    assert profile.count(outcome_type("purchase"), dairy).tolist() == [1]
    assert profile.count("purchase", dairy).tolist() == [0]
    assert profile.count("call", np.array([NO_ITEM_KEY], np.uint64)).tolist() == [1]
    names = {store.type_name(int(code)) for code in profile.counters().types}
    assert ({"exposure", "outcome.purchase", "call"}, None) == (names, store.type_name(type_code("never")))


def test_totals_and_times(store: AnyStore) -> None:
    """A profile knows how many records of each kind it holds, when the subject was seen, and its last sequence."""
    put(
        store, Entry(shown("MILK")), Entry(bought(at=NOON + 7)), Entry(bought(subject=BERT)), Entry(bought(at=NOON - 7))
    )
    profile = kept(store)
    expected = {**NONE_OF_ANY, "exposure": 1, "event": 2}
    assert (expected, NOON - 7, NOON + 7, 4, Kind.HOUSEHOLD) == (
        profile.totals,
        profile.first_seen,
        profile.last_seen,
        profile.sequence,
        profile.kind,
    )


def test_the_newest_observation_of_a_trait_wins(store: AnyStore) -> None:
    """By time of observation, then by sequence; a removal holds against an older observation that comes late."""

    def observed(value: str | None, at: int, name: str = "city") -> Entry:
        return Entry(record(Traits((Trait(name, value, observed_at=at),))))

    put(store, observed("Rome", 10), observed("Oslo", 5), observed("Bern", 10))
    assert {name: trait.value for name, trait in kept(store).traits.items()} == {"city": "Bern"}
    put(store, observed(None, 20), observed("Paris", 15), observed("x", 1, "other"))
    assert {name: trait.value for name, trait in kept(store).traits.items()} == {"other": "x"}


@pytest.mark.parametrize(
    "poison",
    [
        bought(at=-1),
        bought(value=float("inf")),
        bought(value=float("nan")),
        record(Event("purchase", quantity=-1)),
        record(Deletion()),
        record(Event("\ud800")),
    ],
    ids=["time", "infinite", "nan", "quantity", "deletion", "text"],
)
def test_a_poison_entry_costs_itself_only(store: AnyStore, poison: Record) -> None:
    """An entry that cannot be applied is refused alone; the others commit, and its sequence and id are not spent."""
    batch = [numbered(1, bought()), numbered(2, poison), numbered(3, bought("TEA"))]
    assert put(store, *batch) == [1, REFUSED, 2]
    assert put(store, *batch) == [DUPLICATE, REFUSED, DUPLICATE]
    assert (
        store.seen([Sequenced(TILL, 1, n) for n in (1, 2, 3)]),
        kept(store).totals["event"],
    ) == ([True, False, True], 2)


def test_a_marked_batch_counts_once_as_a_whole(store: AnyStore) -> None:
    """A batch whose mark is known is all duplicates; the mark is remembered though entries of it were refused."""
    batch = [Entry(bought(at=-1)), Entry(bought())]
    assert store.submit(batch, mark=Sequenced(TILL, 1, 1)).result(30).sequences == [REFUSED, 1]
    assert store.submit(batch, mark=Sequenced(TILL, 1, 1)).result(30) == ([DUPLICATE, DUPLICATE], 0)
    assert store.submit([Entry(bought("TEA"))], mark=Sequenced(TILL, 1, 2)).result(30).sequences == [2]
    assert store.submit([], mark=Sequenced(TILL, 1, 3)).result(30).sequences == []
    assert (kept(store).totals["event"], store.acknowledged_through(TILL, 1)) == (2, 3)


def test_a_deletion_forgets_all_but_that_it_was(store: AnyStore) -> None:
    """Profile and records go, other subjects stay; a deletion record and a tombstone are written, sequences go on."""
    put(store, Entry(bought()), Entry(bought(subject=BERT)), Entry(bought("TEA")))
    first, second = store.delete(ANNA, 9).result(30), store.delete(ANNA, 10).result(30)
    assert (first[:2], second[:2]) == ((4, True), (5, False))
    assert (None, Tombstone(5, 10), None) == (store.profile(ANNA), store.tombstone(ANNA), store.tombstone(BERT))
    assert [(5, Record(ANNA, Kind.PERSON, 10, 10, Deletion()))] == store.read_subject(ANNA, 0, 10)
    assert [sequence for sequence, _ in store.read_journal(0, 10)] == [2, 5]
    assert put(store, Entry(bought())) == [6]
    assert kept(store).totals["event"] == 1


def test_journal_and_subject_are_read_in_pages(store: AnyStore) -> None:
    """A reader that goes on from its last sequence meets every record once."""
    put(store, *(Entry(bought(subject=(ANNA, BERT)[n % 2])) for n in range(10)))
    pages = [[s for s, _ in store.read_journal(after, 4)] for after in (0, 4, 8, 10)]
    assert pages == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]
    assert [[s for s, _ in store.read_subject(ANNA, *page)] for page in ((0, 2), (3, 9))] == [[1, 3], [5, 7, 9]]


def test_items_belong_to_a_brand(store: AnyStore) -> None:
    """Items are added and replaced by id; `replace_all` takes out the brand's others and no other brand's."""
    store.submit_items("shop", [Item("MILK"), Item("TEA")]).result(30)
    store.submit_items("shop2", [Item("MILK")]).result(30)
    store.submit_items("shop", [Item("TEA", ("HOT",))]).result(30)
    assert [Item("MILK"), Item("TEA", ("HOT",))] == sorted(store.items("shop"), key=lambda item: item.id)
    store.submit_items("shop", [Item("SOUP")], replace_all=True).result(30)
    assert ([Item("SOUP")], [Item("MILK")]) == (list(store.items("shop")), list(store.items("shop2")))


def test_usage_and_audit_agree(store: AnyStore) -> None:
    """Records by kind are the same by the running counters, by a scan of the journal and by the profiles' totals."""
    put(store, *(Entry(bought(f"I{n}", (ANNA, BERT)[n % 2])) for n in range(9)), Entry(shown("MILK", "TEA")))
    store.delete(BERT, NOON).result(30)
    audit, usage = store.audit(), store.usage()
    assert audit.sound
    assert audit.journalled == {**NONE_OF_ANY, "exposure": 1, "event": 5, "deletion": 1}
    assert (audit.journalled, audit.journalled, 0) == (audit.recorded, usage.records, audit.damaged)
    assert {**audit.journalled, "deletion": 0} == audit.counted
    assert (usage.subjects, usage.last_sequence) == (1, 11)


def test_statistics_count_what_was_done(store: AnyStore) -> None:
    """Durable entries, duplicates and refusals are counted."""
    put(store, numbered(1, bought()), numbered(1, bought()), numbered(2, bought(at=-1)), numbered(3, bought()))
    did = store.statistics()
    assert (did.groups, did.entries, did.duplicates, did.refused) == (1, 2, 1, 1)


def test_maintenance_forgets_old_foreign_ids(store: AnyStore) -> None:
    """`maintain` forgets what is older than its moment."""
    put(store, Entry(bought(), foreign(NOON, 1)))
    store.maintain(NOON + 1)
    assert store.seen([foreign(NOON, 1)]) == [False]


def test_a_closed_store_takes_nothing(store: AnyStore) -> None:
    """After `close` the store is not healthy, and a batch is refused at once."""
    assert store.healthy
    store.close()
    assert not store.healthy
    with pytest.raises(StoreBroken):
        store.submit([Entry(bought())])


BODIES = st.one_of(
    st.builds(
        Event,
        st.sampled_from(["view", "purchase"]),
        st.sampled_from(["", "A", "B"]),
        st.sampled_from(["", "v"]),
        st.sampled_from([(), ("G",), ("G", "H")]),
        st.sampled_from([0.0, 0.5, 2.0]),
        st.integers(-1, 3),
    ),
    st.builds(
        lambda name, value, at: Traits((Trait(name, value, observed_at=at),)),
        st.sampled_from("xy"),
        st.sampled_from(["1", "2", None]),
        st.integers(0, 3),
    ),
)
RECORDS = st.builds(record, BODIES, st.sampled_from([ANNA, BERT]), st.integers(NOON - 5 * 86_400_000, NOON))
ENTRIES = st.builds(
    Entry,
    RECORDS,
    st.one_of(
        st.none(),
        st.builds(Sequenced, st.just(TILL), st.just(1), st.integers(1, 1_200)),
        st.builds(foreign, st.integers(1, 3), st.integers(1, 2)),
    ),
)
STEPS = st.lists(st.one_of(st.lists(ENTRIES, max_size=8), st.sampled_from([ANNA, BERT])), max_size=6)


def visible(store: AnyStore, subject: bytes) -> Any:
    profile = store.profile(subject)
    if profile is None:
        return None
    table = sorted(zip(*(column.tolist() for column in profile.counters()), strict=True))
    return profile.totals, profile.traits, profile.sequence, profile.recent(), table


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_both_stores_answer_alike(steps: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any batches and deletions leave the real store and its twin with the same answers, journals and profiles."""
    stores: list[AnyStore] = [open_store(tmp_path_factory.mktemp("store")), MemoryStore()]

    def run(one: AnyStore, step: Any) -> Any:
        if isinstance(step, bytes):
            return one.delete(step, 9).result(30)[:2]
        return one.submit(step).result(30)

    answers = [[tuple(run(one, step)) for step in steps] for one in stores]
    assert answers[0] == answers[1]
    assert stores[0].read_journal(0, 1_000) == stores[1].read_journal(0, 1_000)
    assert [visible(stores[0], who) for who in (ANNA, BERT)] == [visible(stores[1], who) for who in (ANNA, BERT)]
    assert stores[0].audit() == stores[1].audit()
    stores[0].close()


def test_entries_may_be_made_when_their_turn_comes(store: AnyStore) -> None:
    """What `make` gives is durable as if it had been handed in, after what was handed in before."""
    entries = [Entry(Record(ANNA, Kind.PERSON, NOON, NOON, Event("view", str(number)))) for number in range(3)]
    first = store.submit(entries[:1])
    later = store.submit_made(2, lambda: entries[1:])
    assert list(first.result(10).sequences) == [1]
    assert list(later.result(10).sequences) == [2, 3]
    assert [record for _, record in store.read_journal(0, 10)] == [entry.record for entry in entries]


def test_a_batch_that_cannot_be_made_costs_itself(store: AnyStore) -> None:
    """What `make` raises is what its future raises; the batches around it are kept."""

    def fail() -> list[Entry]:
        raise ValueError("no entries")

    entry = Entry(Record(ANNA, Kind.PERSON, NOON, NOON, Event("view")))
    futures = [store.submit([entry]), store.submit_made(5, fail), store.submit_made(1, lambda: [entry])]
    with pytest.raises(ValueError, match="no entries"):
        futures[1].result(10)
    assert [list(future.result(10).sequences) for future in (futures[0], futures[2])] == [[1], [2]]

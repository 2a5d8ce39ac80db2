"""How much is kept of a subject and for how long: the same over the real store and its twin in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maitred_server.model import (
    Consent,
    Consents,
    ConsentState,
    Entry,
    Event,
    Exposure,
    Kind,
    Merge,
    Outcome,
    Reason,
    Record,
    Shown,
    Trait,
    Traits,
)
from maitred_server.store import AnyStore, Keeping, MemoryStore, Profile, Store
from maitred_server.store.keys import brand_prefix
from maitred_server.subjects.history import as_of

DAY = 86_400_000
NOON = 1_700_000_000_000
ANNA, BERT, VISIT = (brand_prefix("shop") + name.ljust(16) for name in (b"anna", b"bert", b"visit"))
FOREVER = Keeping({}, 1_000 * DAY)

Opener: TypeAlias = Callable[[int], AnyStore]


@pytest.fixture(params=["lmdb", "memory"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    made: list[AnyStore] = []

    def open_store(most: int) -> AnyStore:
        lmdb = request.param == "lmdb"
        store: AnyStore = opened(tmp_path, most) if lmdb else MemoryStore(history_records=most)
        made.append(store)
        return store

    yield open_store
    for store in made:
        assert store.audit().sound
        store.close()


def opened(folder: Path, most: int) -> Store:
    return Store.open(folder, map_size=64 << 20, allow_overlay=True, history_records=most)


def record(body: Any, subject: bytes = ANNA, at: int = NOON) -> Record:
    return Record(subject, Kind.SESSION if subject == VISIT else Kind.PERSON, at, at, body)


def event(type_: str, subject: bytes = ANNA, at: int = NOON) -> Record:
    return record(Event(type_, "MILK"), subject, at)


def outcome(type_: str, at: int = NOON) -> Record:
    return record(Outcome(type_, 1.0, "MILK", "", (), "d1"), at=at)


def exposure(at: int = NOON) -> Record:
    shown = (Shown(0, "MILK", "", (), 1.0, None, 0.0, Reason.RULE),)
    return record(Exposure("d1", "home", 1, shown, "fixed", Reason.RULE, (), "1", "", NOON, 0, 0), at=at)


def trait(value: str, observed_at: int) -> Record:
    return record(Traits((Trait("city", value, observed_at=observed_at),)))


CONSENT = record(Consents((Consent("ads", ConsentState.DENIED, "", NOON),)))


def put(store: AnyStore, *records: Record) -> None:
    assert min(store.submit([Entry(one) for one in records]).result(30).sequences) > 0


def kept(store: AnyStore, subject: bytes = ANNA) -> Profile:
    profile = store.profile(subject)
    assert profile is not None
    return profile


def left(store: AnyStore, subject: bytes = ANNA) -> list[int]:
    return [sequence for sequence, _ in store.read_subject(subject, 0, 1_000)]


def test_a_subject_keeps_so_many_records(opener: Opener) -> None:
    """Over the bound a tenth is freed: views first, then other events and traits that are not in force, then exposures
    and outcomes, the oldest first; never consents, merges or traits in force.
    """
    store = opener(10)
    put(store, event("purchase"), CONSENT, trait("Oslo", 1), trait("Rome", 2), record(Merge(BERT)), exposure())
    put(store, *(event("view") for _ in range(4)))
    store.keep(FOREVER, NOON)
    assert left(store) == list(range(1, 11))
    put(store, event("call"))
    store.keep(FOREVER, NOON)
    assert left(store) == [1, 2, 3, 4, 5, 6, 9, 10, 11]
    put(store, *(outcome("bought") for _ in range(8)))
    store.keep(FOREVER, NOON)
    assert left(store) == [2, 4, 5, *range(14, 20)]
    assert (kept(store).totals["outcome"], kept(store).totals["event"], kept(store).traits["city"].value) == (
        6,
        0,
        "Rome",
    )


def test_what_may_not_go_stays_over_the_bound(opener: Opener) -> None:
    """A subject with more consents than the bound keeps them all."""
    store = opener(2)
    put(store, CONSENT, CONSENT, CONSENT, event("view"))
    store.keep(FOREVER, NOON)
    assert left(store) == [1, 2, 3]


def test_types_have_ages(opener: Opener) -> None:
    """What is older than its type may be goes, by the time it was received; what has no age stays."""
    store = opener(1_000)
    old, young = NOON - 3 * DAY, NOON - DAY
    put(store, event("view", at=old), outcome("click", at=old), outcome("bought", at=old), exposure(old))
    put(store, event("view", BERT, old), event("view", at=young), outcome("click", at=young), CONSENT)
    store.keep(Keeping({"view": 2 * DAY, "outcome.click": 2 * DAY}, FOREVER.session_ms), NOON)
    assert (left(store), store.profile(BERT)) == ([3, 4, 6, 7, 8], None)
    assert (kept(store).totals["event"], kept(store).totals["outcome"]) == (1, 2)
    store.keep(Keeping({"outcome": 2 * DAY, "exposure": 2 * DAY}, FOREVER.session_ms), NOON)
    assert left(store) == [6, 7, 8]
    store.keep(Keeping({"view": 2 * DAY}, FOREVER.session_ms), NOON + 3 * DAY)
    assert left(store) == [7, 8]


def test_what_goes_leaves_when_and_by_what_unit_a_subject_was_first_seen(opener: Opener) -> None:
    """A subject's arms stay the same when the records are gone that made it the older one; so does its past."""
    store = opener(1_000)
    put(store, event("view", BERT, NOON - 9 * DAY), event("purchase", at=NOON - 8 * DAY), record(Merge(BERT)))
    put(store, event("purchase"))
    before = kept(store)
    store.keep(Keeping({"view": DAY}, FOREVER.session_ms), NOON)
    after = kept(store)
    assert (after.totals["event"], before.totals["event"]) == (2, 3)
    assert (after.first_seen, after.unit, after.merged) == (NOON - 9 * DAY, BERT[-16:], True)
    assert (before.first_seen, before.unit, before.merged) == (after.first_seen, after.unit, after.merged)
    again = as_of(store, ANNA, store.last_sequence())
    assert again is not None
    assert (again.first_seen, again.unit, again.totals) == (after.first_seen, after.unit, after.totals)
    store.unmerge(ANNA, BERT, NOON).result(30)
    assert (kept(store).first_seen, kept(store).unit) == (NOON - 8 * DAY, b"")


def test_what_goes_is_noted_for_the_learner(opener: Opener) -> None:
    """The learner is told what the records counted for, so that nothing learned outlives them."""
    store = opener(1_000)
    put(store, event("view", at=NOON - 2 * DAY), event("view"))
    store.keep(Keeping({"view": DAY}, FOREVER.session_ms), NOON)
    if isinstance(store, Store):
        assert [[lost.sequence for lost in note.lost] for note in store.read_changes(0, 10, 0).notes] == [[1]]


def test_sessions_without_a_sign_end(opener: Opener) -> None:
    """After so long; what is younger, merged, or no session stays."""
    store = opener(1_000)
    other, merged = VISIT[:-1] + b"2", VISIT[:-1] + b"3"
    sessions = [Record(one, Kind.SESSION, NOON, NOON, Event("view")) for one in (VISIT, other, merged)]
    put(store, *sessions, event("view"), event("view", BERT), record(Merge(merged), BERT))
    put(store, Record(other, Kind.SESSION, NOON + DAY, NOON + DAY, Event("view")))
    store.keep(Keeping({}, DAY), NOON + DAY)
    assert store.profile(VISIT) is not None
    store.keep(Keeping({}, DAY), NOON + DAY + 1)
    assert [store.profile(one) is None for one in (VISIT, other, merged, ANNA)] == [True, False, False, False]
    assert store.tombstone(VISIT) is not None


RECORDS = st.builds(
    lambda make, subject, at: make(subject, at),
    st.sampled_from(
        [
            lambda who, at: event("view", who, at),
            lambda who, at: event("purchase", who, at),
            lambda who, at: record(Merge(BERT), ANNA, at),
            lambda who, at: record(Traits((Trait("city", str(at), observed_at=at),)), who, at),
            lambda who, at: record(CONSENT.body, who, at),
        ]
    ),
    st.sampled_from([ANNA, BERT]),
    st.integers(NOON, NOON + 5),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORDS, max_size=30), most=st.integers(1, 8), age=st.integers(1, 6))
def test_both_stores_keep_the_same(
    records: list[Record], most: int, age: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever comes, both stores keep the same records, and profiles that were made from just these."""
    stores: list[AnyStore] = [opened(tmp_path_factory.mktemp("store"), most), MemoryStore(history_records=most)]
    for store in stores:
        entries = [Entry(one) for one in sorted(records, key=lambda one: one.received_at)]
        for start in range(0, len(entries), 5):
            store.submit(entries[start : start + 5]).result(30)
            store.keep(FOREVER, NOON)
        store.keep(Keeping({"view": age}, FOREVER.session_ms), NOON + 6)
    assert stores[0].audit() == stores[1].audit()
    assert stores[0].audit().sound
    for who in (ANNA, BERT):
        assert left(stores[0], who) == left(stores[1], who)
        held, again = stores[0].profile(who), as_of(stores[0], who, 1_000)
        assert (held and held.totals, held and held.first_seen) == (again and again.totals, again and again.first_seen)
    stores[0].close()

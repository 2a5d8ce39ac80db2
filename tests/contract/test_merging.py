"""What it means that two subjects are one: the same over the real store and its twin in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maitred_server.model import (
    Consent,
    Consents,
    ConsentState,
    Entry,
    Event,
    Kind,
    Merge,
    Record,
    Sequenced,
    Trait,
    Traits,
    Unmerge,
)
from maitred_server.store import DUPLICATE, REFUSED, AnyStore, MemoryStore, Profile, Store
from maitred_server.store.keys import brand_prefix, client_key, item_key

NOON = 1_700_000_000_000
WEB = client_key("shop", "web")


def key(name: str, brand: str = "shop") -> bytes:
    return brand_prefix(brand) + name.encode().ljust(16)


ANNA, BERT, CARL, DORA = key("anna"), key("bert"), key("carl"), key("dora")
EVERYBODY = (ANNA, BERT, CARL, DORA)
KINDS = {BERT: Kind.DEVICE, CARL: Kind.SESSION}


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    made: AnyStore = open_store(tmp_path) if request.param == "lmdb" else MemoryStore()
    yield made
    assert made.audit().sound
    made.close()


def open_store(folder: Path) -> AnyStore:
    return Store.open(folder, map_size=64 << 20, allow_overlay=True)


def record(body: Any, subject: bytes = ANNA, at: int = NOON) -> Record:
    return Record(subject, KINDS.get(subject, Kind.PERSON), at, at, body)


def viewed(subject: bytes = ANNA, item: str = "MILK", at: int = NOON) -> Record:
    return record(Event("view", item, value=0.5), subject, at)


def said(state: ConsentState, at: int, subject: bytes = ANNA, purpose: str = "ads") -> Record:
    return record(Consents((Consent(purpose, state, "web", at),)), subject, NOON + at)


def merged(subject: bytes, other: bytes, at: int = NOON) -> Record:
    return record(Merge(other), subject, at)


def put(store: AnyStore, *records: Record) -> list[int]:
    return list(store.submit([Entry(one) for one in records]).result(30).sequences)


def kept(store: AnyStore, subject: bytes = ANNA) -> Profile:
    profile = store.profile(subject)
    assert profile is not None
    return profile


def views(store: AnyStore, subject: bytes, item: str = "MILK") -> int:
    return int(kept(store, subject).count("view", np.array([item_key(item)], np.uint64))[0])


def leads_to(store: AnyStore, subject: bytes) -> bytes | None:
    found = store.find(subject)
    return None if found is None else found.subject


def test_the_newest_consent_wins(store: AnyStore) -> None:
    """By the time when it was said, then by sequence; and it carries its source and time."""
    put(store, said(ConsentState.GRANTED, 10), said(ConsentState.DENIED, 5), said(ConsentState.GRANTED, 1, BERT))
    assert kept(store).consents == {"ads": Consent("ads", ConsentState.GRANTED, "web", 10)}
    put(store, said(ConsentState.REVOKED, 10), said(ConsentState.DENIED, 1, purpose="mail"))
    found = kept(store)
    assert (found.consent("ads"), found.consent("mail"), found.consent("x")) == (
        ConsentState.REVOKED,
        ConsentState.DENIED,
        None,
    )


def test_consents_are_bounded_and_none_goes(store: AnyStore) -> None:
    """A subject has at most 256 purposes: what would be one more is refused, and the others stay."""
    many = [said(ConsentState.GRANTED, 1, purpose=f"p{number}") for number in range(256)]
    put(store, *many)
    assert put(store, said(ConsentState.DENIED, 2, purpose="one more")) == [REFUSED]
    assert len(kept(store).consents) == 256


def test_two_subjects_become_one(store: AnyStore) -> None:
    """Both keys lead to the one that stays; counters and totals add, times span both, the kind is of the one that
    stays, and the subject is marked.
    """
    put(store, viewed(at=NOON + 5), viewed(BERT, at=NOON), viewed(BERT, "TEA"), merged(ANNA, BERT))
    found = kept(store, BERT)
    assert (leads_to(store, ANNA), leads_to(store, BERT)) == (ANNA, ANNA)
    assert (views(store, BERT), views(store, ANNA, "TEA")) == (2, 1)
    assert (found.totals["event"], found.totals["merge"]) == (3, 1)
    assert (found.kind, found.first_seen, found.last_seen, found.merged) == (Kind.PERSON, NOON, NOON + 5, True)
    assert [one.occurred_at for one in found.recent()] == [NOON + 5, NOON, NOON]
    assert (store.usage().subjects, store.usage().records["merge"]) == (1, 1)


def test_the_arms_of_the_older_stick(store: AnyStore) -> None:
    """Layers go on by the pseudonym of the one that was seen first, however often it is merged."""
    put(store, viewed(BERT, at=NOON), viewed(ANNA, at=NOON + 1), merged(ANNA, BERT))
    assert kept(store).unit == BERT[-16:]
    put(store, viewed(CARL, at=NOON + 2), merged(CARL, ANNA))
    assert (leads_to(store, BERT), kept(store, BERT).unit) == (CARL, BERT[-16:])
    put(store, viewed(DORA, at=NOON - 1), merged(DORA, CARL))
    assert (leads_to(store, BERT), kept(store, BERT).unit) == (DORA, b"")


def test_the_strictest_consent_wins_until_something_newer_is_said(store: AnyStore) -> None:
    """On merge REVOKED wins over DENIED over GRANTED; what was said before the newer of the two loosens nothing."""
    put(store, said(ConsentState.GRANTED, 10, ANNA), said(ConsentState.DENIED, 5, BERT), merged(ANNA, BERT))
    assert kept(store).consents == {"ads": Consent("ads", ConsentState.DENIED, "web", 5)}
    put(store, said(ConsentState.GRANTED, 7, BERT))
    assert kept(store).consent("ads") is ConsentState.DENIED
    put(store, said(ConsentState.GRANTED, 11, BERT))
    assert kept(store).consent("ads") is ConsentState.GRANTED


def test_of_traits_the_newer_wins(store: AnyStore) -> None:
    """By observation, whichever of the two it is about; a removal holds likewise."""

    def observed(name: str, value: str | None, at: int, subject: bytes) -> Record:
        return record(Traits((Trait(name, value, observed_at=at),)), subject)

    put(store, observed("city", "Rome", 2, ANNA), observed("city", "Oslo", 3, BERT), observed("size", "L", 1, BERT))
    put(store, observed("size", None, 2, ANNA), observed("pet", "cat", 2, BERT), merged(ANNA, BERT))
    assert {name: trait.value for name, trait in kept(store).traits.items()} == {"city": "Oslo", "pet": "cat"}


def test_what_comes_under_a_merged_key_lands_in_the_one_subject(store: AnyStore) -> None:
    """Its record names the key that it came under; the kind of the subject stays."""
    put(store, viewed(ANNA), merged(ANNA, BERT))
    put(store, viewed(BERT), viewed(ANNA))
    journal = dict(store.read_journal(0, 10))
    assert [(one.subject, one.addressed) for one in journal.values()] == [
        (ANNA, b""),
        (ANNA, b""),
        (ANNA, BERT),
        (ANNA, b""),
    ]
    assert (views(store, BERT), kept(store).kind) == (3, Kind.PERSON)
    assert [[s for s, _ in store.read_subject(who, 1, 10)] for who in (ANNA, BERT)] == [[2, 3, 4]] * 2


def test_records_before_and_after_a_merge_in_one_batch(store: AnyStore) -> None:
    """A batch is applied in its order, a merge in the middle too."""
    sequences = put(store, viewed(BERT), viewed(ANNA), merged(ANNA, BERT), viewed(BERT), merged(CARL, BERT), viewed())
    assert sequences == [1, 2, 3, 4, 5, 6]
    assert (leads_to(store, ANNA), views(store, CARL), kept(store).totals["merge"]) == (CARL, 4, 2)


def test_merging_what_is_one_writes_nothing(store: AnyStore) -> None:
    """Either way round, oneself, and over a third: no record, no sequence; its event id is remembered."""
    put(store, viewed(ANNA), viewed(BERT), merged(ANNA, BERT), merged(BERT, CARL))
    again = [merged(ANNA, BERT), merged(BERT, ANNA), merged(ANNA, ANNA), merged(CARL, ANNA)]
    assert put(store, *again) == [DUPLICATE] * 4
    entry = Entry(merged(CARL, BERT), Sequenced(WEB, 1, 1))
    assert list(store.submit([entry]).result(30).sequences) == [DUPLICATE]
    assert store.seen([Sequenced(WEB, 1, 1)]) == [True]
    assert (store.last_sequence(), store.usage().subjects) == (4, 1)


def test_merging_with_an_unknown_key_adds_an_alias(store: AnyStore) -> None:
    """Nothing was mixed, so the subject is not marked; what comes under the alias later is the subject's."""
    put(store, viewed(ANNA), merged(ANNA, BERT), viewed(BERT))
    assert (kept(store).merged, views(store, ANNA), kept(store).unit) == (False, 2, b"")


def test_an_unknown_subject_takes_over_a_known_one(store: AnyStore) -> None:
    """A visitor becomes known at the till: the new key leads, with all of the visitor's."""
    put(store, viewed(BERT), merged(ANNA, BERT))
    assert (leads_to(store, BERT), kept(store).kind, views(store, ANNA)) == (ANNA, Kind.PERSON, 1)
    assert kept(store).unit == BERT[-16:]


def test_brands_have_no_subject_in_common(store: AnyStore) -> None:
    """A merge over two brands is refused, alone."""
    assert put(store, viewed(ANNA), merged(ANNA, key("bert", "other")), viewed(ANNA)) == [1, REFUSED, 2]


def test_aliases_are_bounded(store: AnyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge over the bound is refused, alone; the others of its batch hold."""
    monkeypatch.setattr("maitred_server.store.aliases.MOST_ALIASES", 2)
    monkeypatch.setattr("maitred_server.store.memory_subjects.MOST_ALIASES", 2)
    batch = [merged(ANNA, BERT), merged(ANNA, CARL), merged(ANNA, DORA), viewed(CARL)]
    assert put(store, *batch) == [1, 2, REFUSED, 3]
    assert (leads_to(store, CARL), store.find(DORA)) == (ANNA, None)


def test_an_unmerge_gives_each_its_own_back(store: AnyStore) -> None:
    """Also what came since under its own key; nothing reminds of the merge but the journal."""
    put(store, viewed(ANNA, at=NOON + 1), viewed(BERT), merged(ANNA, BERT), viewed(BERT, "TEA"), viewed(ANNA))
    assert store.unmerge(ANNA, BERT, NOON).result(30) == 6
    assert (leads_to(store, ANNA), leads_to(store, BERT)) == (ANNA, BERT)
    assert [views(store, who, item) for who in (ANNA, BERT) for item in ("MILK", "TEA")] == [2, 0, 1, 1]
    anna, bert = kept(store), kept(store, BERT)
    assert (anna.kind, anna.unit, anna.merged, bert.kind, bert.merged) == (Kind.PERSON, b"", False, Kind.DEVICE, False)
    assert [[s for s, _ in store.read_subject(who, 0, 10)] for who in (ANNA, BERT)] == [[1, 3, 5, 6], [2, 4]]
    assert isinstance(dict(store.read_journal(5, 1))[6].body, Unmerge)
    put(store, viewed(BERT))
    assert (views(store, ANNA), views(store, BERT)) == (2, 2)


def test_what_was_never_merged_cannot_be_parted(store: AnyStore) -> None:
    """It writes nothing, likewise the second time."""
    put(store, viewed(ANNA), viewed(BERT))
    assert store.unmerge(ANNA, BERT, NOON).result(30) == 0
    put(store, merged(ANNA, BERT))
    assert [store.unmerge(BERT, ANNA, NOON).result(30) for _ in range(2)] == [4, 0]
    assert store.last_sequence() == 4


def test_what_was_merged_by_an_alias_goes_with_it(store: AnyStore) -> None:
    """Parting undoes the merge that made the two one: what either brought along before or since stays with it."""
    put(store, *(viewed(who) for who in EVERYBODY))
    put(store, merged(BERT, CARL), merged(ANNA, CARL), merged(BERT, DORA))
    assert {leads_to(store, who) for who in EVERYBODY} == {ANNA}
    store.unmerge(ANNA, BERT, NOON).result(30)
    assert [leads_to(store, who) for who in EVERYBODY] == [ANNA, BERT, BERT, BERT]
    assert (views(store, ANNA), views(store, DORA)) == (1, 3)


def test_a_merge_after_a_parting_holds(store: AnyStore) -> None:
    """The same two can be merged, parted and merged again."""
    put(store, viewed(ANNA), viewed(BERT), merged(ANNA, BERT))
    store.unmerge(ANNA, BERT, NOON).result(30)
    put(store, merged(BERT, ANNA))
    assert (leads_to(store, ANNA), views(store, BERT), kept(store).totals["merge"]) == (BERT, 2, 2)


def test_a_deletion_takes_all_keys_along(store: AnyStore) -> None:
    """Under whichever key it is asked for; each key has a tombstone, none leads anywhere, and all are free again."""
    put(store, viewed(ANNA), viewed(BERT), merged(ANNA, BERT), viewed(CARL))
    deleted = store.delete(BERT, NOON).result(30)
    assert (deleted[:2], store.find(ANNA), store.find(BERT)) == ((5, True), None, None)
    assert [store.tombstone(who) is not None for who in (ANNA, BERT, CARL)] == [True, True, False]
    assert [sequence for sequence, _ in store.read_journal(0, 10)] == [4, 5]
    put(store, viewed(BERT))
    assert (leads_to(store, BERT), views(store, BERT), store.find(ANNA)) == (BERT, 1, None)


def test_a_deletion_leaves_no_word_in_the_other(store: AnyStore) -> None:
    """After a merge that was taken back the deletion of one removes its name from the other's records, no more."""
    put(store, viewed(ANNA), viewed(BERT), merged(ANNA, BERT))
    store.unmerge(ANNA, BERT, NOON).result(30)
    store.delete(BERT, NOON).result(30)
    assert [sequence for sequence, _ in store.read_subject(ANNA, 0, 10)] == [1]
    assert {name: number for name, number in kept(store).totals.items() if number} == {"event": 1}


def test_a_session_ends_unless_it_was_merged(store: AnyStore) -> None:
    """What was kept under it goes; what was merged is part of somebody and stays; what is not there is no error."""
    put(store, viewed(CARL))
    assert [store.end_session(CARL, NOON).result(30) for _ in range(2)] == [True, False]
    assert (store.find(CARL), store.read_subject(CARL, 0, 10)[0][0], store.last_sequence()) == (None, 2, 2)
    put(store, viewed(CARL), merged(ANNA, CARL))
    assert (store.end_session(CARL, NOON).result(30), views(store, ANNA)) == (False, 1)


# Any changes to four subjects, in batches

BODIES = st.one_of(
    st.builds(Event, st.sampled_from(["view", "purchase"]), st.sampled_from(["", "A", "B"])),
    st.builds(
        lambda name, value, at: Traits((Trait(name, value, observed_at=at),)),
        st.sampled_from("xy"),
        st.sampled_from(["1", None]),
        st.integers(0, 3),
    ),
    st.builds(
        lambda purpose, state, at: Consents((Consent(purpose, state, "", at),)),
        st.sampled_from(["ads", "mail"]),
        st.sampled_from(ConsentState),
        st.integers(0, 3),
    ),
)
SUBJECTS = st.sampled_from(EVERYBODY)
RECORDS = st.builds(record, BODIES, SUBJECTS, st.integers(NOON, NOON + 9))
MERGES = st.builds(merged, SUBJECTS, SUBJECTS)
BATCHES = st.lists(st.one_of(RECORDS, MERGES), max_size=8)
STEPS = st.lists(st.one_of(BATCHES, st.tuples(SUBJECTS, SUBJECTS), SUBJECTS), max_size=8)


def run(store: AnyStore, step: Any) -> Any:
    if isinstance(step, bytes):
        return store.delete(step, NOON).result(30)[:2]
    if isinstance(step, tuple):
        subject, other = step
        return store.unmerge(subject, other, NOON).result(30)
    return put(store, *step)


def content(profile: Profile | None) -> Any:
    """All that a profile says but by which records it came to be."""
    if profile is None or not profile.first_seen:
        return None
    table = sorted(zip(*(column.tolist() for column in profile.counters()), strict=True))
    totals = {name: number for name, number in profile.totals.items() if name not in ("merge", "unmerge")}
    times = profile.kind, profile.first_seen, profile.last_seen, profile.unit, profile.merged
    return times, totals, profile.traits, profile.consents, sorted(profile.recent()), table


def everything(store: AnyStore) -> Any:
    found = [(store.find(who), store.read_subject(who, 0, 1_000)) for who in EVERYBODY]
    return [
        (one and (one.subject, one.profile.totals, one.profile.sequence, content(one.profile)), records)
        for one, records in found
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_both_stores_agree_on_who_is_who(steps: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any records, merges, partings and deletions leave both stores with the same answers and subjects, and sound."""
    stores = [open_store(tmp_path_factory.mktemp("store")), MemoryStore()]
    assert [run(stores[0], step) for step in steps] == [run(stores[1], step) for step in steps]
    assert everything(stores[0]) == everything(stores[1])
    assert stores[0].read_journal(0, 1_000) == stores[1].read_journal(0, 1_000)
    audits = [store.audit() for store in stores]
    assert (audits[0], audits[0].sound) == (audits[1], True)
    stores[0].close()


@pytest.mark.parametrize("kind", ["lmdb", "memory"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(RECORDS, max_size=8), after=st.lists(RECORDS, max_size=8), pair=st.permutations(EVERYBODY))
def test_parting_equals_never_having_merged(
    kind: str, before: list[Record], after: list[Record], pair: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Records, a merge, more records and the end of the merge leave what the records alone would have left."""
    apart = MemoryStore()
    put(apart, *before, *after)
    parted = open_store(tmp_path_factory.mktemp("store")) if kind == "lmdb" else MemoryStore()
    put(parted, *before, merged(pair[0], pair[1]), *after)
    assert parted.unmerge(pair[1], pair[0], NOON).result(30)
    assert [content(apart.profile(who)) for who in EVERYBODY] == [content(parted.profile(who)) for who in EVERYBODY]
    parted.close()

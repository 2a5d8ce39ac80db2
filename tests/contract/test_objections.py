"""What people say of what they see: kept, merged, bounded, and told to who has decisions in a cache; both stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from maitred_server.model import (
    Body,
    Consent,
    Consents,
    ConsentState,
    Entry,
    Event,
    Intensity,
    Kind,
    Merge,
    Objection,
    Record,
)
from maitred_server.store import REFUSED, AnyStore, MemoryStore, Profile, Store
from maitred_server.store.changes import LONGEST_MS, MOST_TOLD, sequence_of
from maitred_server.store.consents import MOST_OBJECTIONS, Objections
from maitred_server.store.keys import brand_prefix, group_key, item_key, subject_tag
from maitred_server.store.retention import Keeping
from maitred_server.subjects.consent import as_consents
from maitred_server.subjects.history import as_of

NOON = 1_700_000_000_000
ANNA, BERT = (brand_prefix("shop") + name.ljust(16) for name in (b"anna", b"bert"))
OTHERS = brand_prefix("other") + b"anna".ljust(16)


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    made: AnyStore = MemoryStore()
    if request.param == "lmdb":
        made = Store.open(tmp_path, map_size=64 << 20, allow_overlay=True)
    yield made
    assert made.audit().sound
    made.close()


def put(store: AnyStore, *bodies: Body, subject: bytes = ANNA, at: int = NOON) -> list[int]:
    """Each body as a record of its own, a millisecond apart."""
    records = [Record(subject, Kind.PERSON, at + n, at + n, body, "web") for n, body in enumerate(bodies)]
    return list(store.submit([Entry(record) for record in records]).result().sequences)


def known(store: AnyStore, subject: bytes = ANNA) -> Profile:
    profile = store.profile(subject)
    assert profile is not None
    return profile


def said(level: Intensity, at: int = NOON) -> Consents:
    return Consents(as_consents(level, at))


def test_an_objection_is_remembered_until_it_is_taken_back(store: AnyStore) -> None:
    """Items and groups are told apart, whatever they are called; what is taken back is no objection any more."""
    put(store, Objection("MILK"), Objection(group="MILK"), Objection("group:TEA"))
    assert known(store).objections == Objections(frozenset({"MILK", "group:TEA"}), frozenset({"MILK"}))
    put(store, Objection("MILK", withdrawn=True), at=NOON + 9)
    assert known(store).objections == Objections(frozenset({"group:TEA"}), frozenset({"MILK"}))


def test_objections_are_no_consents(store: AnyStore) -> None:
    """Among the purposes only those stand that somebody named."""
    put(store, Objection("MILK"), said(Intensity.OFF), Consents((Consent("ads", ConsentState.GRANTED, "", NOON),)))
    assert list(known(store).consents) == ["ads"]


def test_an_older_word_does_not_replace_a_newer_one(store: AnyStore) -> None:
    """What was said at the counter yesterday and arrives today does not undo what was said since."""
    put(store, Objection("MILK", withdrawn=True), at=NOON + 9)
    put(store, Objection("MILK"))
    assert known(store).objections == Objections()


def test_objections_count(store: AnyStore) -> None:
    """An objection counts for its item or its group, and for all of its type; taking it back counts nothing."""
    put(store, Objection("MILK"), Objection(group="TEA"), Objection("MILK", withdrawn=True))
    keys = np.array([item_key("MILK"), group_key("TEA"), 0], np.uint64)
    assert known(store).count("not_for_me", keys).tolist() == [1, 1, 2]


@pytest.mark.parametrize("level", Intensity)
def test_an_intensity_is_kept_as_it_was_said(store: AnyStore, level: Intensity) -> None:
    """Every level comes back; who said nothing has none."""
    put(store, Event("visit"))
    assert known(store).intensity is None
    put(store, said(Intensity.OFF), said(level, NOON + 1))
    assert known(store).intensity is level


@pytest.mark.parametrize("one", Intensity)
@pytest.mark.parametrize("other", Intensity)
def test_of_two_subjects_that_are_one_the_lower_intensity_holds(
    store: AnyStore, one: Intensity, other: Intensity
) -> None:
    """Whoever stays and whoever spoke last; objections of both hold."""
    put(store, said(one), Objection("MILK"))
    put(store, said(other, NOON + 5), Objection(group="TEA"), subject=BERT)
    put(store, Merge(BERT), at=NOON + 9)
    assert known(store).intensity is min(one, other)
    assert known(store).objections == Objections(frozenset({"MILK"}), frozenset({"TEA"}))


def test_the_past_is_told(store: AnyStore) -> None:
    """A profile as of a record has the objections and the intensity of then."""
    first, second, _ = put(store, Objection("MILK"), said(Intensity.FULL), Objection("MILK", withdrawn=True))
    then = as_of(store, ANNA, first)
    assert then is not None
    assert (then.objections.items, then.intensity) == (frozenset({"MILK"}), None)
    later = as_of(store, ANNA, second)
    assert later is not None
    assert later.intensity is Intensity.FULL


def test_a_subject_has_so_many_objections(store: AnyStore) -> None:
    """What was taken back makes room, the oldest first; without any the next objection is refused, no purpose is."""
    put(store, Objection("BACK"), Objection("BACK", withdrawn=True))
    put(store, *(Objection(f"I{number}") for number in range(MOST_OBJECTIONS)), at=NOON + 5)
    assert len(known(store).objections.items) == MOST_OBJECTIONS
    assert put(store, Objection("MORE"), at=NOON + 999) == [REFUSED]
    ads = Consents((Consent("ads", ConsentState.DENIED, "", NOON),))
    withdrawn, consent, more = put(store, Objection("I0", withdrawn=True), ads, Objection("MORE"), at=NOON + 1999)
    assert (withdrawn > 0, consent > 0, more > 0) == (True, True, True)
    assert "MORE" in known(store).objections.items


def test_many_subjects_at_once(store: AnyStore) -> None:
    """In one batch of many subjects each has its own objection, beside what else happened."""
    keys = [brand_prefix("shop") + bytes([number]) * 16 for number in range(20)]
    bodies = [(key, body) for key in keys for body in (Event("view", "MILK"), Objection(f"I{key[-1]}"))]
    before = store.subject_changes(0).position
    store.submit([Entry(Record(key, Kind.PERSON, NOON, NOON, body)) for key, body in bodies]).result()
    assert [known(store, key).objections.items for key in keys] == [{f"I{key[-1]}"} for key in keys]
    told = [change.tags for change in store.subject_changes(before).changes]
    assert told == [(subject_tag(key),) for key in keys]


# What clients are told


def test_what_changes_what_may_be_shown_is_told(store: AnyStore) -> None:
    """Consents, intensities, objections and erasures name their subject, merges and their ends both; nothing else is
    told.
    """
    position = store.subject_changes(0).position
    put(store, Event("visit"), said(Intensity.OFF), Objection("MILK"))
    put(store, Event("visit"), subject=BERT)
    put(store, Merge(BERT))
    store.unmerge(ANNA, BERT, NOON).result()
    store.delete(ANNA, NOON).result()
    told = store.subject_changes(position)
    anna, bert = subject_tag(ANNA), subject_tag(BERT)
    assert [set(change.tags) for change in told.changes] == [{anna}, {anna}, {anna, bert}, {anna, bert}, {anna}]
    assert ({change.brand for change in told.changes}, told.whole) == ({"shop"}, False)
    assert store.subject_changes(told.position).changes == []


def test_what_is_refused_is_not_told(store: AnyStore) -> None:
    """A poison entry in a batch tells nothing, and the rest of it does."""
    position = store.subject_changes(0).position
    put(store, Objection("MILK"), Merge(OTHERS), Objection("TEA"))
    assert len(store.subject_changes(position).changes) == 2


def test_an_unknown_position_means_everything(store: AnyStore) -> None:
    """A position of another store, or of the future, is not taken for one of this store."""
    put(store, Objection("MILK"))
    now = store.subject_changes(0).position
    assert store.subject_changes(now).whole is False
    assert store.subject_changes(now + 1).whole is True
    assert store.subject_changes(sequence_of(now) or 1).whole is True
    assert store.subject_changes(MemoryStore().subject_changes(0).position).whole is True


def test_who_missed_too_much_begins_anew(store: AnyStore) -> None:
    """Beyond so many changes they are not told one by one."""
    position = store.subject_changes(0).position
    for begin in range(0, MOST_TOLD, 500):
        put(store, *[Objection("MILK")] * 500, at=NOON + begin)
    assert store.subject_changes(position).whole is False
    put(store, Objection("MILK"), at=NOON + MOST_TOLD)
    assert store.subject_changes(position).whole is True


def test_old_changes_go(store: AnyStore) -> None:
    """After thirty days a change is not kept any more, and who asks from before it is told so."""
    position = store.subject_changes(0).position
    put(store, Objection("MILK"))
    middle = store.subject_changes(0).position
    put(store, Objection("TEA"), at=NOON + LONGEST_MS)
    store.keep(Keeping({}, 1), NOON + LONGEST_MS + 1)
    assert store.subject_changes(position).whole is True
    assert [change.tags for change in store.subject_changes(middle).changes] == [(subject_tag(ANNA),)]

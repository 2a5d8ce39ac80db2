"""Subjects as they were, against a model that knows nothing but dictionaries."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
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
from maitred_server.store import AnyStore, MemoryStore, Profile, Store
from maitred_server.store.keys import brand_prefix, item_key
from maitred_server.subjects.history import as_of, as_of_time, sequence_at

NOON = 1_700_000_000_000
ITEMS = ("MILK", "TEA", "SOAP")
TYPES = ("view", "purchase", "exposure", "outcome.click")
BATCH = 50


def key(number: int) -> bytes:
    return brand_prefix("shop") + number.to_bytes(16, "big")


# The model


@dataclass
class Person:
    """All that is known of one subject, in plain dictionaries."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    values: Counter[tuple[str, str]] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    traits: dict[str, tuple[int, int, Any]] = field(default_factory=dict)  # observed, sequence, value
    consents: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)  # settled, sequence, state, said
    seen: list[int] = field(default_factory=list)
    unit: bytes = b""
    merged: bool = False

    def takes_in(self, other: Person, mine: bytes, theirs: bytes) -> None:
        self.merged = self.merged or other.merged or bool(self.seen and other.seen)
        if other.seen and (not self.seen or min(other.seen) < min(self.seen)):
            unit = other.unit or theirs[-16:]
            self.unit = b"" if unit == mine[-16:] else unit
        self.seen += other.seen
        for ours, more in ((self.counts, other.counts), (self.values, other.values), (self.totals, other.totals)):
            ours.update(more)  # type: ignore[arg-type]
        for name, observed in other.traits.items():
            self.traits[name] = max(self.traits.get(name, observed), observed, key=lambda one: one[:2])
        for purpose, said in other.consents.items():
            self.consents[purpose] = strictest(self.consents[purpose], said) if purpose in self.consents else said


def strictest(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    holds = max(one, other) if one[2] == other[2] else max(one, other, key=lambda each: each[2])
    return max(one[0], other[0]), max(one[1], other[1]), holds[2], holds[3]


Log = list[tuple[int, bytes, Any]]  # sequence, the key it came under, what; an Unmerge is ("part", other)


def modelled(log: Log, upto: int) -> tuple[dict[bytes, Person], dict[bytes, bytes]]:
    """Everybody after a record, from the beginning, as if merges that were taken back had never been."""
    holding: dict[frozenset[bytes], int] = {}
    for sequence, own, what in log:
        if sequence <= upto and isinstance(what, Merge):
            holding[frozenset((own, what.other))] = sequence
        elif sequence <= upto and isinstance(what, tuple):
            del holding[frozenset((own, what[1]))]
    holds = set(holding.values())
    people: dict[bytes, Person] = {}
    leads: dict[bytes, bytes] = {}
    for sequence, own, what in log:
        if sequence > upto:
            break
        who = leads.get(own, own)
        person = people.setdefault(who, Person())
        happens(person, sequence, what)
        if isinstance(what, Merge) and sequence in holds:
            other = leads.get(what.other, what.other)
            person.takes_in(people.pop(other, Person()), who, other)
            leads.update({one: who for one, to in leads.items() if to == other})
            leads[other] = who
    return people, leads


def happens(person: Person, sequence: int, what: Any) -> None:
    if isinstance(what, Merge | tuple):
        person.totals["merge" if isinstance(what, Merge) else "unmerge"] += 1
        return
    person.seen.append(NOON + sequence)
    person.totals[type(what).__name__.lower()] += 1
    if isinstance(what, Exposure):
        person.counts.update(("exposure", shown.item) for shown in what.shown)
    elif isinstance(what, Event | Outcome):
        name = what.type if isinstance(what, Event) else f"outcome.{what.type}"
        person.counts[name, what.item] += 1
        person.values[name, what.item] += what.value  # type: ignore[assignment]
    elif isinstance(what, Traits):
        for trait in what.traits:
            observed = (trait.observed_at, sequence, trait.value)
            person.traits[trait.name] = max(person.traits.get(trait.name, observed), observed, key=lambda one: one[:2])
    elif isinstance(what, Consents):
        for consent in what.consents:
            said = (consent.observed_at, sequence, int(consent.state), consent.observed_at)
            person.consents[consent.purpose] = max(person.consents.get(consent.purpose, said), said)


def expected(person: Person | None) -> Any:
    if person is None or not person.totals:
        return None
    return (
        {at: person.counts[at] for at in ((name, item) for name in TYPES for item in ITEMS)},
        {at: float(person.values[at]) for at in ((name, item) for name in TYPES for item in ITEMS)},
        {name: number for name, number in person.totals.items() if number},
        {name: value for name, (_, _, value) in person.traits.items() if value is not None},
        {purpose: (state, said) for purpose, (_, _, state, said) in person.consents.items()},
        (min(person.seen, default=0), max(person.seen, default=0), person.unit, person.merged),
    )


def content(profile: Profile | None) -> Any:
    if profile is None:
        return None
    keys = np.array([item_key(item) for item in ITEMS], np.uint64)
    counts = {name: profile.count(name, keys).tolist() for name in TYPES}
    values = {name: profile.value(name, keys).tolist() for name in TYPES}
    return (
        {(name, item): counts[name][at] for name in TYPES for at, item in enumerate(ITEMS)},
        {(name, item): values[name][at] for name in TYPES for at, item in enumerate(ITEMS)},
        {name: number for name, number in profile.totals.items() if number},
        {name: trait.value for name, trait in profile.traits.items()},
        {purpose: (int(said.state), said.observed_at) for purpose, said in profile.consents.items()},
        (profile.first_seen, profile.last_seen, profile.unit, profile.merged),
    )


# Changes


def change(dice: random.Random, subjects: int, changes: int) -> Any:
    """Something that happens to a subject; about a third of them are merged with another sooner or later."""
    if dice.random() < 0.35 / changes:
        return Merge(key(dice.randrange(subjects)))
    item, at = dice.choice(ITEMS), dice.randrange(20)
    match dice.randrange(40):
        case 1 | 2 | 3:
            return Consents((Consent(dice.choice("am"), ConsentState(dice.randint(1, 3)), "", at),))
        case 4 | 5 | 6 | 7:
            return Traits((Trait(dice.choice("xyz"), dice.choice(["1", "2", None]), observed_at=at),))
        case 8 | 9 | 10:
            shown = (Shown(0, item, "", (), 1.0, None, 0.0, Reason.RULE),)
            return Exposure("d", "home", 1, shown, "fixed", Reason.RULE, (), "1", "", NOON, 0, 0)
        case 11 | 12:
            return Outcome("click", dice.randrange(4) / 2, item, "", (), "d")
    return Event(dice.choice(("view", "purchase")), item, value=dice.randrange(8) / 4)


def lived(store: AnyStore, dice: random.Random, subjects: int, changes: int) -> Log:
    """So many changes to each of some subjects, in any order, some merges being taken back; what was recorded."""
    log: Log = []
    held: list[tuple[bytes, bytes]] = []
    whose = [key(number) for number in range(subjects) for _ in range(changes)]
    dice.shuffle(whose)
    for start in range(0, len(whose), BATCH):
        batch = [(own, change(dice, subjects, changes)) for own in whose[start : start + BATCH]]
        batch.sort(key=lambda one: isinstance(one[1], Merge))  # some write nothing: times stay sequences
        times = range(NOON + store.last_sequence() + 1, NOON + store.last_sequence() + 1 + len(batch))
        entries = [
            Entry(Record(own, Kind.PERSON, at, NOON, what)) for at, (own, what) in zip(times, batch, strict=True)
        ]
        sequences = store.submit(entries).result(30).sequences
        new = [(sequence, own, what) for sequence, (own, what) in zip(sequences, batch, strict=True) if sequence > 0]
        held += [(own, what.other) for _, own, what in new if isinstance(what, Merge)]
        log += new
        part_one(store, dice, log, held)
    return log


def part_one(store: AnyStore, dice: random.Random, log: Log, held: list[tuple[bytes, bytes]]) -> None:
    """Now and then take back one of the merges that hold."""
    if held and dice.randrange(3) == 0:
        one, other = held.pop(dice.randrange(len(held)))
        at = NOON + store.last_sequence() + 1
        log.append((store.unmerge(one, other, at).result(30), one, ("part", other)))


def agrees(store: AnyStore, log: Log, dice: random.Random, subjects: int, looks: int) -> None:
    for upto in sorted(dice.randint(0, store.last_sequence()) for _ in range(looks)):
        people, leads = modelled(log, upto)
        for who in (key(number) for number in range(subjects)):
            assert content(as_of(store, who, upto)) == expected(people.get(leads.get(who, who))), (who, upto)
    people, leads = modelled(log, store.last_sequence())
    for who in (key(number) for number in range(subjects)):
        assert content(store.profile(who)) == expected(people.get(leads.get(who, who))), who


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), lmdb=st.booleans())
def test_a_profile_as_it_was_is_what_the_model_says(
    seed: int, lmdb: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At any record of any history of events, traits, consents, merges and their ends, and now."""
    folder = tmp_path_factory.mktemp("store")
    store: AnyStore = Store.open(folder, map_size=64 << 20, allow_overlay=True) if lmdb else MemoryStore()
    dice = random.Random(seed)
    log = lived(store, dice, subjects=8, changes=12)
    agrees(store, log, dice, subjects=8, looks=5)
    assert store.audit().sound
    store.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_subjects_of_two_hundred_changes(tmp_path: Path) -> None:
    """The same at full size: 1,000 subjects, 200 changes each, at 10 records."""
    with Store.open(tmp_path, map_size=4 << 30, allow_overlay=True) as store:
        dice = random.Random(1)
        log = lived(store, dice, subjects=1_000, changes=200)
        agrees(store, log, dice, subjects=1_000, looks=10)
        assert store.audit().sound


def test_a_time_is_a_place_in_the_journal() -> None:
    """The last record received at or before it; with gaps that deletions leave, too."""
    store = MemoryStore()
    for at in (10, 20, 20, 30):
        store.submit([Entry(Record(key(at), Kind.PERSON, at, at, Event("view")))]).result(1)
    assert [sequence_at(store, at) for at in (9, 10, 19, 20, 29, 30, 99)] == [0, 1, 1, 3, 3, 4, 4]
    store.delete(key(10), 40).result(1)
    store.delete(key(30), 50).result(1)
    assert [sequence_at(store, at) for at in (19, 20, 39, 40, 50)] == [0, 3, 3, 5, 6]
    found = as_of_time(store, key(20), 25)
    assert found is not None
    assert (found.totals["event"], as_of_time(store, key(20), 19)) == (2, None)

"""Many profiles changed together are, byte for byte, what each would be alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from maitred_server.model import (
    Body,
    Consent,
    Consents,
    ConsentState,
    Deletion,
    Event,
    Exposure,
    Kind,
    Outcome,
    Reason,
    Record,
    Shown,
    Trait,
    Traits,
)
from maitred_server.store import buckets, counters, together
from maitred_server.store.profiles import Profile

NOON = 1_700_000_000_000
DAY_MS = 86_400_000
SUBJECT = b"\x04shop" + bytes(16)

Records = list[tuple[int, Record]]


def event(chance: random.Random) -> Event:
    item = chance.choice(["", "A", "B", "C", f"I{chance.randrange(200)}"])
    groups = tuple(chance.sample(["G", "H", "K"], chance.randrange(3))) if item else ()
    variant = chance.choice(["", "red"]) if item else ""
    kind = chance.choice(["view", "purchase", "call"])
    return Event(kind, item, variant, groups, chance.uniform(-5, 50), chance.choice([1, 1, 3, 1 << 33]))


def exposure(chance: random.Random) -> Exposure:
    items = chance.sample("ABCDE", chance.randrange(4))
    shown = tuple(Shown(slot, item, "", ("G",), 0.5, None, 1.0, Reason.POPULAR) for slot, item in enumerate(items))
    return Exposure("d", "till", 1, shown, "popular", Reason.POPULAR, (), "c", "s", NOON, 7, 0)


def body(chance: random.Random) -> Body:
    bodies: list[Body] = [
        event(chance),
        exposure(chance),
        Outcome("click", 1.5, "A", "", ("G",), "d"),
        Traits((Trait(chance.choice("xyz"), chance.random(), observed_at=chance.randrange(9)),)),
        Consents((Consent("email", chance.choice(list(ConsentState)), "", chance.randrange(9)),)),
    ]
    return chance.choices(bodies, [6, 1, 1, 1, 1])[0]


def records(chance: random.Random, first: int, most: int) -> Records:
    """Some of them long ago, some lately, some in a later day or hour than others, not in their order."""
    spans = [3_600_000, DAY_MS, 5 * DAY_MS, 120 * DAY_MS]
    found = []
    for number in range(chance.randrange(1, most)):
        at = NOON + first * DAY_MS // 40 - chance.randrange(chance.choice(spans))
        record = Record(SUBJECT, chance.choice(list(Kind)), NOON + first + number, at, body(chance), "web")
        found.append((first * 1000 + number, record))
    return found


def alone(profiles: Sequence[Profile], changes: Sequence[Records]) -> list[Profile]:
    return [profile.with_records(some) for profile, some in zip(profiles, changes, strict=True)]


def stored(profiles: Sequence[Profile]) -> list[bytes]:
    return [profile.encode(SUBJECT) for profile in profiles]


@pytest.mark.parametrize("seed", range(12))
def test_together_they_are_what_each_is_alone(seed: int) -> None:
    """Subjects that come and grow over many commits have the same bytes, whichever way they were changed."""
    chance = random.Random(seed)
    profiles = [Profile.empty(Kind.PERSON) for _ in range(chance.choice([1, 2, 9, 30]))]
    for commit in range(1, 13):
        changes = [records(chance, commit, 8 if chance.random() < 0.9 else 60) for _ in profiles]
        expected = alone(profiles, changes)
        assert stored(expected) == stored(together.with_records(profiles, changes))
        profiles = [Profile.decode(SUBJECT, payload) for payload in stored(expected)]


def test_the_bounds_hold_together_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes over the bounds of counters and buckets goes alike."""
    monkeypatch.setattr(counters, "MOST_ROWS", 60)
    monkeypatch.setattr(counters.keep_newest, "__defaults__", (60,))
    monkeypatch.setattr(buckets, "MOST_BUCKETS", 120)
    monkeypatch.setattr(buckets.bounded, "__defaults__", (120,))
    chance = random.Random(1)
    profiles = [Profile.empty(Kind.PERSON) for _ in range(9)]
    for commit in range(1, 9):
        changes = [records(chance, commit, 40) for _ in profiles]
        expected = alone(profiles, changes)
        assert stored(expected) == stored(together.with_records(profiles, changes))
        profiles = expected
    assert all(profile.evicted for profile in profiles)


def test_records_that_count_for_nothing() -> None:
    """Subjects of whom only traits are told come out as alone, among others and by themselves."""
    trait = (1, Record(SUBJECT, Kind.PERSON, NOON, NOON, Traits((Trait("x", 1.0),))))
    chance = random.Random(2)
    profiles = [Profile.empty(Kind.PERSON)] * 4
    for changes in ([[trait]] * 4, [[trait], records(chance, 1, 9), [trait], records(chance, 1, 9)]):
        assert stored(alone(profiles, changes)) == stored(together.with_records(profiles, changes))


def test_a_deletion_forgets_what_was_before() -> None:
    """Deletions among the records are obeyed."""
    chance = random.Random(3)
    gone = (5, Record(SUBJECT, Kind.PERSON, NOON, NOON, Deletion()))
    profiles = alone([Profile.empty(Kind.PERSON)] * 3, [records(chance, 1, 9) for _ in range(3)])
    changes = [[*records(chance, 2, 9), gone, *records(chance, 9, 9)], [gone], records(chance, 2, 9)]
    assert stored(alone(profiles, changes)) == stored(together.with_records(profiles, changes))


def test_one_that_cannot_be_applied_is_told() -> None:
    """A record that cannot be counted raises, as it does alone; nothing is given."""
    bad = (1, Record(SUBJECT, Kind.PERSON, NOON, -1, Event("view")))
    with pytest.raises(ValueError, match="time"):
        together.with_records([Profile.empty(Kind.PERSON)] * 2, [[bad], records(random.Random(4), 1, 9)])

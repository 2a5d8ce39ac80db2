"""Profiles against a plain list of what happened."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.errors import RecordDamaged
from maitred_server.model import (
    Body,
    Deletion,
    Event,
    Exposure,
    Kind,
    Reason,
    Record,
    Shown,
    Trait,
    Traits,
    TraitSource,
)
from maitred_server.store import Profile, buckets, counters
from maitred_server.store.keys import ANY_KEY, EXPOSURE_TYPE, action_key, entity_keys, group_key, item_key, type_code

WHO = b"\x04shop" + b"anna".ljust(16)
START = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
TYPES = ("view", "purchase")


class Happening(NamedTuple):
    """One thing that happened, as the plain model keeps it."""

    type: str
    item: str
    group: str
    at: int

    @property
    def keys(self) -> tuple[int, ...]:
        return entity_keys(self.item, "", (self.group,))

    @property
    def record(self) -> Record:
        return record(Event(self.type, self.item, "", (self.group,), 0.5, 2), self.at)


def record(body: Body, at: int = START) -> Record:
    return Record(WHO, Kind.PERSON, at, at, body)


def profile_of(happenings: list[Happening], sizes: list[int] | None = None) -> Profile:
    """The profile after these, handed over in parts of some sizes."""
    profile, numbered = Profile.empty(Kind.PERSON), [(n, one.record) for n, one in enumerate(happenings, start=1)]
    for size in sizes or []:
        profile, numbered = profile.with_records(numbered[:size]), numbered[size:]
    return profile.with_records(numbered)


def reread(profile: Profile) -> Profile:
    return Profile.decode(WHO, profile.encode(WHO))


def in_window(happenings: list[Happening], counter_type: str, key: int, since: int) -> int:
    return sum(one.type == counter_type and key in one.keys and one.at >= since for one in happenings)


TIMES = st.one_of(st.integers(START, START + 5 * HOUR), st.integers(START - 120 * DAY, START + 5 * DAY))
HAPPENINGS = st.lists(
    st.builds(Happening, st.sampled_from(TYPES), st.sampled_from("ABC"), st.sampled_from("XY"), TIMES), max_size=40
)
KEYS = [action_key("A", ""), item_key("B"), group_key("X"), item_key("never"), ANY_KEY]


@given(HAPPENINGS, st.lists(st.integers(1, 9), max_size=4))
def test_counters_are_those_of_a_plain_list(happenings: list[Happening], sizes: list[int]) -> None:
    """Counts, values, quantities, first and last times equal the plain model's, however the records are grouped."""
    profile = reread(profile_of(happenings, sizes))
    keys = np.array(KEYS, np.uint64)
    for counter_type in TYPES:
        found = [[one.at for one in happenings if one.type == counter_type and key in one.keys] for key in KEYS]
        assert [len(times) for times in found] == profile.count(counter_type, keys).tolist()
        assert [len(times) / 2 for times in found] == profile.value(counter_type, keys).tolist()
        assert [len(times) * 2 for times in found] == profile.quantity(counter_type, keys).tolist()
        assert [min(times, default=0) for times in found] == profile.first(counter_type, keys).tolist()
        assert [max(times, default=0) for times in found] == profile.last(counter_type, keys).tolist()
        assert len(found[-1]) / 2 == profile.total_value(counter_type)


@given(HAPPENINGS, st.integers(0, 2**32))
def test_order_and_grouping_do_not_matter(happenings: list[Happening], seed: int) -> None:
    """Any order of the same records, in parts of any size, gives the same counters, totals, times and buckets."""
    shuffled = random.Random(seed).sample(happenings, len(happenings))
    one, other = profile_of(happenings), profile_of(shuffled, [1] * (seed % 7))
    assert one.rows.tobytes() == other.rows.tobytes()
    assert (one.totals, one.first_seen, one.last_seen) == (other.totals, other.first_seen, other.last_seen)
    assert [column.tolist() for column in one.buckets] == [column.tolist() for column in other.buckets]


@settings(max_examples=200)
@given(HAPPENINGS, st.lists(st.integers(1, 9), max_size=4), st.integers(0, 130 * DAY), st.sampled_from(KEYS))
def test_a_window_never_counts_less_than_the_truth(
    happenings: list[Happening], sizes: list[int], ago: int, key: int
) -> None:
    """Nor more than what lies in the days (UTC) that the window touches, while it begins within 92 days."""
    profile, since = reread(profile_of(happenings, sizes)), START + 5 * DAY - ago
    truth = in_window(happenings, "purchase", key, since)
    found = profile.window("purchase", key, since)
    assert truth <= found
    if since >= buckets.horizon(profile.newest):
        assert found <= in_window(happenings, "purchase", key, since - since % DAY)


@given(HAPPENINGS, st.integers(0, 130 * DAY), st.sampled_from("ABC"))
def test_a_window_over_recent_events_is_exact(happenings: list[Happening], ago: int, item: str) -> None:
    """While every event is among the recent ones, an action's or item's window is the truth to the millisecond."""
    since, profile = START + 5 * DAY - ago, profile_of(happenings)
    truth = in_window(happenings, "view", item_key(item), since)
    if truth:
        assert truth == profile.window("view", item_key(item), since)
        assert truth == profile.window("view", action_key(item, ""), since)


def test_a_group_window_within_three_days_is_exact_to_the_hour() -> None:
    """A group's events of the last 72 hours are told apart by the hour, older ones by the day."""
    events = [Happening("view", "A", "X", START - START % DAY + n * HOUR) for n in range(-24 * 10, 1)]
    profile = profile_of(events)
    newest = profile.newest
    assert [profile.window("view", group_key("X"), newest - hours * HOUR) for hours in (0, 1, 72)] == [1, 2, 73]
    assert profile.window("view", group_key("X"), newest - 4 * DAY - HOUR) == 24 * 5 + 1


def test_a_window_before_the_horizon_counts_everything() -> None:
    """What is asked beyond 92 days is answered by the total, which is never less than the truth."""
    profile = profile_of([Happening("view", "A", "X", START), Happening("view", "A", "X", START + 200 * DAY)])
    assert [profile.window("view", group_key("X"), START + days * DAY) for days in (109, 107)] == [1, 2]


@given(HAPPENINGS)
def test_recent_events_are_the_latest_by_time(happenings: list[Happening]) -> None:
    """Newest first; of equal times the later record first."""
    expected = sorted(range(len(happenings)), key=lambda n: (happenings[n].at, n), reverse=True)
    found = [(one.occurred_at, one.item_key, one.type_code) for one in reread(profile_of(happenings)).recent(10)]
    events = [happenings[n] for n in expected[:10]]
    assert [(one.at, item_key(one.item), type_code(one.type)) for one in events] == found


def test_at_most_256_recent_events_are_kept() -> None:
    """The 256 latest by time stay, whatever order they came in."""
    times = random.Random(1).sample(range(START, START + 1_000), 400)
    recent = profile_of([Happening("view", "A", "X", at) for at in times], [100, 50]).recent()
    assert sorted(times, reverse=True)[:256] == [one.occurred_at for one in recent]


def test_windows_hold_when_the_ring_is_full() -> None:
    """With more events than are kept as recent, windows still never count less than the truth."""
    rng = random.Random(2)
    happenings = [
        Happening("view", rng.choice("ABC"), rng.choice("XY"), START - rng.randrange(30 * DAY)) for _ in range(1_500)
    ]
    profile = reread(profile_of(happenings, [100] * 15))
    for since in range(START - 30 * DAY, START, 7 * HOUR):
        for key in (item_key("A"), action_key("B", ""), group_key("X")):
            truth, found = in_window(happenings, "view", key, since), profile.window("view", key, since)
            assert truth <= found <= in_window(happenings, "view", key, since - since % DAY)


def test_windows_hold_when_counters_come_and_go() -> None:
    """New counters between the old ones, and old ones given up, leave the windows of the others as they were."""
    days = [Happening("purchase", "A", "X", START - START % DAY + n * DAY) for n in range(10)]
    strangers = [Happening("view", f"V{n}", f"G{n}", START + 9 * DAY) for n in range(1_200)]
    for count in (0, 1, 50, 1_200):
        profile = reread(profile_of(days + strangers[:count], [10, 1, 1, 48]))
        found = [profile.window("purchase", group_key("X"), one.at) for one in days]
        assert found == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert profile.evicted > 0


def test_a_window_as_long_as_the_buckets_reach_is_covered() -> None:
    """Day buckets are kept until no window of 92 days can need them, and not for ever."""
    days = [Happening("view", "A", "X", START - START % DAY + HOUR + n * DAY) for n in range(120)]
    profile = profile_of(days, [1] * 119)
    assert profile.window("view", group_key("X"), buckets.horizon(profile.newest)) == 93
    assert len(profile.buckets.cells) < 4 * 100


def test_at_most_2000_counters_are_kept_and_views_go_first() -> None:
    """Views are given up before purchases, the longest unseen first; totals and the number given up stay."""
    views = [Happening("view", f"V{n}", "X", START + n) for n in range(600)]
    purchases = [Happening("purchase", f"P{n}", "X", START + n) for n in range(900)]
    profile = reread(profile_of(views + purchases, [600]))
    kept = np.array([item_key(f"V{n}") for n in range(600)], np.uint64)
    assert (len(profile.rows), profile.totals["event"]) == (2_000, 1_500)
    assert profile.evicted == 3_004 - 2_000
    assert profile.count("purchase", np.array([group_key("X")], np.uint64)).tolist() == [900]
    counts = profile.count("view", kept).tolist()
    assert (sum(counts[:502]), sum(counts), counts[502:]) == (0, 98, [1] * 98)


def test_at_most_4096_buckets_are_kept_and_windows_stay_safe() -> None:
    """When old buckets are merged, windows may count more than the truth and never less."""
    rng = random.Random(3)
    happenings = [
        Happening("view", f"I{rng.randrange(150)}", "X", START + int(day * DAY) + rng.randrange(DAY))
        for day in np.linspace(0, 80, 6_000)
    ]
    profile = reread(profile_of(happenings, [1_000] * 6))
    assert len(profile.buckets.cells) <= buckets.MOST_BUCKETS
    for item in ("I0", "I77"):
        for since in range(START, START + 81 * DAY, 10 * DAY):
            assert in_window(happenings, "view", item_key(item), since) <= profile.window("view", item_key(item), since)


def test_traits_stay_within_64_kib() -> None:
    """What was not said explicitly goes first, the oldest first; the number given up is kept."""
    inferred = [Trait(f"inferred{n}", "x" * 1_000, observed_at=n) for n in range(40)]
    explicit = [Trait(f"explicit{n}", "x" * 1_000, TraitSource.EXPLICIT) for n in range(40)]
    profile = Profile.empty(Kind.PERSON).with_records([(1, record(Traits((*inferred, *explicit))))])
    assert len(profile.stored_traits) <= 64 * 1024
    assert {trait.name for trait in explicit} <= set(profile.traits)
    gone = 80 - len(profile.traits)
    assert (gone, {f"inferred{n}" for n in range(gone)}) == (
        profile.evicted,
        {trait.name for trait in inferred} - set(profile.traits),
    )


def test_a_showing_counts_for_every_slot() -> None:
    """One exposure of a slate counts each slot for its action, item and groups, each group of a slot once."""
    slots = tuple(
        Shown(n, item, "v", ("X", "X", "Y"), 0.1, None, 0.0, Reason.RULE) for n, item in enumerate("ABA", start=1)
    )
    body = Exposure("d", "till", 1, slots, "p", Reason.RULE, (), "c", "s", START, 1, 0)
    profile = Profile.empty(Kind.PERSON).with_records([(1, record(body))])
    keys = np.array([action_key("A", "v"), item_key("A"), item_key("B"), group_key("X")], np.uint64)
    assert profile.count(EXPOSURE_TYPE, keys).tolist() == [2, 2, 1, 3]
    assert len(profile.recent()) == 3


@given(HAPPENINGS, HAPPENINGS)
def test_counters_of_two_profiles_add_up(one: list[Happening], other: list[Happening]) -> None:
    """Counters merged from two subjects are those of one subject to whom all of it happened."""
    merged, _ = counters.merged(profile_of(one).rows, profile_of(other).rows)
    assert profile_of(one + other).rows.tobytes() == merged.tobytes()


def test_a_profile_is_not_changed_by_what_comes_after() -> None:
    """`with_records` makes another value; the one before answers as before."""
    before = profile_of([Happening("view", "A", "X", START)])
    stored = before.encode(WHO)
    after = before.with_records([(2, Happening("view", "A", "X", START + 1).record)])
    assert (stored, 2, 1) == (before.encode(WHO), after.totals["event"], before.totals["event"])


def test_every_flipped_bit_of_a_stored_profile_is_noticed() -> None:
    """A profile with one bit flipped, wherever, is damaged; so is one that is read for another subject."""
    stored = profile_of([Happening("view", "A", "X", START)]).encode(WHO)
    for bit in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RecordDamaged):
            Profile.decode(WHO, bytes(flipped))
    with pytest.raises(RecordDamaged):
        Profile.decode(WHO[:-1] + b"x", stored)
    assert Profile.decode(WHO, stored).totals["event"] == 1


def test_a_deletion_among_records_forgets_what_was_before() -> None:
    """Replaying a subject's records over a deletion keeps only what came after it."""
    records = [(1, Happening("view", "A", "X", START).record), (2, record(Deletion()))]
    profile = Profile.empty(Kind.PERSON).with_records([*records, (3, Happening("view", "B", "X", START).record)])
    assert (profile.totals["event"], profile.sequence) == (1, 3)
    assert profile.count("view", np.array([item_key("A"), item_key("B")], np.uint64)).tolist() == [0, 1]

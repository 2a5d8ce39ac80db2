"""Limits over what was counted, against a plain list of when it happened."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.model import Body, Event, Exposure, Kind, Outcome, Reason, Record, Shown
from maitred_server.store import Profile, counters
from maitred_server.store.keys import (
    ALL_PLACEMENTS_KEY,
    ANY_KEY,
    EXPOSURE_TYPE,
    channel_key,
    group_key,
    item_key,
    placement_key,
)
from maitred_server.store.windows import (
    NEVER_LOST,
    Limit,
    Limits,
    closed,
    closed_until,
    count_since,
    counts_since,
    lost_through,
)

WHO = b"\x04shop" + b"anna".ljust(16)
NOW = 1_700_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
DAY = 24 * HOUR


def record(body: Body, at: int) -> Record:
    return Record(WHO, Kind.PERSON, at, at, body)


def seen(times: Sequence[int], item: str = "A", group: str = "X") -> Profile:
    """Of whom saw an item at these times, told in this order."""
    records = [(n, record(Event("view", item, "", (group,)), at)) for n, at in enumerate(times, 1)]
    return Profile.decode(WHO, Profile.empty(Kind.PERSON).with_records(records).encode(WHO))


def place_of(profile: Profile, counter_type: str, key: int) -> int:
    return int(profile.rows["id"].searchsorted(np.uint64(counters.id_of(counter_type, key))))


def until(profile: Profile, key: int, limit: Limit, now: int = NOW) -> int:
    return closed_until(profile, (place_of(profile, "view", key),), limit, now)


def is_closed(times: Sequence[int], limit: Limit, now: int = NOW) -> bool:
    """As the docs have it, in the plainest words: too many in the window now, or at a moment that still holds."""
    if sum(now - limit.window_ms < at for at in times) >= limit.most:
        return True
    held = (at for at in times if at > now - limit.suppress_ms)
    return any(sum(at - limit.window_ms < one <= at for one in times) >= limit.most for at in held)


LIMITS = st.builds(
    Limit,
    st.integers(1, 5),
    st.one_of(st.integers(1, 3 * HOUR), st.integers(1, 100 * DAY)),
    st.one_of(st.just(0), st.integers(1, 3 * HOUR), st.integers(1, 100 * DAY)),
)
TIMES = st.lists(
    st.one_of(st.integers(NOW - 4 * HOUR, NOW), st.integers(NOW - 5 * DAY, NOW), st.integers(NOW - 150 * DAY, NOW)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=300)
@given(TIMES, LIMITS)
def test_a_limit_on_an_item_is_exact(times: list[int], limit: Limit) -> None:
    """While all of it is among the recent events it closes when it should, and until the moment that it should."""
    profile = seen(times)
    found = until(profile, item_key("A"), limit)
    assert is_closed(times, limit) == (found > NOW)
    if found > NOW:
        assert (is_closed(times, limit, found - 1), is_closed(times, limit, found)) == (True, False)


@settings(max_examples=300)
@given(TIMES, LIMITS)
def test_a_limit_on_a_group_never_opens_too_early(times: list[int], limit: Limit) -> None:
    """Nor does it close where moving each moment within its day could not have: what a group counts lies in buckets."""
    found = until(seen(times), group_key("X"), limit) > NOW
    wider = Limit(limit.most, limit.window_ms + 2 * DAY, limit.suppress_ms + 2 * DAY)
    assert is_closed(times, limit) <= found
    if limit.back_ms <= 85 * DAY:
        assert found <= is_closed(times, wider)


@given(TIMES)
def test_suppression_after_one_is_exact_in_buckets_too(times: list[int]) -> None:
    """After the last dismissal of anything of a group it is closed for exactly the suppression."""
    expected = max(times) + 30 * DAY
    found = until(seen(times), group_key("X"), Limit(1, DAY, 30 * DAY))
    assert found == expected if expected > NOW else found <= NOW


@given(TIMES, st.integers(0, 2**32), LIMITS)
def test_the_order_of_receipt_does_not_matter(times: list[int], seed: int, limit: Limit) -> None:
    """What comes late is counted where it belongs."""
    shuffled = random.Random(seed).sample(times, len(times))
    assert until(seen(times), item_key("A"), limit) == until(seen(shuffled), item_key("A"), limit)


@pytest.mark.parametrize("seed", range(6))
def test_limits_hold_when_the_ring_is_full_and_buckets_are_merged(seed: int) -> None:
    """With thousands of events over three months no limit ever opens too early."""
    chance = random.Random(seed)
    spread = chance.choice([3 * DAY, 30 * DAY, 90 * DAY])
    happened = [(f"I{chance.randrange(120)}", NOW - int(spread * chance.random() ** 2)) for _ in range(3_000)]
    records = [(n, record(Event("view", item, "", ("X",)), at)) for n, (item, at) in enumerate(happened, 1)]
    profile = Profile.empty(Kind.PERSON)
    for begin in range(0, len(records), 500):
        profile = profile.with_records(records[begin : begin + 500])
    for _ in range(300):
        item = f"I{chance.randrange(120)}"
        times = [at for one, at in happened if one == item]
        limit = Limit(
            chance.randrange(1, 12),
            int(40 * DAY * chance.random() ** 3) + 1,
            chance.choice([0, HOUR, int(60 * DAY * chance.random())]),
        )
        assert is_closed(times, limit) <= (until(profile, item_key(item), limit) > NOW)


@settings(max_examples=200)
@given(st.lists(TIMES, min_size=1, max_size=4), st.lists(LIMITS, min_size=1, max_size=5))
def test_many_limits_at_once_are_as_each_alone(times: list[list[int]], limits: list[Limit]) -> None:
    """Every limit on every item and on the group of all, in one call: what `closed_until` says of each."""
    happened = [(f"I{n}", at) for n, some in enumerate(times) for at in some]
    records = [(n, record(Event("view", item, "", ("X",)), at)) for n, (item, at) in enumerate(happened, 1)]
    profile = Profile.empty(Kind.PERSON).with_records(records)
    keys = [group_key("X"), *(item_key(f"I{n}") for n in range(len(times)))]
    pairs = [(place_of(profile, "view", key), limit) for key in keys for limit in limits]
    near = [
        (place, limit)
        for place, limit in pairs
        if profile.rows["count"][place] >= limit.most
        and profile.rows["last"][place] > NOW - max(limit.window_ms, limit.suppress_ms)
    ]
    columns = np.array([limit for _, limit in near], np.int64).reshape(len(near), 3).T
    found = closed(profile, np.array([place for place, _ in near], np.intp), Limits(*columns), NOW)
    assert found.tolist() == [closed_until(profile, (place,), limit, NOW) > NOW for place, limit in near]
    assert not [1 for pair in pairs if pair not in near and closed_until(profile, pair[:1], pair[1], NOW) > NOW]


@given(TIMES, TIMES, LIMITS)
def test_several_counters_are_limited_together(one: list[int], other: list[int], limit: Limit) -> None:
    """As one list of both: exactly for items."""
    records = [("A", at) for at in one] + [("B", at) for at in other]
    bodies = [(n, record(Event("view", item), at)) for n, (item, at) in enumerate(records, 1)]
    profile = Profile.empty(Kind.PERSON).with_records(bodies)
    places = [place_of(profile, "view", item_key(item)) for item in "AB"]
    assert is_closed(one + other, limit) == (closed_until(profile, places, limit, NOW) > NOW)


@given(TIMES, st.lists(st.integers(0, 130 * DAY), min_size=1, max_size=6))
def test_counts_of_many_windows_are_those_of_one(times: list[int], agos: list[int]) -> None:
    """`counts_since` never says less than the truth, and no more than `window` says of a group."""
    profile = seen(times)
    place = place_of(profile, "view", group_key("X"))
    since = np.array([NOW - ago for ago in agos])
    found = counts_since(profile, np.full(len(agos), place), since).tolist()
    assert found == [profile.window("view", group_key("X"), moment) for moment in since.tolist()]
    assert all(sum(at >= moment for at in times) <= count for moment, count in zip(since.tolist(), found, strict=True))


@given(TIMES, st.lists(st.integers(0, 130 * DAY), min_size=1, max_size=6))
def test_one_window_is_counted_as_many_are(times: list[int], agos: list[int]) -> None:
    """`count_since` says of an item and of a group what `counts_since` says; of groups without asking recent events."""
    profile = seen(times)
    for key, of_item in ((item_key("A"), True), (group_key("X"), True), (group_key("X"), False)):
        place = place_of(profile, "view", key)
        since = [NOW - ago for ago in agos]
        expected = counts_since(profile, np.full(len(agos), place), np.array(since)).tolist()
        assert [count_since(profile, place, moment, of_item) for moment in since] == expected


def exposure(*items: str, placement: str = "home", channel: str = "web", decided_at: int = 0) -> Exposure:
    shown = tuple(Shown(slot, item, "", ("X",), 1.0, None, 0.0, Reason.RULE) for slot, item in enumerate(items))
    return Exposure("d", placement, 1, shown, "p", Reason.RULE, (), "c", "s", decided_at, 1, 0, channel=channel)


def test_a_showing_counts_once_for_where_it_is() -> None:
    """However many slots it has: for its placement, its channel and all together; every slot counts for its item."""
    bodies = [exposure("A", "B", "C"), exposure("A", placement="till"), exposure("A", channel="")]
    profile = Profile.empty(Kind.PERSON).with_records([(n, record(body, NOW)) for n, body in enumerate(bodies, 1)])
    keys = [
        item_key("A"),
        ANY_KEY,
        placement_key("home"),
        placement_key("till"),
        channel_key("web"),
        ALL_PLACEMENTS_KEY,
    ]
    assert profile.count(EXPOSURE_TYPE, np.array(keys, np.uint64)).tolist() == [3, 5, 2, 1, 2, 3]
    assert len(profile.recent()) == 5


def test_an_outcome_counts_for_where_it_came_from() -> None:
    """As far as a receipt told it."""
    bodies = [Outcome("dismiss", 0.0, "A", "", (), "d", "home", "web"), Outcome("dismiss", 0.0, "A", "", (), "d")]
    profile = Profile.empty(Kind.PERSON).with_records([(n, record(body, NOW)) for n, body in enumerate(bodies, 1)])
    keys = [item_key("A"), ANY_KEY, placement_key("home"), channel_key("web"), ALL_PLACEMENTS_KEY, placement_key("")]
    assert profile.count("outcome.dismiss", np.array(keys, np.uint64)).tolist() == [2, 2, 1, 1, 0, 0]


def test_a_slow_clock_does_not_take_showings_out_of_a_window() -> None:
    """What is shown was decided before: a client whose clock is a week behind counts from the decision on."""
    body = exposure("A", decided_at=NOW)
    profile = Profile.empty(Kind.PERSON).with_records([(1, record(body, NOW - 7 * DAY))])
    assert profile.window(EXPOSURE_TYPE, item_key("A"), NOW - DAY) == 1
    late = Profile.empty(Kind.PERSON).with_records([(1, record(body, NOW + DAY))])
    assert late.last(EXPOSURE_TYPE, np.array([item_key("A")], np.uint64)).tolist() == [NOW + DAY]


def crowded(views: int, calls: int) -> tuple[Profile, dict[str, int]]:
    """Of whom more counters were made than are kept; and when each item was last viewed or called about."""
    items = [(f"V{n}", "view") for n in range(views)] + [(f"C{n}", "call") for n in range(calls)]
    times = {item: NOW - n * MINUTE for n, (item, _) in enumerate(reversed(items))}
    records = [(n, record(Event(kind, item), times[item])) for n, (item, kind) in enumerate(items, 1)]
    return Profile.empty(Kind.PERSON).with_records(records), times


@pytest.mark.parametrize(("views", "calls"), [(1_500, 0), (1_500, 300), (0, 1_500), (1_200, 1_200), (10, 1_500)])
def test_what_was_given_up_is_no_later_than_it_is_said(views: int, calls: int) -> None:
    """Of each type: no counter that is gone counted anything after `lost_through`; what counts all of a type stays."""
    profile, times = crowded(views, calls)
    for counter_type, letter in (("view", "V"), ("call", "C")):
        items = [item for item in times if item.startswith(letter)]
        kept = profile.count(counter_type, np.array([item_key(item) for item in items], np.uint64))
        gone = [times[item] for item, count in zip(items, kept.tolist(), strict=True) if not count]
        lost = lost_through(profile, counter_type)
        assert max(gone, default=NEVER_LOST) <= lost
        assert profile.count(counter_type, np.array([ANY_KEY], np.uint64)).tolist() == [len(items)]
    assert lost_through(seen([NOW]), "view") == NEVER_LOST

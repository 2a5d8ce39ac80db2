from __future__ import annotations

import numpy as np
import pytest
from harness.desk import NOW, SUBJECT
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.model import Event, Kind, Record
from maitred_server.policy.base import Floats, Keys
from maitred_server.policy.past import DAY_MS, FADES_DAYS, NO_PAST, past
from maitred_server.store import Profile
from maitred_server.store.keys import item_key

ITEMS = ("apples", "pears", "bread")
moments = st.integers(0, 85).map(lambda days: NOW - days * DAY_MS)
events = st.lists(st.tuples(moments, st.sampled_from(ITEMS)), min_size=1, max_size=40)


def profile(did: list[tuple[int, str]]) -> Profile:
    records = [Record(SUBJECT, Kind.PERSON, at, at, Event("purchase", item)) for at, item in sorted(did)]
    return Profile.empty(Kind.PERSON).with_records(list(enumerate(records, 1)))


def of_item(found: Floats, keys: Keys, item: str) -> float:
    at = np.flatnonzero(keys == np.uint64(item_key(item)))
    return float(found[at[0]]) if len(at) else 0.0


@given(events)
def test_faded_counts_are_sums_over_events(did: list[tuple[int, str]]) -> None:
    """Within the buckets' 92 days each visit with an item counts exp(-age/fade), its age being known to half a day."""
    found = past(profile(did), "purchase", NOW)
    for column, fade in zip(found.faded, FADES_DAYS, strict=True):
        for item in ITEMS:
            exact = sum(np.exp(-(NOW - at) / DAY_MS / fade) for at, one in set(did) if one == item)
            assert of_item(column, found.keys, item) == pytest.approx(exact, rel=0.025)


@given(events)
def test_counts_and_times_are_those_of_the_events(did: list[tuple[int, str]]) -> None:
    """How often, and how many days ago for the first and the last time."""
    found = past(profile(did), "purchase", NOW)
    for item in {item for _, item in did}:
        days = [(NOW - at) / DAY_MS for at, one in did if one == item]
        expected = (len(days), max(days), min(days))
        columns = (found.counts, found.first, found.last)
        assert tuple(of_item(column, found.keys, item) for column in columns) == pytest.approx(expected)


def test_a_visit_is_a_day() -> None:
    """Three things on one day of long ago and one on another are two visits of two things each."""
    long_ago, later = NOW - 60 * DAY_MS, NOW - 40 * DAY_MS
    found = past(profile([(long_ago, item) for item in ITEMS] + [(later, "apples")]), "purchase", NOW)
    assert (found.visits, found.basket, found.since) == pytest.approx((2.0, 2.0, 40.0))


def test_often_in_one_visit_is_one_visit() -> None:
    """Thirty times on one day are thirty times, and one visit: a share of visits is 1 at most."""
    found = past(profile([(NOW - 40 * DAY_MS, "apples")] * 30), "purchase", NOW)
    times = (of_item(found.counts, found.keys, "apples"), of_item(found.visits_of, found.keys, "apples"))
    assert (*times, found.visits) == (30.0, 1.0, 1.0)


def test_what_is_older_than_the_buckets_is_spread() -> None:
    """Thirty purchases over three hundred days fade within a tenth of what they would if all were known."""
    times = [NOW - day * DAY_MS for day in range(0, 300, 10)]
    found = past(profile([(at, "apples") for at in times]), "purchase", NOW)
    exact = [sum(np.exp(-(NOW - at) / DAY_MS / fade) for at in times) for fade in FADES_DAYS]
    assert [of_item(column, found.keys, "apples") for column in found.faded] == pytest.approx(exact, rel=0.1)
    assert found.visits == pytest.approx(30, rel=0.01)


def test_nobody_has_no_past() -> None:
    """Neither who is not known, nor who did something else."""
    assert past(None, "purchase", NOW) is NO_PAST
    assert past(profile([(NOW, "apples")]), "view", NOW) is NO_PAST

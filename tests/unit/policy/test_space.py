from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.learn import fixed as learned
from maitred_server.policy import grid
from maitred_server.policy.base import Floats
from maitred_server.policy.families import DEFAULTS, FAMILIES
from maitred_server.policy.learned import believed
from maitred_server.policy.linear import Candidates, Linear
from maitred_server.policy.meeting import Meeting, Stage, meet, stage
from maitred_server.policy.past import NO_PAST, Past
from maitred_server.policy.scorer import Encounter, Scorer
from maitred_server.policy.space import feature_space

KEYS = np.array([3, 5, 8, 13], np.uint64)
GROUP = np.array([21], np.uint64)


def candidates(shares: list[float]) -> Stage:
    owner = np.zeros(1, np.int32)  # the first candidate is the only one in a group
    return stage(KEYS, GROUP, owner).with_shares(np.array(shares))


def met(times: int, first: float, last: float, visits: float = 10.0) -> Meeting:
    """A subject that did something with the second candidate alone."""
    table = np.array([[times], [times], [first], [last], *[[times * 0.5]] * 3], np.float64)
    return meet(candidates([0.4, 0.3, 0.2, 0.1]), Past(KEYS[1:2], table, visits, np.full(3, 5.0), 3.0, last))


def column(meeting: Meeting, name: str) -> list[float]:
    found: list[float] = own(meeting)[:, feature_space().names.index(name)].tolist()
    return found


def own(meeting: Meeting) -> Floats:
    space, none = feature_space(), KEYS[:0]
    linear = Linear(believed(space, (0.0,)), Candidates(KEYS, KEYS, none, none.astype(np.int32)), space.own)
    return Encounter(Scorer(space, linear), meeting).own()


def test_every_family_fills_what_it_names() -> None:
    """The default space has all families' features, own ones first, then shared ones, the slot and the 1."""
    space, meeting = feature_space(), met(4, 40.0, 10.0)
    assert space.own == sum(len(FAMILIES[name].own) for name in DEFAULTS)
    assert own(meeting).shape == (4, space.own)
    assert (len(space.shared(meeting)), space.shared(meeting)[-1]) == (space.width - space.own, 1.0)


def test_the_share_is_drawn_to_popularity() -> None:
    """(own + 10 popular) / (visits + 10), popularity being as often as at a visit with this basket."""
    meeting = met(4, 40.0, 10.0)
    expected = (np.array([0.0, 4.0, 0.0, 0.0]) + 10 * meeting.popular) / 20
    assert column(meeting, "share") == pytest.approx(expected.tolist(), abs=1 / grid.UNIT)


@pytest.mark.parametrize(("last", "expected"), [(20.0, 1.0), (30.0, 0.5), (60.0, 0.0)])
def test_what_comes_every_twenty_days_is_due_after_twenty(last: float, expected: float) -> None:
    """Three gaps of 13 1/3 days and two of 30 are a mean of 20; due is how near the time since then is to that."""
    assert column(met(4, last + 40.0, last), "due")[1] == pytest.approx(expected, abs=1 / grid.UNIT)


def test_what_was_never_met_has_no_history() -> None:
    """Of who is not known all history is 0, and popularity alone ranks."""
    meeting = meet(candidates([0.4, 0.3, 0.2, 0.1]), NO_PAST)
    for name in ("times", "week", "month", "last_visit", "fresh", "due", "overdue", "group_faded"):
        assert column(meeting, name) == [0.0] * 4
    assert column(meeting, "never") == [1.0] * 4
    assert np.argsort(column(meeting, "share"))[::-1].tolist() == [0, 1, 2, 3]


def test_a_space_is_named_after_its_definition() -> None:
    """Equal definitions have one name, any other has another."""
    spaces = [feature_space(), feature_space(("habit",)), feature_space((), ("subject.age",))]
    assert len({space.name for space in spaces}) == 3
    assert feature_space(DEFAULTS).name == feature_space().name
    with pytest.raises(KeyError):
        feature_space(("habbit",))


def test_traits_have_as_many_columns_as_is_said() -> None:
    """A space with more columns for traits is wider by so many, is filled, and is another space."""
    narrow, wide = (feature_space((), ("subject.age",), hashed) for hashed in (16, 38))
    assert (narrow.width, wide.width, narrow.name != wide.name) == (42, 64, True)
    shared = wide.shared(met(4, 40.0, 10.0)._replace(said={"subject.age": 30.0}))
    assert np.count_nonzero(shared[-39:-1]) == 1


def test_the_slot_is_the_placements_alone() -> None:
    """Another slot changes the slot's own features and nothing else; no narrower level has weights for them."""
    space = feature_space()
    first = space.shared(met(4, 40.0, 10.0))
    changed = np.flatnonzero(space.in_slots(first, [2])[0] != first) + space.own
    assert [space.names[at] for at in changed] == ["slot_later", "slot_depth"]
    assert not set(changed.tolist()) & {*space.group, *space.item, *space.variant}


@given(st.lists(st.floats(-1e9, 1e9) | st.sampled_from([float("nan"), float("inf"), float("-inf")]), max_size=8))
def test_the_grid_is_the_learners(values: list[float]) -> None:
    """What is scored with is what is learned from: packing loses nothing, and gives the same numbers."""
    given_values = np.array(values)
    on_grid = grid.onto_grid(given_values.copy())
    assert grid.unpacked(grid.packed(on_grid)).tolist() == np.nan_to_num(on_grid).tolist()
    assert np.frombuffer(grid.packed(on_grid), "<i2").tolist() == learned.fixed(given_values).tolist()

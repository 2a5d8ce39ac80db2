"""The compiled way from a profile to features and predictions gives what the Python way gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from harness.desk import NOW, SUBJECT
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.model import Body, Event, Kind, Record
from maitred_server.policy.base import Floats, Keys
from maitred_server.policy.encounters import Encounters
from maitred_server.policy.families import FAMILIES, of_met
from maitred_server.policy.grid import UNIT
from maitred_server.policy.linear import Candidates, Deltas, Linear, Model
from maitred_server.policy.meeting import Stage, meet, stage
from maitred_server.policy.past import past
from maitred_server.policy.scorer import Encounter, Scorer
from maitred_server.policy.space import FeatureSpace, feature_space
from maitred_server.store import Profile
from maitred_server.store.buckets import Buckets
from maitred_server.store.keys import group_key, item_key
from msgspec.structs import replace

learned = pytest.importorskip("maitred_server.compiled.learned", reason="nothing was compiled here")

DAY = 86_400_000
GROUPS = {"apples": ("fruit",), "pears": ("fruit", "soft"), "milk": (), "soap": ("home",), "salt": ("home",)}
TRAITS = ("subject.age", "subject.city", "subject.likes", "context.device")
SPACES = {
    "all": feature_space(),
    "traits": feature_space((), TRAITS, 5),
    "few": feature_space(("groups", "habit")),
    "turned": feature_space(tuple(reversed(FAMILIES)), TRAITS),
    "shared alone": feature_space(("slot",), TRAITS),
}

did = st.tuples(
    st.sampled_from(["purchase", "purchase", "view"]),
    st.sampled_from([*GROUPS, "bread"]),
    st.integers(0, 400 * 24).map(lambda hours: NOW - hours * DAY // 24),
)
values = st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 41.0, float("nan"), "Ghent", ("tea", "salt"), ["tea"]])


class Case(NamedTuple):
    """A placement, and somebody who comes to it."""

    space: FeatureSpace
    items: list[str]  # of the candidates; one that is there twice has variants
    groups: dict[str, tuple[str, ...]]
    shares: list[float]
    profile: Profile | None
    now: int
    subject: dict[str, object]
    context: dict[str, object]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    items = draw(st.lists(st.sampled_from([*GROUPS]), min_size=1, max_size=8))
    alone = draw(st.booleans())
    events = draw(st.lists(did, max_size=30))
    return Case(
        SPACES[draw(st.sampled_from(sorted(SPACES)))],
        items if draw(st.booleans()) else list(dict.fromkeys(items)),
        {item: groups[:1] if alone else groups for item, groups in GROUPS.items()},
        draw(st.lists(st.floats(0, 1), min_size=len(items), max_size=len(items))),
        draw(st.none() | st.just(profile(events))),
        NOW + draw(st.sampled_from([0, 1, 999_999_999, 4_000 * DAY])),
        {name: draw(values) for name in ("age", "city", "likes")},
        {"device": draw(values)},
    )


def profile(events: list[tuple[str, str, int]]) -> Profile:
    records = [record(at, Event(kind, item, groups=GROUPS.get(item, ()))) for kind, item, at in events]
    return Profile.empty(Kind.PERSON).with_records(list(enumerate(records, 1)))


def record(at: int, body: Body) -> Record:
    return Record(SUBJECT, Kind.PERSON, at, at, body)


def staged(case: Case) -> tuple[Stage, Candidates]:
    owners = [(row, group) for row, item in enumerate(case.items) for group in case.groups[item]]
    items = np.array([item_key(item) for item in case.items], np.uint64)
    groups = np.array([group_key(group) for _, group in owners], np.uint64)
    owner = np.array([row for row, _ in owners], np.int32)
    shares = np.array(case.shares[: len(items)])
    actions = np.arange(len(items), dtype=np.uint64)
    return stage(items, groups, owner).with_shares(shares), Candidates(items, actions, groups, owner)


def taught(space: FeatureSpace, candidates: Candidates) -> Linear:
    """Weights by chance, of two responses, at every level."""
    chance = np.random.default_rng(3)
    group, item, variant = (np.array(level, np.int32) for level in (space.group, space.item, space.variant))

    def deltas(keys: Keys, width: int) -> Deltas:
        found = np.unique(keys)
        inverses = np.repeat(np.eye(width)[None], len(found), 0) / 50
        return Deltas(found, chance.normal(0, 0.1, (len(found), 2, width)), inverses, np.ones(len(found)))

    wide = chance.normal(0, 0.1, (2, space.width))
    wide[:, -1] += 0.4
    levels = (
        deltas(candidates.groups[1:], len(group)),
        deltas(candidates.items[:3], len(item)),
        deltas(candidates.variants[::2], len(variant)),
    )
    inverse, means = np.eye(space.width) / 100, np.full(2, 0.4)
    model = Model(wide, inverse, 10.0, means, (group, item, variant), levels, (1.0,) * 4)
    return Linear(model, candidates, space.own)


def both(case: Case) -> tuple[Encounter, Encounter]:
    """By Python, and compiled."""
    laid, candidates = staged(case)
    scorer = Scorer(case.space, taught(case.space, candidates))
    plain, compiled = (of(scorer, laid, "purchase") for of in (Encounters, learned.Encounters))
    asked = (case.profile, case.now, case.subject, case.context)
    return plain.meet(*asked), compiled.meet(*asked)


def halves(case: Case) -> tuple[Keys, Floats]:
    """Of what was met: the rows, and how far each feature is from where rounding turns, in units of the grid."""
    meeting = meet(staged(case)[0], past(case.profile, "purchase", case.now))
    points = of_met(meeting)[list(case.space.of_own)] * UNIT
    return meeting.met.rows.astype(np.uint64), np.abs(points - np.floor(points) - 0.5).T


@settings(deadline=None)
@given(cases())
def test_features_are_the_same_points_of_the_grid(case: Case) -> None:
    """Of all candidates, met or not, and of what they share; but where the last bit of a logarithm decides."""
    plain, compiled = both(case)
    expected, found = plain.own(), compiled.own()
    rows, from_half = halves(case)
    close = np.zeros(expected.shape, np.bool_)
    close[rows] = from_half < 1e-6
    assert np.where(close, expected, found).tolist() == expected.tolist()
    assert compiled.shared.tolist() == plain.shared.tolist()


@settings(deadline=None)
@given(cases(), st.lists(st.floats(-3, 3), min_size=2, max_size=2))
def test_predictions_are_the_same(case: Case, worth: list[float]) -> None:
    """Of all responses, what they are worth together, and how sure they are; to 1e-12."""
    plain, compiled = both(case)
    if compiled.own().tolist() != plain.own().tolist():
        return  # see above
    np.testing.assert_allclose(compiled.predict(), plain.predict(), atol=1e-12)
    np.testing.assert_allclose(compiled.deviations(), plain.deviations(), atol=1e-12)
    for found, expected in zip(compiled.weighed(np.array(worth)), plain.weighed(np.array(worth)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


@settings(deadline=None)
@given(cases(), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 20)), min_size=1, max_size=4))
def test_what_is_sealed_is_what_was_scored_with(case: Case, chosen: list[tuple[int, int]]) -> None:
    """The packed features of some choices in their slots, and whether they were met."""
    plain, compiled = both(case)
    rows, slots = [row % len(case.items) for row, _ in chosen], [slot for _, slot in chosen]
    own, space = compiled.own(), case.space
    found = [np.frombuffer(one, "<i2") / UNIT for one in compiled.sealed(rows, slots)]
    assert [one[: space.own].tolist() for one in found] == own[rows].tolist()
    assert [one[space.own :].tolist() for one in found] == space.in_slots(plain.shared, slots).tolist()
    assert compiled.met(rows) == plain.met(rows)


def test_many_values_of_a_trait_are_forgotten_again() -> None:
    """Columns of values are kept for a number of them, and are the same when they were forgotten."""
    laid, candidates = staged(Case(SPACES["traits"], ["milk"], GROUPS, [0.1], None, NOW, {}, {}))
    encounters = learned.Encounters(Scorer(SPACES["traits"], taught(SPACES["traits"], candidates)), laid, "purchase")
    first = [encounters.meet(None, NOW, {"city": f"city {number}"}, {}).shared for number in range(10)]
    for number in range(5_000):
        encounters.meet(None, NOW, {"city": f"city {number}"}, {})
    again = [encounters.meet(None, NOW, {"city": f"city {number}"}, {}).shared for number in range(10)]
    assert np.stack(again).tolist() == np.stack(first).tolist()


def test_columns_of_another_kind_are_refused() -> None:
    """What is no profile's rows or buckets raises TypeError; buckets of rows that are not there count for nothing."""
    laid, candidates = staged(Case(SPACES["all"], ["milk"], GROUPS, [0.1], None, NOW, {}, {}))
    encounters = learned.Encounters(Scorer(SPACES["all"], taught(SPACES["all"], candidates)), laid, "purchase")
    whole = profile([("purchase", "milk", NOW - DAY)])
    for wrong in (
        replace(whole, rows=np.zeros(3)),
        replace(whole, buckets=Buckets(np.zeros(3, np.int64), np.zeros(3, np.uint32))),
        replace(whole, rows=None),
    ):
        with pytest.raises(TypeError):
            encounters.meet(wrong, NOW, {}, {})
    strange = Buckets(np.array([5 << 32, 2**64 - 1], np.uint64), np.ones(2, np.uint32))
    none = replace(whole, buckets=Buckets(strange.cells[:0], strange.tallies[:0]))
    expected = encounters.meet(none, NOW, {}, {}).own()
    assert encounters.meet(replace(whole, buckets=strange), NOW, {}, {}).own().tolist() == expected.tolist()

"""Scoring what a subject met and what it never met apart: the features and predictions are those of a plain loop."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.policy.base import Floats, Keys
from maitred_server.policy.families import FAMILIES, OWN, SHARED, factors, told_of
from maitred_server.policy.grid import UNIT
from maitred_server.policy.linear import Candidates, Deltas, Linear, Model
from maitred_server.policy.meeting import Meeting, meet, stage
from maitred_server.policy.past import Past
from maitred_server.policy.scorer import Encounter, Scorer
from maitred_server.policy.space import FeatureSpace, feature_space

ITEMS = np.array([50, 10, 10, 40, 20, 30], np.uint64)  # the item 10 has two variants
ACTIONS = np.arange(100, 106, dtype=np.uint64)
GROUPS, OWNER = np.array([7, 8, 7, 8, 9], np.uint64), np.array([0, 0, 1, 2, 4], np.int32)
CANDIDATES = Candidates(ITEMS, ACTIONS, GROUPS, OWNER)
SHARES = np.array([0.2, 0.31, 0.31, 0.0, 0.013, 0.5])
THINGS = (10, 20, 30, 40, 7, 8, 99)  # items, groups, and one that is no candidate

days = st.floats(0, 400)
thing = st.tuples(st.integers(1, 50), st.floats(1, 20), days, days, *[st.floats(0, 20)] * 3)
pasts = st.dictionaries(st.sampled_from(THINGS), thing, max_size=len(THINGS))
SPACES = {
    "all": feature_space(),
    "traits": feature_space((), ("subject.age",)),
    "few": feature_space(("habit", "groups")),
}
spaces = st.sampled_from(sorted(SPACES))


def past_of(met: dict[int, tuple[float, ...]]) -> Past:
    keys = np.array(list(met), np.uint64)
    table = np.array(list(met.values()), np.float64).reshape(-1, 7).T.copy()
    table[2:4] = np.sort(table[2:4], axis=0)[::-1]  # the first time is before the last
    return Past(keys, table, 25.0, np.array([6.0, 9.0, 14.0]), 2.5, 3.5)


def own_by_hand(space: FeatureSpace, past: Past, row: int) -> list[float]:
    """The features as docs/features.md defines them, one candidate at a time."""
    at = np.flatnonzero(past.keys == ITEMS[row])
    met = len(at) > 0
    counts, visits_of, first, last, *faded = past.table[:, at[0]].tolist() if met else [0.0] * 7
    basket = (past.basket * past.visits + 15.0) / (past.visits + 5.0)
    popular = min(SHARES[row] * basket, 1.0)
    share = (visits_of + 10.0 * popular) / (past.visits + 10.0)
    usual = [(one + 5.0 * popular) / (of + 5.0) for one, of in zip(faded, past.visits_faded, strict=True)]
    r = last / ((first - last + 60.0) / (max(visits_of - 1.0, 0.0) + 2.0)) if met else 0.0
    fresh, due = math.exp(-r), max(0.0, 1.0 - abs(r - 1.0))
    mine = GROUPS[row == OWNER]
    of_groups = [past.faded[1, past.keys == group].sum() / (past.visits_faded[1] + 5.0) for group in mine]
    by_family = {
        "popularity": [popular],
        "habit": [share, math.log1p(counts), share / math.log(past.visits + 2.0), float(not met)],
        "rhythm": [*usual, usual[1] ** 2, usual[1] * math.log(basket), usual[1] * math.log1p(past.since)],
        "recency": [math.exp(-last / 7.0), math.exp(-last / 30.0), float(last <= past.since)] if met else [0.0] * 3,
        "due": [fresh, due, min(r, 3.0), fresh * usual[1], due * usual[1]] if met else [0.0] * 5,
        "slot": [],
        "groups": [float(np.mean(of_groups)) if len(mine) else 0.0],
    }
    return [number for family in space.families for number in by_family[family.name]]


def taught(space: FeatureSpace, seed: int = 3) -> Linear:
    """Weights by chance, of two responses, at every level."""
    chance, types = np.random.default_rng(seed), 2
    group, item, variant = (np.array(level, np.int32) for level in (space.group, space.item, space.variant))

    def deltas(keys: Keys, width: int) -> Deltas:
        values = chance.normal(0, 0.05, (len(keys), types, width))
        return Deltas(keys, values, np.zeros((len(keys), width, width)), np.ones(len(keys)))

    wide, nothing = chance.normal(0, 0.05, (types, space.width)), np.zeros((space.width, space.width))
    wide[:, -1] += 0.5
    levels = (
        deltas(np.unique(GROUPS)[:2], len(group)),
        deltas(np.unique(ITEMS)[1:], len(item)),
        deltas(ACTIONS[::2], len(variant)),
    )
    model = Model(wide, nothing, 10.0, np.full(types, 0.5), (group, item, variant), levels, (1.0,) * 4)
    return Linear(model, CANDIDATES, space.own)


def met_at(past: Past) -> Meeting:
    return meet(stage(ITEMS, GROUPS, OWNER).with_shares(SHARES), past, {"subject.age": 41})


@settings(deadline=None)
@given(pasts, spaces)
def test_features_are_those_of_the_definitions(met: dict[int, tuple[float, ...]], name: str) -> None:
    """Of candidates that were met and of others, with variants and several groups, to a point of the grid."""
    past, space = past_of(met), SPACES[name]
    found = Encounter(Scorer(space, taught(space)), met_at(past)).own()
    expected = np.array([own_by_hand(space, past, row) for row in range(len(ITEMS))])
    np.testing.assert_allclose(found, expected, atol=0.51 / UNIT)
    assert (found * UNIT == np.rint(found * UNIT)).all()


@settings(deadline=None)
@given(pasts, spaces)
def test_predictions_are_the_dense_ones(met: dict[int, tuple[float, ...]], name: str) -> None:
    """All features of all candidates times all weights give the same to 1e-12, for every response."""
    space = SPACES[name]
    linear, meeting = taught(space), met_at(past_of(met))
    encounter = Encounter(Scorer(space, linear), meeting)
    expected: Floats = linear.predict(encounter.own(), space.shared(meeting))
    np.testing.assert_allclose(encounter.predict(), expected, atol=1e-12)


@settings(deadline=None)
@given(pasts, st.lists(st.integers(0, len(ITEMS) - 1), min_size=1, max_size=4))
def test_what_is_sealed_is_what_was_scored_with(met: dict[int, tuple[float, ...]], rows: list[int]) -> None:
    """The packed features of some choices are the very numbers of the whole columns, met or not."""
    space, meeting = feature_space(), met_at(past_of(met))
    encounter = Encounter(Scorer(space, taught(space)), meeting)
    found = encounter.features(rows, range(len(rows))) / UNIT
    assert found[:, : space.own].tolist() == encounter.own()[rows].tolist()
    assert found[:, space.own :].tolist() == space.in_slots(space.shared(meeting), range(len(rows))).tolist()
    assert encounter.met(rows) == [int(ITEMS[row]) in met for row in rows]


def test_every_family_says_what_its_features_are_of_the_unmet() -> None:
    """One kind and one factor for each feature of its own, and one number for each that is shared."""
    meeting = met_at(past_of({}))
    for family in FAMILIES.values():
        assert len(family.unmet) == len(family.own)
    assert (len(factors(meeting)), len(told_of(meeting))) == (len(OWN), len(SHARED))


def test_families_come_in_the_order_that_is_asked_for() -> None:
    """All of them the other way round have the same features in other places."""
    met = met_at(past_of({10: (3, 2.0, 50.0, 9.0, 1.0, 1.5, 2.0), 7: (1, 1.0, 3.0, 3.0, 0.9, 0.9, 1.0)}))
    spaces = (feature_space(), feature_space(tuple(reversed(FAMILIES))))
    found = [Encounter(Scorer(space, taught(space)), met).own() for space in spaces]
    places = [spaces[1].names.index(name) for name in spaces[0].names[: spaces[0].own]]
    assert found[0].tolist() == found[1][:, places].tolist()
    shared = [dict(zip(space.names[space.own :], space.shared(met).tolist(), strict=True)) for space in spaces]
    assert shared[0] == shared[1]

"""Scoring with the weights of several levels: what a plain loop over features says."""

from __future__ import annotations

import numpy as np
import pytest
from maitred_server.policy.base import Floats
from maitred_server.policy.linear import Candidates, Deltas, Linear, Model

WIDTH, OWN, TYPES = 5, 2, 2
COLUMNS = (np.array([0, 3, 4], np.int32), np.array([1, 4], np.int32), np.array([4], np.int32))
PENALTIES = (1.0, 2.0, 4.0, 8.0)
CANDIDATES = Candidates(
    np.array([101, 102, 103], np.uint64),
    np.array([201, 202, 203], np.uint64),
    np.array([11, 12, 12, 19], np.uint64),
    np.array([0, 0, 1, 2], np.int32),
)


def deltas(chance: np.random.Generator, keys: list[int], size: int) -> Deltas:
    square = chance.normal(size=(len(keys), size, size))
    inverses = square @ square.transpose(0, 2, 1)
    return Deltas(np.array(keys, np.uint64), chance.normal(size=(len(keys), TYPES, size)), inverses, np.ones(len(keys)))


def model(seed: int = 0, scale: float = 0.05) -> Model:
    """Of candidates 0 to 2: group 19, item 103 and variants 201 and 203 are unknown to it."""
    chance = np.random.default_rng(seed)
    levels = tuple(
        deltas(chance, keys, len(cols)) for keys, cols in zip(([11, 12], [101, 102], [202]), COLUMNS, strict=True)
    )
    levels = tuple(level._replace(values=level.values * scale) for level in levels)
    wide, square = chance.normal(size=(TYPES, WIDTH)) * scale, chance.normal(size=(WIDTH, WIDTH))
    return Model(wide, square @ square.T, 100.0, np.array([0.2, 0.7]), COLUMNS, levels, PENALTIES)  # type: ignore[arg-type]


def features(seed: int = 1) -> tuple[Floats, Floats]:
    chance = np.random.default_rng(seed)
    return chance.normal(size=(3, OWN)), np.append(chance.normal(size=WIDTH - OWN - 1), 1.0)


def groups_of(row: int) -> list[int]:
    return [int(key) for key, owner in zip(CANDIDATES.groups, CANDIDATES.group_owner, strict=True) if owner == row]


def keys_of(row: int) -> list[list[int]]:
    return [groups_of(row), [int(CANDIDATES.items[row])], [int(CANDIDATES.variants[row])]]


def by_hand(weights: Model, f: Floats, row: int, outcome: int) -> float:
    """The wide weights, and each level's where something is known; several groups count by their mean."""
    total = float(weights.wide[outcome] @ f)
    for level, columns, keys in zip(weights.levels, weights.columns, keys_of(row), strict=True):
        for key in keys:
            for at in np.flatnonzero(level.keys == key):
                total += float(level.values[at, outcome] @ f[columns]) / len(keys)
    return total


def test_predictions_are_the_sum_of_the_levels() -> None:
    """Each candidate's prediction is the sum over its levels, for every outcome type."""
    weights, (own, shared) = model(), features()
    weights.wide[:, -1] += 0.5  # so that none is cut off
    found = Linear(weights, CANDIDATES, OWN).predict(own, shared)
    rows = [np.concatenate([own[row], shared]) for row in range(3)]
    expected = [[by_hand(weights, f, row, outcome) for row, f in enumerate(rows)] for outcome in range(TYPES)]
    np.testing.assert_allclose(found, expected)
    assert ((found > 0) & (found < 1)).all()


def test_predictions_are_probabilities() -> None:
    """What the weights put beyond 0 and 1 is cut off there."""
    found = Linear(model(scale=50.0), CANDIDATES, OWN).predict(*features())
    assert found.min() == 0.0
    assert found.max() == 1.0


def variance_by_hand(weights: Model, f: Floats, row: int) -> float:
    total = float(f @ weights.wide_inverse @ f)
    levels = zip(weights.levels, weights.columns, keys_of(row), PENALTIES[1:], strict=True)
    for level, columns, keys, penalty in levels:
        for key in keys:
            at = np.flatnonzero(level.keys == key)
            inverse = level.inverses[at[0]] if len(at) else np.eye(len(columns)) / penalty
            total += float(f[columns] @ inverse @ f[columns]) / len(keys) ** 2
    return total


def test_deviations_add_up_over_the_levels() -> None:
    """A candidate's variance is the sum of its levels'; an unknown key has that of its prior, 1 / penalty."""
    weights, (own, shared) = model(), features()
    found = Linear(weights, CANDIDATES, OWN).deviations(own, shared, outcome=1)
    expected = [variance_by_hand(weights, np.concatenate([own[row], shared]), row) for row in range(3)]
    np.testing.assert_allclose(found, np.sqrt(expected) * weights.deviation(1))


def test_a_response_deviates_as_a_yes_or_no_does() -> None:
    """With nothing known as an even chance, with much known as the mean says."""
    weights = model()
    assert weights._replace(exposures=0.0).deviation() == pytest.approx(0.5)
    assert weights._replace(exposures=1e9).deviation() == pytest.approx(np.sqrt(0.2 * 0.8))


def test_replacing_keeps_the_other_keys() -> None:
    """Keys that are given anew have their new values, others their old ones, and keys stay in order."""
    chance = np.random.default_rng(5)
    old, fresh = deltas(chance, [1, 3, 5], 2), deltas(chance, [3, 4], 2)
    found = old.replaced(fresh)
    assert found.keys.tolist() == [1, 3, 4, 5]
    np.testing.assert_array_equal(found.values[[0, 3]], old.values[[0, 2]])
    np.testing.assert_array_equal(found.values[[1, 2]], fresh.values)

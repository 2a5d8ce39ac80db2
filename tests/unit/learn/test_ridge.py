"""Sums of a ridge regression: exact, and weights that are what a dense solver says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from maitred_server.errors import RecordDamaged
from maitred_server.learn.fixed import UNIT, fixed
from maitred_server.learn.ridge import Level, Shown, Space, Sums
from maitred_server.learn.weights import Families, Fitting, Weights, fit

WIDTH, TYPES = 6, 2
SPACE = Space.of(WIDTH, group=[0, 2, 5], item=[1, 5], variant=[5])
FAMILIES = Families(
    {100 + item: (10 + item % 3,) for item in range(8)}, {1_100 + item: 100 + item for item in range(8)}
)


class Exposures(NamedTuple):
    """Columns to make `Shown` of."""

    days: np.ndarray
    items: np.ndarray
    features: np.ndarray
    responses: np.ndarray

    def shown(self, rows: np.ndarray | slice = slice(None)) -> Shown:
        items = self.items[rows].astype(np.uint64)
        owner = np.arange(len(items), dtype=np.int32)
        groups = np.array([10 + (int(item) - 100) % 3 for item in items], np.uint64)
        features, responses = self.features[rows], self.responses[rows]
        return Shown(self.days[rows], items, items + np.uint64(1_000), groups, owner, features, responses)


def exposures(number: int, seed: int = 0) -> Exposures:
    chance = np.random.default_rng(seed)
    features = fixed(chance.normal(size=(number, WIDTH)))
    features[:, -1] = UNIT
    days = chance.integers(0, 12, number).astype(np.int32)
    responses = chance.integers(0, UNIT + 1, (number, TYPES)).astype(np.int32)
    return Exposures(days, chance.integers(100, 108, number), features, responses)


def summed(*parts: Shown) -> Sums:
    sums = Sums(SPACE, TYPES)
    for part in parts:
        sums.add(part)
    return sums


@settings(max_examples=25)
@given(some.permutations(range(60)), some.integers(0, 60))
def test_order_and_sharding_do_not_matter(order: list[int], cut: int) -> None:
    """Exposures in any order, over two shards that are added, give the very bytes of all in one go; taking one shard
    away leaves the bytes of the other.
    """
    data, rows = exposures(60), np.array(order)
    first, second = summed(data.shown(rows[:cut])), summed(data.shown(rows[cut:]))
    both = summed(data.shown(rows[:cut]))
    both.merge(second)
    assert both.to_bytes() == summed(data.shown()).to_bytes()
    both.subtract(data.shown(rows[cut:]))
    assert both.to_bytes() == first.to_bytes()


def test_late_outcomes_are_differences() -> None:
    """An exposure that enters with a default and is corrected later sums up as if its outcome had been known."""
    data = exposures(40)
    defaults = data._replace(responses=np.zeros_like(data.responses))
    sums = summed(defaults.shown())
    sums.correct(data.shown())
    assert sums == summed(data.shown())


def test_days_roll_up_exactly() -> None:
    """Days joined into weeks hold what the same exposures, dated by week, hold."""
    data = exposures(80)
    sums = summed(data.shown())
    sums.roll({day: day - day % 7 for day in range(12)})
    assert sums == summed(data._replace(days=data.days - data.days % 7).shown())
    assert sums.days() == [0, 7]


def test_old_periods_can_go() -> None:
    """After a retention sums are as if only the newer exposures had been."""
    data = exposures(80)
    sums = summed(data.shown())
    sums.drop(before=5)
    assert sums == summed(data.shown(data.days >= 5))


def test_sums_survive_the_disk_and_say_when_they_did_not() -> None:
    """Bytes read back are equal sums that go on counting; a flipped bit is refused."""
    data = exposures(50)
    sums = summed(data.shown(slice(0, 30)))
    again = Sums.from_bytes(sums.to_bytes())
    again.add(data.shown(slice(30, 50)))
    assert again == summed(data.shown())
    damaged = bytearray(sums.to_bytes())
    damaged[len(damaged) // 2] ^= 4
    with pytest.raises(RecordDamaged):
        Sums.from_bytes(bytes(damaged))


def dense(features: np.ndarray, residual: np.ndarray, weight: np.ndarray, penalty: float) -> np.ndarray:
    prior = penalty * np.eye(features.shape[1])
    return np.linalg.solve((features * weight[:, None]).T @ features + prior, (features * weight[:, None]).T @ residual)


def test_weights_are_those_of_a_dense_solver() -> None:
    """At each level the weights are the ridge solution over its own exposures of what the wider levels leave over."""
    data, fitting = exposures(500), Fitting((1.0, 4.0, 5.0, 8.0), half_life_days=4.0)
    weights: Weights = fit(summed(data.shown()), FAMILIES, fitting, today=12)
    x, r = data.features / UNIT, data.responses / UNIT
    weight = np.exp2(-(12 - data.days) / 4.0)
    wide = dense(x, r, weight, 1.0)
    np.testing.assert_allclose(weights.wide, wide.T, atol=1e-9)
    left = r - x @ wide
    for group in (10, 11, 12):
        of_group = (data.items - 100) % 3 == group - 10
        delta = dense(x[of_group][:, SPACE.group], left[of_group], weight[of_group], 4.0)
        np.testing.assert_allclose(weights.groups.values[weights.groups.find(np.array([group], np.uint64))[0]], delta.T)
        left[of_group] -= x[of_group][:, SPACE.group] @ delta
    of_item = data.items == 103
    delta = dense(x[of_item][:, SPACE.item], left[of_item], weight[of_item], 5.0)
    at = weights.items.find(np.array([103], np.uint64))[0]
    np.testing.assert_allclose(weights.items.values[at], delta.T)
    left[of_item] -= x[of_item][:, SPACE.item] @ delta
    delta = dense(x[of_item][:, SPACE.variant], left[of_item], weight[of_item], 8.0)
    at = weights.variants.find(np.array([1_103], np.uint64))[0]
    np.testing.assert_allclose(weights.variants.values[at], delta.T)


def test_a_cold_key_is_as_uncertain_as_its_prior() -> None:
    """After one exposure with one feature of size 1 the inverse is 1 / (penalty + 1); before any it is 1 / penalty."""
    data = exposures(1)
    data.features[:] = 0
    data.features[0, 5] = UNIT
    weights = fit(summed(data.shown()), FAMILIES, Fitting((2.0, 4.0, 4.0, 8.0)))
    assert weights.variants.inverses[0, 0, 0] == pytest.approx(1 / 9)
    assert fit(Sums(SPACE, TYPES), FAMILIES, Fitting((2.0, 4.0, 4.0, 8.0))).wide_inverse[0, 0] == pytest.approx(0.5)


def test_a_new_item_has_its_groups_weights() -> None:
    """An item that nobody has met is scored with the placement's weights and what its group adds."""
    weights = fit(summed(exposures(300).shown()), FAMILIES, Fitting())
    total = weights.of_groups(np.array([11], np.uint64))
    expected = weights.wide.copy()
    expected[:, SPACE.group] += weights.groups.values[weights.groups.find(np.array([11], np.uint64))[0]]
    np.testing.assert_allclose(total, expected)


def test_what_is_beyond_the_grid_is_cut() -> None:
    """Features beyond the grid become its end, what is no number 0."""
    values = np.array([0.5, 100.0, -100.0, np.nan, np.inf])
    assert fixed(values).tolist() == [UNIT // 2, 32_767, -32_768, 0, 32_767]


def test_blocks_are_counted_by_level() -> None:
    """Every exposure is counted once at the placement, at its item and at its variant, and once for each group."""
    sums = summed(exposures(70).shown())
    assert {level: sum(block.number for _, _, block in sums.blocks(level)) for level in Level} == dict.fromkeys(
        Level, 70
    )

"""What single refits, priors and slots do to weights."""

from __future__ import annotations

import numpy as np
import pytest
from maitred_server.learn.evidence import PENALTIES, best_penalty
from maitred_server.learn.fixed import UNIT, fixed
from maitred_server.learn.ridge import Level, Shown, Space, Sums
from maitred_server.learn.weights import Families, Fitting, Touched, fit, refit
from maitred_server.policy.linear import Candidates, Linear

FAMILIES = Families({item: (10 + item % 2,) for item in range(4)}, {100 + item: item for item in range(4)})


def shown(items: np.ndarray, features: np.ndarray, responses: np.ndarray) -> Shown:
    """One response; each item is of one group and has one variant."""
    keys, owner = items.astype(np.uint64), np.arange(len(items), dtype=np.int32)
    answers = np.rint(responses * UNIT).astype(np.int32)[:, None]
    days = np.zeros(len(items), np.int32)
    groups = np.array([10 + item % 2 for item in items.tolist()], np.uint64)
    return Shown(days, keys, keys + np.uint64(100), groups, owner, fixed(features), answers)


def some_shown(number: int, seed: int, items: int = 4) -> Shown:
    chance = np.random.default_rng(seed)
    features = np.append(chance.normal(size=(number, 2)), np.ones((number, 1)), 1)
    return shown(chance.integers(0, items, number), features, chance.random(number))


def every_key(sums: Sums, level: Level) -> np.ndarray:
    return np.unique(sums.stacked(level).keys)


def test_refitting_every_key_is_fitting() -> None:
    """When the placement's weights are right, all keys solved anew are the weights of a whole fit, to the bit."""
    sums = Sums(Space.of(3), 1)
    sums.add(some_shown(200, 1))
    whole = fit(sums, FAMILIES, Fitting())
    touched = Touched(*(every_key(sums, level) for level in (Level.GROUP, Level.ITEM, Level.VARIANT)))
    again = refit(whole, sums, FAMILIES, touched)
    for mine, theirs in zip(again[-3:], whole[-3:], strict=True):
        np.testing.assert_array_equal(mine.values, theirs.values)
        np.testing.assert_array_equal(mine.inverses, theirs.inverses)


def test_only_touched_keys_change() -> None:
    """After news of item 2 alone, the others' weights are as they were, and item 2's are those of a fit of its own."""
    sums = Sums(Space.of(3, group=[], variant=[]), 1)
    sums.add(some_shown(100, 1))
    before = fit(sums, FAMILIES, Fitting())
    sums.add(shown(np.array([2] * 5), np.ones((5, 3)), np.ones(5)))
    none = np.zeros(0, np.uint64)
    after = refit(before, sums, FAMILIES, Touched(none, np.array([2], np.uint64), none))
    np.testing.assert_array_equal(after.items.values[[0, 1, 3]], before.items.values[[0, 1, 3]])
    block = sums.stacked(Level.ITEM, np.array([2], np.uint64))
    products, answers = block.products[0] / UNIT**2, block.answers[0, 0] / UNIT**2
    expected = np.linalg.solve(products + 4.0 * np.eye(3), answers - products @ before.wide[0])
    np.testing.assert_allclose(after.items.values[2, 0], expected)
    assert after.items.exposures[2] == before.items.exposures[2] + 5


def candidates(items: list[int]) -> Candidates:
    keys = np.array(items, np.uint64)
    groups = np.array([10 + item % 2 for item in items], np.uint64)
    return Candidates(keys, keys + np.uint64(100), groups, np.arange(len(items), dtype=np.int32))


def test_a_new_item_is_scored_by_its_group_and_its_own_features() -> None:
    """Item 8, which nobody met, is predicted above item 9 because its group did better, and above a twin of its own
    group whose feature is worse.
    """
    chance = np.random.default_rng(2)
    items, features = chance.integers(0, 4, 2_000), np.ones((2_000, 2))
    features[:, 0] = chance.random(2_000)
    chances = 0.1 + 0.3 * features[:, 0] + 0.3 * (items % 2 == 0)
    sums = Sums(Space.of(2, group=[1], item=[1], variant=[]), 1)
    sums.add(shown(items, features, (chance.random(2_000) < chances).astype(float)))
    linear = Linear(fit(sums, FAMILIES, Fitting()).model(), candidates([8, 9, 8]), own=1)
    found = linear.predict(np.array([[0.5], [0.5], [0.1]]), np.ones(1))[0]
    assert found[0] - found[1] == pytest.approx(0.3, abs=0.06)
    assert found[0] - found[2] == pytest.approx(0.12, abs=0.04)


def test_the_slot_takes_the_credit_for_itself() -> None:
    """Of two equally good items the one that was mostly shown in a first slot, where everything does three times as
    well, looks better without the slot as a feature, and no better with it.
    """
    chance = np.random.default_rng(3)
    items = chance.integers(0, 2, 4_000)
    is_first = chance.random(4_000) < np.where(items == 0, 0.9, 0.1)
    responses = (chance.random(4_000) < np.where(is_first, 0.6, 0.2)).astype(float)

    def gap(slot: np.ndarray) -> float:
        sums = Sums(Space.of(2, group=[], item=[1], variant=[]), 1)
        sums.add(shown(items, np.stack([slot, np.ones(4_000)], 1), responses))
        weights = fit(sums, FAMILIES, Fitting((1.0, 1.0, 1.0, 1.0)))
        found = Linear(weights.model(), candidates([0, 1]), own=0).predict(np.zeros((2, 0)), np.array([1.0, 1.0]))
        return float(found[0, 0] - found[0, 1])

    assert gap(np.zeros(4_000)) > 0.25
    assert abs(gap(is_first.astype(float))) < 0.05


def evidence(x: np.ndarray, y: np.ndarray, penalty: float) -> float:
    """Twice the log evidence by the responses' own covariance, noise fitted, and without what is constant."""
    covariance = np.eye(len(x)) + x @ x.T / penalty
    return float(-len(x) * np.log(y @ np.linalg.solve(covariance, y)) - np.linalg.slogdet(covariance)[1])


@pytest.mark.parametrize("noise", [0.05, 0.5, 5.0])
def test_the_penalty_is_the_most_likely_one(noise: float) -> None:
    """What is chosen from a grid is what the marginal likelihood of the responses chooses, worked out the long way,
    with the little that is held against leaving 1; and what it leaves is what is left.
    """
    chance = np.random.default_rng(4)
    x = chance.normal(size=(120, 6))
    y = x @ chance.normal(size=6) * 0.4 + noise * chance.normal(size=120)
    found = best_penalty(PENALTIES, (x.T @ x)[None], (x.T @ y)[None, None], np.array([y @ y]), 120.0)
    assert found.penalty == max(PENALTIES, key=lambda one: evidence(x, y, one) - 2.0 * np.log(one) ** 2)
    inverse = np.linalg.inv(x.T @ x + found.penalty * np.eye(6))
    np.testing.assert_allclose(found.left, [y @ y - y @ x @ inverse @ x.T @ y])


def test_noise_is_held_to_the_prior_more_strongly() -> None:
    """Where twenty features of four items are mere noise a strong penalty is chosen, where they tell a weaker one."""
    chance = np.random.default_rng(6)
    items, features = chance.integers(0, 4, 800), chance.normal(size=(800, 20))
    features[:, -1] = 1.0

    def chosen(responses: np.ndarray) -> float:
        sums = Sums(Space.of(20, group=[], variant=[]), 1)
        sums.add(shown(items, features, responses))
        return fit(sums, FAMILIES, Fitting(grid=PENALTIES)).fitting.penalties[Level.ITEM]

    telling = 0.5 + (features * chance.normal(size=(4, 20))[items]).sum(1) / 10
    noise = chosen((chance.random(800) < 0.5).astype(float))
    assert noise >= 16.0
    assert chosen((chance.random(800) < telling).astype(float)) <= noise / 2

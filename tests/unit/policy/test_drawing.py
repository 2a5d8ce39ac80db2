"""Policies that draw: their probabilities are a distribution, and what they draw from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from maitred_server.policy.base import CLOSED, Floats
from maitred_server.policy.drawing import Drawn
from maitred_server.policy.epsilon import Epsilon
from maitred_server.policy.inverse_gap import InverseGap, learned_gamma
from maitred_server.policy.thompson import Thompson

Make = Callable[[int], Drawn]
POLICIES: dict[str, Make] = {
    "inverse_gap": lambda size: InverseGap(30.0),
    "epsilon": lambda size: Epsilon(0.2),
    "thompson": lambda size: Thompson(np.full(size, 0.1), seed=7),
}
priorities = some.lists(some.one_of(some.floats(0, 1), some.just(CLOSED)), min_size=1, max_size=30).filter(
    lambda values: max(values) > CLOSED
)


@pytest.mark.parametrize("name", POLICIES)
@given(values=priorities, draw=some.floats(0, 1, exclude_max=True))
def test_probabilities_are_a_distribution(name: str, values: list[float], draw: float) -> None:
    """They sum to 1, are 0 for closed rows and above 0 for open ones; what is chosen has the probability it says."""
    priority = np.array(values)
    policy = POLICIES[name](len(values))
    found = policy.probabilities(priority)
    assert found.sum() == pytest.approx(1.0)
    assert ((found > 0) == (priority > CLOSED)).all()
    chosen = policy.choose(priority, draw)
    assert chosen is not None
    assert chosen[1] == found[chosen[0]]


@pytest.mark.parametrize("name", POLICIES)
def test_draws_are_as_frequent_as_they_say(name: str) -> None:
    """Over 40,000 draws each row comes as often as its probability says (chi-square, p > .001)."""
    priority = np.array([0.2, CLOSED, 0.35, 0.3, 0.05, 0.34])
    policy = POLICIES[name](6)
    draws = (np.arange(40_000) + 0.5) / 40_000
    counts = np.zeros(6)
    for draw in np.random.default_rng(3).permutation(draws):
        counts[policy.choose(priority, float(draw))[0]] += 1  # type: ignore[index]
    expected = policy.probabilities(priority) * 40_000
    is_open = expected > 0
    assert (((counts - expected)[is_open] ** 2) / expected[is_open]).sum() < 18.5  # 4 degrees of freedom


@pytest.mark.parametrize("name", POLICIES)
def test_nothing_is_chosen_where_nothing_is_open(name: str) -> None:
    """With every row closed there is no choice."""
    assert POLICIES[name](3).choose(np.full(3, CLOSED), 0.5) is None


def test_inverse_gap_is_the_published_rule() -> None:
    """P(a) = 1 / (K + gamma gap) for all but the best, which has the rest."""
    found = InverseGap(10.0).probabilities(np.array([0.5, 0.3, CLOSED, 0.0]))
    expected: Floats = np.array([0.0, 1 / (3 + 2.0), 0.0, 1 / (3 + 5.0)])
    expected[0] = 1 - expected.sum()
    np.testing.assert_allclose(found, expected)


def test_gamma_grows_with_the_root_of_the_exposures() -> None:
    """Four times the exposures double it."""
    assert learned_gamma(10, 4_000, 8, 1.0) == pytest.approx(2 * learned_gamma(10, 1_000, 8, 1.0))


def test_thompson_is_near_the_true_probability() -> None:
    """Of two candidates a gap of one standard deviation of the difference apart, the worse is best in 16% of draws."""
    policy = Thompson(np.full(2, 0.1 / np.sqrt(2)), seed=1, floor=0.0, panel=100_000)
    assert policy.probabilities(np.array([0.5, 0.4]))[1] == pytest.approx(0.1587, abs=0.005)


@pytest.mark.parametrize("name", POLICIES)
@given(values=priorities)
def test_a_higher_priority_is_never_less_likely(name: str, values: list[float]) -> None:
    """Of two open rows the one with the higher priority has no lower probability."""
    priority = np.array(values)
    found = POLICIES[name](len(values)).probabilities(priority)
    if name == "thompson":  # its panel draws each row apart: of rows that are far apart it holds for certain
        priority = np.where(priority > CLOSED, np.round(priority), CLOSED) * 10.0
        found = POLICIES[name](len(values)).probabilities(priority)
    is_open = priority > CLOSED
    order = np.argsort(priority[is_open], kind="stable")
    gaps, rises = np.diff(priority[is_open][order]), np.diff(found[is_open][order])
    assert (rises[gaps > 0] >= -1e-12).all()

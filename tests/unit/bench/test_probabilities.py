"""Choices come as often as their action probabilities say, whatever was filled before them."""

from __future__ import annotations

import math

import pytest
from maitred_server.policy import POLICIES
from maitred_tools.bench import smallpage
from maitred_tools.bench.chisquare import Cell, Fit, fit, survival
from maitred_tools.bench.probabilities import HONEST, SIGNIFICANT, WRONG, bound, holds, simulate

DRAWN = {"uniform", "softmax", "inverse_gap", "thompson", "epsilon"}
HONEST_NAMES = [policy.name for policy in HONEST]


def test_every_policy_is_simulated() -> None:
    """All that can serve, and one with unequal probabilities beside them."""
    assert [policy.name for policy in HONEST] == [*POLICIES, "softmax"]


def test_probabilities_hold_on_a_page() -> None:
    """20,000 decisions with pins, caps, reserved and stretch slots, limits and page rules: of no policy the frequencies
    are off from what was reported, given the slots before; and those of wrong policies are.
    """
    found = [simulate(policy, 10_000 if policy.name in DRAWN else 400) for policy in HONEST]
    least = bound(found)
    assert [one.policy for one in found if holds(one, least)] == HONEST_NAMES
    assert {one.policy for one in found if one.fit.freedom > 10} == DRAWN
    assert {one.policy for one in found if not one.certain} == DRAWN
    assert [holds(simulate(policy, 2_000), least) for policy in WRONG] == [False, False]
    uniform = next(one for one in found if one.policy == "uniform")
    everything = frozenset(smallpage.GROUP)
    assert list(uniform.shown) == [
        everything,
        everything,
        everything - {"pears", "milk"},  # shown as often as may be
        everything - {"pears", "milk", "candles"},  # which a rule closes in the sun
    ]
    for one in found:  # of 4 moments each has the window's pin, one the till's, and three have usual groups
        assert one.stretched == one.decisions * 3 // 8
        assert one.pinned == one.decisions * 5 // 8 or one.policy == "fixed"  # whose choices are rules too


@pytest.mark.slow
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("policy", HONEST, ids=HONEST_NAMES)
def test_probabilities_hold_over_a_million_decisions(policy: object) -> None:
    """Of every policy, over 1,000,000 decisions: p > .001 for all places of the page together, and for each with
    Bonferroni's correction.
    """
    (simulated,) = [simulate(one, 1_000_000) for one in HONEST if one is policy]
    assert simulated.decisions == 1_000_000
    assert holds(simulated, bound([simulated]))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([Cell(50, 0.5), Cell(50, 0.5)], Fit(0.0, 1)),
        ([Cell(60, 0.5), Cell(40, 0.5)], Fit(4.0, 1)),
        ([Cell(60, 0.5), Cell(35, 0.45), Cell(5, 0.05)], Fit(4.0, 1)),  # 5 and 45 are put together
        ([Cell(100, 1.0)], Fit(0.0, 0)),
        ([Cell(100, 0.5)], Fit(100.0, 1)),  # half of them should have been something else
        ([Cell(9, 0.5), Cell(8, 0.5)], Fit(0.0, 0)),  # too few to say
        ([Cell(50, 1.0), Cell(50, 1.0)], Fit(math.inf, 2)),  # what is certain cannot be two things
    ],
)
def test_fit_of_counts(cells: list[Cell], expected: Fit) -> None:
    """Against sums by hand; cells with an expectation below 10 are put together."""
    assert fit(cells) == expected


@pytest.mark.parametrize(
    ("chi_square", "freedom", "p"),
    [
        (3.841, 1, 0.05),
        (10.828, 1, 0.001),
        (18.307, 10, 0.05),
        (29.588, 10, 0.001),
        (233.994, 200, 0.05),
        (249.445, 200, 0.01),
        (553.127, 500, 0.05),
        (1074.679, 1000, 0.05),
        (0.0, 5, 1.0),
        (5.0, 0, 1.0),
    ],
)
def test_survival_is_that_of_the_tables(chi_square: float, freedom: int, p: float) -> None:
    """Printed quantiles of the chi-square distribution, below and above where it is approximated."""
    assert survival(chi_square, freedom) == pytest.approx(p, rel=0.01)


def test_bonferroni_counts_the_places_that_chance_decides() -> None:
    """Certain places are no tests."""
    found = [simulate(policy, 400) for policy in HONEST if policy.name in ("popular", "uniform")]
    tested = sum(place.fit.freedom > 0 for one in found for place in one.places)
    assert 0 < tested < sum(len(one.places) for one in found)
    assert bound(found) == pytest.approx(SIGNIFICANT / tested)

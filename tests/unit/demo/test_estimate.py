from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_tools.demo.estimate import precision


def test_by_hand() -> None:
    """Households with 2/3, 0/3 and 4/6 hits: p = 1/2, residuals .5, -1.5, 1, so se = sqrt(3/2 x 3.5) / 12."""
    found = precision(np.array([2, 0, 1, 3]), np.array([3, 3, 3, 3]), np.array([7, 8, 9, 9]))
    error = 1.959964 * (1.5 * 3.5) ** 0.5 / 12
    assert (found.value, found.visits, found.households) == (0.5, 4, 3)
    assert found[1:3] == pytest.approx((0.5 - error, 0.5 + error))


def test_repeating_a_household_adds_no_certainty() -> None:
    """Ten times the same visits of the same households leave the interval as wide as it was."""
    hits, offers, household = np.array([2, 0, 3, 1]), np.array([3, 3, 3, 3]), np.array([1, 2, 3, 4])
    once = precision(hits, offers, household)
    often = precision(np.tile(hits, 10), np.tile(offers, 10), np.tile(household, 10))
    assert once[1:3] == pytest.approx(often[1:3])


def test_more_households_add_certainty() -> None:
    """The same visits by ten times as many households make the interval narrower."""
    hits, offers = np.array([2, 0, 3, 1]), np.array([3, 3, 3, 3])
    few = precision(hits, offers, np.arange(4))
    many = precision(np.tile(hits, 10), np.tile(offers, 10), np.arange(40))
    assert many.high - many.low < (few.high - few.low) / 2


def test_nothing_known() -> None:
    """Without offers, or with one household, the interval admits that nothing is known."""
    none = np.array([], dtype=np.int64)
    assert tuple(precision(none, none, none)) == (0.0, 0.0, 1.0, 0, 0)
    assert precision(np.array([1]), np.array([3]), np.array([5]))[1:3] == (0.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=40))
def test_interval_holds_the_value(rows: list[tuple[int, int]]) -> None:
    """0 <= low <= value <= high <= 1, always."""
    hits, household = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = precision(hits, np.full(len(rows), 3), household)
    assert 0 <= found.low <= found.value <= found.high <= 1

from __future__ import annotations

import numpy as np
import pytest
from maitred_tools.baskets.contest import hold
from maitred_tools.baskets.figures import figures
from maitred_tools.baskets.student import REFIT_EVERY, Course
from maitred_tools.demo.estimate import paired
from maitred_tools.demo.groceries import Groceries

DAY_MS = 86_400_000
CATEGORIES = tuple(f"C{number}" for number in range(12))
VISITS = REFIT_EVERY + 200


@pytest.fixture(scope="module")
def groceries() -> Groceries:
    """Ten households that each buy two categories of their own at every visit, and one of all by turns."""
    household = np.arange(VISITS) % 10
    baskets = [sorted({one, one + 1, 2 + number % 10}) for number, one in enumerate(household.tolist())]
    lengths = [len(basket) for basket in baskets]
    category = np.array([one for basket in baskets for one in basket])
    return Groceries(
        categories=CATEGORIES,
        departments=tuple(f"D{number % 3}" for number in range(12)),
        household=household,
        store=np.ones(VISITS, np.int64),
        at_ms=1_500_000_000_000 + np.arange(VISITS) * DAY_MS // 10,
        start=np.append(0, np.cumsum(lengths)),
        category=category,
        value=np.ones(len(category)),
        quantity=np.ones(len(category), np.int64),
        traits={},
    )


def test_what_learns_finds_the_habits(groceries: Groceries) -> None:
    """Households with two categories of their own are offered both from early on; each policy gets every visit, and
    the same seed gives the same hits.
    """
    first, again = (hold(groceries, [Course("learned")], VISITS) for _ in range(2))
    assert first.hits["learned"].tolist() == again.hits["learned"].tolist()
    assert list(first.hits) == ["uniform", "popular", "habit", "learned"]
    assert first.hits["learned"][100:].min() >= 2
    assert first.tried == {"learned": 0}
    found = figures(first, groceries)["policies"]
    assert found["learned"]["precision"] == pytest.approx(first.hits["learned"][VISITS // 2 :].mean() / 3)
    assert found["habit"]["to_habit"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_what_tries_things_is_counted(groceries: Groceries) -> None:
    """With a share of choices to try things in, some are tried, and no more than that share."""
    tried = hold(groceries, [Course("trying", "epsilon", 0.5)], 300).tried["trying"] / 900
    assert 0.0 < tried < 0.1  # half of the choices, of which epsilon's tenth is uniform


def test_differences_are_clustered() -> None:
    """Two households, one and no hit more a visit: 1/6 a slot, and the textbook error of a mean of two."""
    household = np.repeat([1, 2], 50)
    found = paired(np.where(household == 1, 2.0, 1.0), np.ones(100), household, 3)
    error = 1.959964 * (1 / 3) / 2  # the standard deviation of 1/3 and 0, over the square root of 2
    assert (found.value, found.high - found.value) == pytest.approx((1 / 6, error))

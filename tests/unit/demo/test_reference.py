from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from maitred_tools.demo.groceries import Groceries
from maitred_tools.demo.reference import simulate

A, B, C, D, E = range(5)


def _shop(shop: Groceries, households: list[int], baskets: list[list[int]]) -> Groceries:
    sizes = [len(basket) for basket in baskets]
    return replace(
        shop,
        household=np.array(households),
        start=np.concatenate([[0], np.cumsum(sizes)]),
        category=np.array([category for basket in baskets for category in basket]),
    )


def test_policies_by_hand(shop: Groceries) -> None:
    """Five visits worked out by hand: what each policy offers is known, and so are its hits.

    visit  household  basket   popular offers    habit offers
    0      1          D E      A B C: 0          A B C: 0
    1      1          D E      D E A: 2          D E A: 2   (own D E, then the first by name)
    2      2          A B      D E A: 1          D E A: 1   (nothing of its own)
    3      2          A C      D E A: 1          A B D: 1   (own A B, then the most popular)
    4      1          A B      A D E: 1          D E A: 1
    """
    made = _shop(shop, [1, 1, 2, 2, 1], [[D, E], [D, E], [A, B], [A, C], [A, B]])
    hits = simulate(made).hits
    assert hits["popular"].tolist() == [0, 2, 1, 1, 1]
    assert hits["habit"].tolist() == [0, 2, 1, 1, 1]
    assert [pytest.approx(3 * 2 / 5)] * 5 == hits["uniform"].tolist()


def test_own_habit_wins_over_popularity(shop: Groceries) -> None:
    """What a household bought once goes before what everybody else bought often."""
    others = [2] * 6
    made = _shop(shop, [1, *others, 1], [[B, C, D], *([[A, E]] * 6), [B, C, D]])
    hits = simulate(made).hits
    assert (hits["habit"][-1], hits["popular"][-1]) == (3.0, 1.0)


def test_habit_ties_by_popularity(shop: Groceries) -> None:
    """Of four categories bought equally often by the household, the three most popular ones are offered."""
    made = _shop(shop, [1, 2, 1], [[A, B, C, D], [B, C, D], [A]])
    assert simulate(made).hits["habit"][-1] == 0


def test_a_visit_never_knows_its_own_basket(shop: Groceries) -> None:
    """The first visit is served without any knowledge: the first three by name, whatever is in the basket."""
    made = _shop(shop, [1], [[D, E]])
    assert (simulate(made).hits["habit"][0], simulate(made).hits["popular"][0]) == (0.0, 0.0)


def test_precision_since_a_visit(shop: Groceries) -> None:
    """Precision is hits over offers, here over the last two of the visits."""
    made = _shop(shop, [1, 1, 2, 2, 1], [[D, E], [D, E], [A, B], [A, C], [A, B]])
    assert simulate(made).precision("popular", slice(3, None)) == pytest.approx(2 / 6)


def test_only_so_many_visits(shop: Groceries) -> None:
    """A shorter run sees the first visits only."""
    assert len(simulate(shop, visits=2).hits["habit"]) == 2

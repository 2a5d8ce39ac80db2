"""A tiny made-up shop, written as the same tables that the real data come in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from maitred.testing import FakeTransport
from maitred_tools.demo.control_files import MORE
from maitred_tools.demo.groceries import Groceries, load
from maitred_tools.demo.playbook import PLACEMENT

PRODUCTS = [
    # product, department, category
    (1, "PRODUCE", "APPLES"),
    (2, "PRODUCE", "APPLES"),
    (3, "TRAVEL", "APPLES"),
    (4, "DELI", "MILK"),
    (5, "PASTRY", "BREAD"),
    (6, "DELI", "CHEESE"),
    (7, "OTHER", None),
    (8, "OTHER", "NEVER SOLD"),
    (9, "GROCERY", "TEA"),
]
DAY = 86_400_000
START = 1_483_271_606_000  # 2017-01-01 11:53:26 UTC

Line = tuple[int, int, int, int, int, float, int]

LINES: list[Line] = [
    # household, store, basket, product, quantity, sales, ms
    (2, 20, 101, 4, 1, 2.0, START + DAY),
    (1, 10, 100, 1, 2, 1.1, START),
    (1, 10, 100, 2, 1, 0.7, START),
    (1, 10, 100, 5, 0, 0.0, START),
    (3, 10, 102, 7, 1, 9.0, START + DAY),
    (2, 20, 99, 6, 1, 4.0, START + DAY),
    (1, 11, 103, 9, 1, 3.0, START + 2 * DAY),
    (1, 11, 103, 77, 1, 3.0, START + 2 * DAY),
    (1, 11, 104, 1, 1, 1.0, START + 3 * DAY),
    (1, 11, 104, 4, 1, 1.0, START + 3 * DAY),
]
DEMOGRAPHICS = [(1, "35-44", None), (5, None, None), (2, None, "2")]


def write_tables(folder: Path) -> Path:
    """Writes the three tables into `folder` and returns it."""
    household, store, basket, product, quantity, sales, at_ms = (list(column) for column in zip(*LINES, strict=True))
    pq.write_table(
        pa.table(
            {
                "household_id": household,
                "store_id": store,
                "basket_id": basket,
                "product_id": product,
                "quantity": quantity,
                "sales_value": sales,
                "transaction_timestamp": pa.array(at_ms, pa.timestamp("ms")).cast(pa.timestamp("ns")),
                "week": [1] * len(LINES),
            }
        ),
        folder / "transactions.parquet",
    )
    ids, departments, categories = (list(column) for column in zip(*PRODUCTS, strict=True))
    pq.write_table(
        pa.table({"product_id": ids, "department": departments, "product_category": categories}),
        folder / "products.parquet",
    )
    households, ages, sizes = (list(column) for column in zip(*DEMOGRAPHICS, strict=True))
    pq.write_table(
        pa.table({"household_id": households, "age": ages, "household_size": sizes}), folder / "demographics.parquet"
    )
    return folder


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Folder with the tiny shop's tables."""
    return write_tables(tmp_path)


@pytest.fixture
def shop(tables: Path) -> Groceries:
    """The tiny shop: categories APPLES, BREAD, CHEESE, MILK, TEA; five visits of two households."""
    return load(tables)


@pytest.fixture
def fake() -> FakeTransport:
    """A server that offers the same page to everybody: apples, cheese and tea; below, milk and, to stretch, bread."""
    more: list[dict[str, str | bool]] = [
        {"item": "MILK", "reason_text": "Because you bought Milk"},
        {"item": "BREAD", "stretch": True},
    ]
    return FakeTransport.serving({PLACEMENT: ["APPLES", "CHEESE", "TEA"], MORE: more})

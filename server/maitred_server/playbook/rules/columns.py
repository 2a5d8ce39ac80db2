"""The attributes of items as columns, and with the types that rules see them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.columns import FLAG, MOMENT, NUMBER
from maitred_server.playbook.rules.declarations import FIRST_MS, LAST_MS, WHOLE_LIMIT

PRICE: Final = "price"

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]


class Numeric(NamedTuple):
    """A number for each item: float64, int64 (whole numbers; moments in ms) or bool, and which items have one."""

    values: npt.NDArray[Any]
    present: Bools


class Coded(NamedTuple):
    """A value for each item, by its number among distinct values; -1: absent."""

    codes: Codes
    values: Sequence[Any]


class Lists(NamedTuple):
    """A list for each item: those of item i are the codes from place offsets[i] to offsets[i+1]."""

    offsets: npt.NDArray[np.int64]
    codes: Codes
    values: Sequence[str]
    present: Bools


class ItemColumns:
    """Attributes of n items. Immutable; what was worked out once is kept."""

    def __init__(self, catalogue: Catalogue, prices: npt.NDArray[np.float64] | None = None) -> None:
        """Use `of` and `with_price`."""
        self.size = catalogue.item_count
        self._catalogue = catalogue
        self._prices = prices
        self._coded: dict[tuple[str, str], Coded] = {}

    @classmethod
    def of(cls, catalogue: Catalogue) -> ItemColumns:
        """The columns of all items of a catalogue."""
        return cls(catalogue)

    def with_price(self, prices: npt.NDArray[np.float64]) -> ItemColumns:
        """The same items with other prices. float64[items]: what `item.price` is now; NaN: absent."""
        found = ItemColumns(self._catalogue, prices)
        found._coded = {key: coded for key, coded in self._coded.items() if key[0] != PRICE}
        return found

    def numeric(self, name: str, kind: str) -> Numeric:
        """An attribute as `double`, `int`, `bool` or `timestamp`. Of another type: absent."""
        values, kinds = self._numbers(name)
        wanted = {"bool": FLAG, "timestamp": MOMENT}.get(kind, NUMBER)
        return _narrowed(values, kinds == wanted, kind)

    def _numbers(self, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
        if name == PRICE and self._prices is not None:
            return self._prices, np.where(np.isnan(self._prices), 0, NUMBER).astype(np.uint8)
        values, kinds = self._catalogue.numbers(name), self._catalogue.number_kinds(name)
        if values is None or kinds is None:
            return np.full(self.size, np.nan), np.zeros(self.size, np.uint8)
        return values, kinds

    def texts(self, name: str) -> Coded:
        """An attribute as text."""
        if name == "id":
            return self._kept(name, "string", self._ids)
        found = self._catalogue.texts(name)
        return Coded(np.full(self.size, -1, np.int32), ()) if found is None else Coded(*found)

    def _ids(self) -> Coded:
        ids = [self._catalogue.item_id(number) for number in range(self.size)]
        return Coded(np.arange(self.size, dtype=np.int32), ids)

    def lists(self, name: str) -> Lists:
        """An attribute as list of texts."""
        if name == "groups":
            offsets, codes = self._catalogue.item_groups_columns
            return Lists(offsets, codes, self._catalogue.groups, np.ones(self.size, np.bool_))
        found = self._catalogue.lists(name)
        if found is None:
            nothing = np.zeros(0, np.int32)
            return Lists(np.zeros(self.size + 1, np.int64), nothing, (), np.zeros(self.size, np.bool_))
        return Lists(*found)

    def coded(self, name: str, kind: str) -> Coded:
        """An attribute of any CEL type by its distinct values."""
        return self._kept(name, kind, lambda: self._distinct(name, kind))

    def _kept(self, name: str, kind: str, make: Any) -> Coded:
        found = self._coded.get((name, kind))
        if found is None:
            found = self._coded[name, kind] = make()
        return found

    def _distinct(self, name: str, kind: str) -> Coded:
        if kind == "string":
            return self.texts(name)
        if kind == "list(string)":
            return _distinct_lists(self.lists(name))
        values, present = self.numeric(name, kind)
        distinct, codes = np.unique(values[present], return_inverse=True)
        placed = np.full(self.size, -1, np.int32)
        placed[present] = codes
        return Coded(placed, distinct.tolist())

    def row(self, item: int, types: Mapping[str, str]) -> dict[str, Any]:
        """The typed values of one item, of the attributes named."""
        found = {}
        for name, kind in types.items():
            codes, values = self.coded(name, kind)
            if codes[item] >= 0:
                found[name] = values[codes[item]]
        return found


def _narrowed(values: npt.NDArray[np.float64], present: Bools, kind: str) -> Numeric:
    if kind == "double":
        return Numeric(values + 0.0, present)  # -0.0 is 0.0
    if kind == "bool":
        return Numeric(values == 1.0, present)
    low, high = (FIRST_MS, LAST_MS + 1) if kind == "timestamp" else (-WHOLE_LIMIT, WHOLE_LIMIT)
    with np.errstate(invalid="ignore"):
        present = present & (values >= low) & (values < high) & (values == np.floor(values))
    return Numeric(np.where(present, values, 0.0).astype(np.int64), present)


def _distinct_lists(lists: Lists) -> Coded:
    numbers: dict[tuple[int, ...], int] = {}
    codes, ends = lists.codes.tolist(), lists.offsets.tolist()
    placed = [
        numbers.setdefault(tuple(codes[begin:end]), len(numbers)) if present else -1
        for begin, end, present in zip(ends, ends[1:], lists.present.tolist(), strict=False)
    ]
    texts = [tuple(lists.values[code] for code in distinct) for distinct in numbers]
    return Coded(np.array(placed, np.int32), texts)

"""The attributes of items as columns, by name: numbers (flags are 0 and 1, moments milliseconds), texts, and lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import numpy as np

from maitred_server.model import Item, Value
from maitred_server.playbook.columns import FLAG, MOMENT, NUMBER, Array

_KINDS = {float: NUMBER, bool: FLAG, int: MOMENT}


class Attributes:
    """The columns of some items' attributes. A name of several types has one of numbers, of texts and of lists."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        forms = {(name, _form(value)) for item in items for name, value in item.attributes.items()}
        self.count = len({name for name, _ in forms})
        self.number_names, self.text_names, self.list_names = (
            sorted(name for name, found in forms if found is form) for form in (float, str, tuple)
        )
        self.texts = sorted(set(self._all_texts()))

    def _all_texts(self) -> Iterator[str]:
        for item in self._items:
            for value in item.attributes.values():
                if isinstance(value, str):
                    yield value
                elif isinstance(value, tuple):
                    yield from value

    def columns(self) -> dict[str, Array]:
        """`columns.COLUMNS` says what each is."""
        codes = {text: code for code, text in enumerate(self.texts)}
        return {**self._numbers(), "texts": self._texts(codes), **self._lists(codes)}

    def _numbers(self) -> dict[str, Array]:
        numbers = np.full((len(self.number_names), len(self._items)), np.nan)
        kinds = np.zeros(numbers.shape, np.uint8)
        rows = {name: row for row, name in enumerate(self.number_names)}
        for at, name, value in self._values(float):
            numbers[rows[name], at], kinds[rows[name], at] = value, _KINDS[type(value)]
        return {"numbers": numbers, "number_kinds": kinds}

    def _texts(self, codes: dict[str, int]) -> Array:
        texts = np.full((len(self.text_names), len(self._items)), -1, np.int32)
        rows = {name: row for row, name in enumerate(self.text_names)}
        for at, name, value in self._values(str):
            texts[rows[name], at] = codes[str(value)]
        return texts

    def _lists(self, codes: dict[str, int]) -> dict[str, Array]:
        listed: list[int] = []
        offsets, present = [], []
        for name in self.list_names:
            lists = [item.attributes.get(name) for item in self._items]
            found = [value if isinstance(value, tuple) else () for value in lists]
            offsets.append(list(accumulate(map(len, found), initial=len(listed))))
            present.append([isinstance(value, tuple) for value in lists])
            listed += [codes[text] for value in found for text in value]
        shape = (len(self.list_names), len(self._items))
        return {
            "lists": np.array(listed, np.int32),
            "list_offsets": np.array(offsets, np.int64).reshape(shape[0], shape[1] + 1),
            "list_present": np.array(present, np.uint8).reshape(shape),
        }

    def _values(self, form: type) -> Iterable[tuple[int, str, Value]]:
        for at, item in enumerate(self._items):
            for name, value in item.attributes.items():
                if _form(value) is form:
                    yield at, name, value


def _form(value: Value) -> type:
    """In which kind of column a value stands: that of float, of str or of tuple."""
    return tuple if isinstance(value, tuple) else str if isinstance(value, str) else float

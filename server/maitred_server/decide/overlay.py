"""Live item states as columns: first by key, as they are known, then joined with a catalogue, as decisions read them.

Both are immutable values. A change makes new ones, at the cost of the columns' length and not of a loop over items.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from maitred_server.model import LiveState
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.base import Bools, Floats, Keys, Positions
from maitred_server.store.columns import Placed, find, place
from maitred_server.store.keys import group_key, item_key

UNLIMITED = -1
PRICE = "price"  # the catalogue's attribute that a live price stands in for

Stocks: TypeAlias = npt.NDArray[np.int64]
T = TypeVar("T", bound=np.generic)


class LiveStates(NamedTuple):
    """States by key of item or group, rising; s rows."""

    keys: Keys  # uint64[s]
    closed: Bools  # bool[s]: killed, paused or out of stock
    stock: Stocks  # int64[s]; UNLIMITED: not set
    price: Floats  # float64[s]; NaN: not set

    def with_states(self, states: Iterable[LiveState]) -> LiveStates:
        """After some states were set, the later last."""
        rows = {_key(state): state for state in states}
        if not rows:
            return self
        fresh = _columns(rows)
        placed = place(self.keys, fresh.keys)
        return LiveStates(
            _merged(placed, self.keys, fresh.keys),
            _merged(placed, self.closed, fresh.closed),
            _merged(placed, self.stock, fresh.stock),
            _merged(placed, self.price, fresh.price),
        )


def _merged(placed: Placed, before: npt.NDArray[T], after: npt.NDArray[T]) -> npt.NDArray[T]:
    column = np.empty(placed.size, before.dtype)
    if len(before):
        column[slice(None) if placed.old is None else placed.old] = before
    column[placed.new] = after
    return column


def _key(state: LiveState) -> int:
    return item_key(state.item) if state.item else group_key(state.group)


def _columns(rows: dict[int, LiveState]) -> LiveStates:
    keys = np.fromiter(rows, np.uint64, len(rows))
    states, order = rows.values(), np.argsort(keys)
    stock = np.array([UNLIMITED if state.stock is None else state.stock for state in states], np.int64)
    price = np.array([np.nan if state.price is None else state.price for state in states])
    closed = np.array([state.kill or state.paused for state in states], np.bool_) | (stock == 0)
    return LiveStates(keys[order], closed[order], stock[order], price[order])


NO_STATES = LiveStates(np.zeros(0, np.uint64), np.zeros(0, np.bool_), np.zeros(0, np.int64), np.zeros(0))


class Overlay(NamedTuple):
    """Live states beside a catalogue: a row for each of its n actions. Read-only."""

    version: int  # of the live states, see `AnyStore.item_state_version`
    open: Bools  # bool[n]: False where the item or one of its groups is killed, paused or out of stock
    stock: Stocks  # int64[n]: how many are left, the least of what item and groups say; UNLIMITED
    price: Floats  # float64[n]: the item's live price, else its first group's that has one, else the catalogue's; NaN
    all_open: bool

    @classmethod
    def of(cls, catalogue: Catalogue, states: LiveStates = NO_STATES, version: int = 0) -> Overlay:
        """The states of a catalogue's items; those of what it does not have change nothing."""
        prices = catalogue.numbers(PRICE)
        items = _Items(
            np.zeros(catalogue.item_count, np.bool_),
            np.full(catalogue.item_count, UNLIMITED, np.int64),
            np.full(catalogue.item_count, np.nan) if prices is None else np.array(prices),
        )
        _join_groups(items, catalogue, states)
        _join_items(items, catalogue, states)
        of_item = catalogue.item_index
        return cls(
            version,
            _read_only(~items.closed[of_item]),
            _read_only(items.stock[of_item]),
            _read_only(items.price[of_item]),
            not items.closed.any(),
        )

    def available(self, actions: Positions) -> Bools | None:
        """Which of some actions are open: bool[m]; None: all of them."""
        if self.all_open:
            return None
        opened = self.open[actions]
        return None if opened.all() else _read_only(opened)


class _Items(NamedTuple):
    """Columns of a catalogue's items, while an overlay is made."""

    closed: Bools
    stock: Stocks
    price: Floats


def _join_items(items: _Items, catalogue: Catalogue, states: LiveStates) -> None:
    numbers = catalogue.items_of(states.keys)
    rows = np.flatnonzero(numbers >= 0)
    _join(items, numbers[rows], states, rows)


def _join_groups(items: _Items, catalogue: Catalogue, states: LiveStates) -> None:
    at, known = find(states.keys, catalogue.group_keys)
    if not known.any():
        return
    ends, groups = catalogue.item_groups_columns
    row_of_group = np.where(known, at, -1)
    rows = row_of_group[groups][::-1]  # of what is assigned twice the last stays: the first group of an item
    owners = np.repeat(np.arange(len(ends) - 1), np.diff(ends))[::-1]
    _join(items, owners[rows >= 0], states, rows[rows >= 0])


def _join(items: _Items, numbers: npt.NDArray[np.integer], states: LiveStates, rows: npt.NDArray[np.integer]) -> None:
    """Put states on items; `numbers` may have an item several times."""
    items.closed[numbers[states.closed[rows]]] = True
    np.minimum.at(items.stock.view(np.uint64), numbers, states.stock[rows].view(np.uint64))  # UNLIMITED is the largest
    priced = ~np.isnan(states.price[rows])
    items.price[numbers[priced]] = states.price[rows[priced]]


def _read_only(column: npt.NDArray[T]) -> npt.NDArray[T]:
    column.flags.writeable = False
    return column

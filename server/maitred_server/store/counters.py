"""Counters of a subject: one row for each (entity, counter type), sorted by id, in one numpy array.

The row's id is the entity's key mixed with the type's code, so that one sorted column serves every look-up; the key
comes back by mixing again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maitred_server.store.columns import Keys, Placed, Places, find, place, runs
from maitred_server.store.keys import ANY_KEY, type_code, type_mask
from maitred_server.store.touches import Touches

MOST_ROWS = 2_000
EVICTED_FIRST = type_code("view")

Rows = NDArray[np.void]

ROW = np.dtype(
    [
        ("id", "<u8"),
        ("value", "<f8"),
        ("first", "<i8"),
        ("last", "<i8"),
        ("quantity", "<u8"),
        ("type", "<u4"),
        ("count", "<u4"),
    ]
)
_WORDS = ROW.itemsize // 8
ID_WORD, TIME_WORDS, COUNT_WORD, COUNT_SHIFT = 0, slice(2, 4), 5, 32  # see `words`
NO_ROWS: Rows = np.zeros(0, ROW)
NO_ROWS.flags.writeable = False


class Added(NamedTuple):
    """Counters after something was counted, and where it went."""

    rows: Rows
    placed: Placed
    of_touch: Places  # for each touched key, its row


def words(rows: Rows) -> NDArray[np.int64]:
    """int64[n, 6]: the rows' own memory; its columns are `ROW`'s, the count being the upper half of the last."""
    return rows.view(np.int64).reshape(-1, _WORDS)


def id_of(counter_type: str, key: int) -> int:
    """The id of one counter."""
    return key ^ type_mask(type_code(counter_type))


def ids_of(counter_type: str, keys: Keys) -> Keys:
    """The ids of the counters of some entities."""
    return keys ^ np.uint64(type_mask(type_code(counter_type)))


def keys_of(rows: Rows) -> Keys:
    """The entity keys of rows."""
    return _mixed(rows["id"], rows["type"])


def look_up(rows: Rows, counter_type: str, keys: Keys, column: str) -> NDArray[Any]:
    """A column's values for some entities; 0 where there is no row."""
    found = np.zeros(len(keys), rows.dtype[column])
    at, known = find(rows["id"], ids_of(counter_type, keys))
    found[known] = rows[column][at[known]]
    return found


def value_of(rows: Rows, counter_type: str, key: int) -> float:
    """The sum of the values of one counter; 0 where there is none."""
    return _value_at(rows, _sought(counter_type, key))


def plain_value_at(rows: Rows, sought: int) -> float:
    """The same by the counter's id."""
    ids, wanted = rows["id"], np.uint64(sought)
    row = ids.searchsorted(wanted)
    return float(rows["value"][row]) if row < len(ids) and ids[row] == wanted else 0.0


try:
    from maitred_server.compiled.contact import value_at as _value_at
except ImportError:  # nothing was compiled here
    _value_at = plain_value_at


@lru_cache(maxsize=4_096)
def _sought(counter_type: str, key: int) -> int:
    return id_of(counter_type, key)


def of_type(rows: Rows, counter_type: str) -> Rows:
    """The rows of one counter type."""
    chosen: Rows = rows[rows["type"] == type_code(counter_type)]
    return chosen


def add(rows: Rows, touches: Touches) -> Added:
    """Count what was touched: each touched key once for its row."""
    fresh, of_touch = _rows_of(touches)
    merged, placed = _merge(rows, fresh)
    return Added(merged, placed, placed.new[of_touch])


def merged(one: Rows, other: Rows) -> tuple[Rows, Placed]:
    """The counters of two subjects that turn out to be one, and where they went: counts, quantities and values add
    up.
    """
    return _merge(one, other)


def keep_newest(rows: Rows, most: int = MOST_ROWS) -> NDArray[np.bool_]:
    """Which rows stay when at most `most` may: views go first, then what happened last the longest ago.

    What counts all of a type goes last: it tells what cannot have been lost of that type.
    """
    order = np.lexsort((rows["id"], rows["last"], rows["type"] != EVICTED_FIRST, keys_of(rows) == ANY_KEY))
    stays = np.ones(len(rows), np.bool_)
    stays[order[: max(0, len(rows) - most)]] = False
    return stays


def _rows_of(touches: Touches) -> tuple[Rows, Places]:
    """What was touched as rows of their own, and for each touched key its row."""
    types, times = touches.types.repeat(touches.spans), touches.times.repeat(touches.spans)
    quantities, values = touches.quantities.repeat(touches.spans), touches.values.repeat(touches.spans)
    together = runs(_mixed(touches.keys, types))
    order, starts = together.order, together.starts
    rows = np.empty(len(starts), ROW)
    times = times[order]
    rows["id"] = together.keys
    rows["type"] = types[order[starts]]
    rows["count"] = together.lengths()
    rows["quantity"] = np.add.reduceat(quantities[order], starts)
    rows["value"] = np.add.reduceat(values[order], starts)
    rows["first"] = np.minimum.reduceat(times, starts)
    rows["last"] = np.maximum.reduceat(times, starts)
    return rows, together.places()


def rows_of_each(touches: Touches) -> Rows:
    """For each touched key a row of its own."""
    rows = np.empty(len(touches.keys), ROW)
    rows["type"] = touches.types.repeat(touches.spans)
    rows["id"] = _mixed(touches.keys, rows["type"])
    rows["count"] = 1
    rows["quantity"] = touches.quantities.repeat(touches.spans)
    rows["value"] = touches.values.repeat(touches.spans)
    rows["first"] = rows["last"] = touches.times.repeat(touches.spans)
    return rows


def added_up(rows: Rows, starts: Places) -> Rows:
    """Runs of rows of one counter, each as one row; `starts`: where each begins."""
    out: Rows = rows[starts]
    for column in ("count", "quantity", "value"):
        out[column] = np.add.reduceat(rows[column], starts)
    out["first"] = np.minimum.reduceat(rows["first"], starts)
    out["last"] = np.maximum.reduceat(rows["last"], starts)
    return out


def _mixed(keys: Keys, types: NDArray[np.uint32]) -> Keys:
    """Keys into ids, or ids into keys."""
    return keys ^ types * np.uint64(type_mask(1))


def _merge(old: Rows, new: Rows) -> tuple[Rows, Placed]:
    placed = place(old["id"], new["id"])
    if not len(old):
        return new, placed
    out = np.empty(placed.size, ROW)
    out[slice(None) if placed.old is None else placed.old] = old
    out[placed.new[placed.fresh]] = new[placed.fresh]
    known = ~placed.fresh
    at, more = placed.new[known], new[known]
    for column in ("count", "quantity", "value"):
        out[column][at] += more[column]
    out["first"][at] = np.minimum(out["first"][at], more["first"])
    out["last"][at] = np.maximum(out["last"][at], more["last"])
    return out, placed

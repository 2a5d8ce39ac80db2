"""What journal records count for, as columns: one row for each thing that was shown or happened."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maitred_server.model import Event, Exposure, Objection, Outcome, Record
from maitred_server.store.keys import (
    ALL_PLACEMENTS_KEY,
    ANY_KEY,
    EXPOSURE_TYPE,
    NO_ITEM_KEY,
    OBJECTION_TYPE,
    channel_key,
    entity_keys,
    group_key,
    outcome_type,
    placement_key,
    type_code,
)

LATEST_MS = 1 << 47  # the year 6429: what is later is a defect, not a moment
LARGEST_VALUE = 1e15  # sums of a subject stay finite, and exact for whole numbers
LARGEST_QUANTITY = 1 << 40

_EXPOSURE, _OBJECTION = type_code(EXPOSURE_TYPE), type_code(OBJECTION_TYPE)

_Row = tuple[int, int, int, int, int, float, tuple[int, ...]]


class Touches(NamedTuple):
    """Columns of equal length: `types` (codes), `times` (ms), `actions` and `items` (keys, 0: about no item),
    `quantities`, `values`. The entities that row i counts for are the next `spans[i]` of `keys`.
    """

    types: NDArray[np.uint32]
    times: NDArray[np.int64]
    actions: NDArray[np.uint64]
    items: NDArray[np.uint64]
    quantities: NDArray[np.uint64]
    values: NDArray[np.float64]
    spans: NDArray[np.int64]
    keys: NDArray[np.uint64]


def touches_of(records: Iterable[Record]) -> Touches | None:
    """All that the records count for; None when it is nothing. Raises ValueError for what cannot be counted."""
    return touches_of_each([records])[0]


def touches_of_each(groups: Iterable[Iterable[Record]]) -> tuple[Touches | None, list[int]]:
    """All that groups of records count for, one behind the other, and how many rows each group has."""
    rows: list[_Row] = []
    ends = [0]
    for records in groups:
        for record in records:
            rows += _rows(record)
        ends.append(len(rows))
    return _columns(rows) if rows else None, [end - begin for begin, end in pairwise(ends)]


def _columns(rows: list[_Row]) -> Touches:
    types, times, actions, items, quantities, values, entities = zip(*rows, strict=True)
    return Touches(
        np.array(types, np.uint32),
        np.array(times, np.int64),
        np.array(actions, np.uint64),
        np.array(items, np.uint64),
        np.array(quantities, np.uint64),
        np.array(values, np.float64),
        np.array([len(keys) for keys in entities], np.int64),
        np.array([key for keys in entities for key in keys], np.uint64),
    )


def counter_types(record: Record) -> tuple[str, ...]:
    """The names of the counter types that a record counts for."""
    body = record.body
    if isinstance(body, Event):
        return (body.type,)
    if isinstance(body, Exposure):
        return (EXPOSURE_TYPE,)
    if isinstance(body, Outcome):
        return (outcome_type(body.type),)
    return (OBJECTION_TYPE,) if isinstance(body, Objection) and not body.withdrawn else ()


def _rows(record: Record) -> list[_Row]:
    body, time = record.body, checked_time(record.occurred_at)
    if isinstance(body, Event):
        return [_row(type_code(body.type), time, body.item, body.variant, body.groups, body.quantity, body.value)]
    if isinstance(body, Exposure):
        return _showing(body, checked_time(max(time, body.decided_at)))
    if isinstance(body, Outcome):
        row = _row(type_code(outcome_type(body.type)), time, body.item, body.variant, body.groups, 1, body.value)
        return [_also(row, _places(body.placement, body.channel))]
    return [_objection(body, time)] if isinstance(body, Objection) and not body.withdrawn else []


def _showing(body: Exposure, time: int) -> list[_Row]:
    """A row for each slot; the first counts for the showing as a whole too. What is shown was decided before, however
    slow the client's clock is.
    """
    rows = [_row(_EXPOSURE, time, one.item, one.variant, one.groups) for one in body.shown]
    return [_also(rows[0], (ALL_PLACEMENTS_KEY, *_places(body.placement, body.channel))), *rows[1:]] if rows else []


def _places(placement: str, channel: str) -> tuple[int, ...]:
    """Keys of where it was, as far as that is known."""
    return (placement_key(placement),) * bool(placement) + (channel_key(channel),) * bool(channel)


def _also(row: _Row, keys: tuple[int, ...]) -> _Row:
    return (*row[:-1], (*row[-1], *keys))


def _objection(body: Objection, time: int) -> _Row:
    if body.item:
        return _row(_OBJECTION, time, body.item, "", ())
    return _OBJECTION, time, NO_ITEM_KEY, NO_ITEM_KEY, 1, 0.0, (group_key(body.group), ANY_KEY)


def _row(
    code: int, time: int, item: str, variant: str, groups: tuple[str, ...], quantity: int = 1, value: float = 0.0
) -> _Row:
    if not (math.isfinite(value) and abs(value) <= LARGEST_VALUE and 0 <= quantity <= LARGEST_QUANTITY):
        raise ValueError("a value or quantity that cannot be summed")
    keys = entity_keys(item, variant, groups)
    if not item:
        return code, time, NO_ITEM_KEY, NO_ITEM_KEY, quantity, value, keys
    return code, time, keys[0], keys[1], quantity, value, keys  # of the action, and of the item


def checked_time(time: int) -> int:
    """A time that can be stored; raises ValueError."""
    if not 0 <= time <= LATEST_MS:
        raise ValueError("a time that cannot be stored")
    return time

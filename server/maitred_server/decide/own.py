"""Which of a placement's candidates a subject did something with already, and how often."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.policy.base import Counts, Keys, Own, Places
from maitred_server.store.counters import Rows, ids_of
from maitred_server.store.keys import type_code


class OwnIndex(NamedTuple):
    """The counters of one type, one for each of a placement's items, sorted by id: k of them."""

    ids: Keys  # uint64[k]
    begins: Places  # intp[k]: the first row of each one's item
    counts: Places  # intp[k]: how many rows the item has
    code: int  # of the type

    @classmethod
    def lay(cls, counter_type: str, item_keys: Keys) -> OwnIndex:
        """Of the keys of a placement's rows; those of one item are adjacent."""
        keys, begins, counts = np.unique(item_keys, return_index=True, return_counts=True)
        ids = ids_of(counter_type, keys)
        order = ids.argsort()
        return cls(ids[order], begins[order], counts[order], type_code(counter_type))

    def of(self, rows: Rows) -> Own | None:
        """What a profile counts of the candidates; None: nothing. `rows`: all counters of the profile."""
        found = of_rows(rows, self.code, self.ids, self.begins, self.counts)
        return None if found is None else Own(*found)


def _of_rows(rows: Rows, code: int, ids: Keys, begins: Places, spans: Places) -> tuple[Places, Counts] | None:
    """The candidates' rows intp[k] by id, and uint32[k] how often. `code`: of the type that the ids have too."""
    if not len(ids):
        return None
    sought = rows["id"]
    at = ids.searchsorted(sought)
    which = (ids.take(at, mode="clip") == sought).nonzero()[0]
    if not len(which):
        return None
    at, counts = at[which], rows["count"][which]
    first, width = begins[at], spans[at]
    if len(which) == width.sum():
        return first, counts
    within = np.arange(width.sum()) - (width.cumsum() - width).repeat(width)
    return first.repeat(width) + within, counts.repeat(width)  # a variant is met when its item is


try:
    from maitred_server.compiled.own import of_rows
except ImportError:  # nothing was compiled here
    of_rows = _of_rows

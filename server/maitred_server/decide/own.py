"""Which of a placement's candidates a subject did something with already, and how often."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.policy.base import Counts, Keys, Own, Places
from maitred_server.store.counters import Rows, ids_of


class OwnIndex(NamedTuple):
    """The counters of one type, one for each of a placement's items, sorted by id: k of them."""

    ids: Keys  # uint64[k]
    begins: Places  # intp[k]: the first row of each one's item
    counts: Places  # intp[k]: how many rows the item has
    single: bool  # every item has one row

    @classmethod
    def lay(cls, counter_type: str, item_keys: Keys) -> OwnIndex:
        """Of the keys of a placement's rows; those of one item are adjacent."""
        keys, begins, counts = np.unique(item_keys, return_index=True, return_counts=True)
        ids = ids_of(counter_type, keys)
        order = ids.argsort()
        return cls(ids[order], begins[order], counts[order], len(keys) == len(item_keys))

    def of(self, rows: Rows) -> Own | None:
        """What a profile counts of the candidates; None: nothing. `rows`: all counters of the profile."""
        if not len(self.ids):
            return None
        ids = rows["id"]
        at = self.ids.searchsorted(ids)
        which = (self.ids.take(at, mode="clip") == ids).nonzero()[0]
        if not len(which):
            return None
        at, counts = at[which], rows["count"][which]
        return Own(self.begins[at], counts) if self.single else self._spread(at, counts)

    def _spread(self, at: Places, counts: Counts) -> Own:
        """A variant is met when its item is."""
        spans = self.counts[at]
        within = np.arange(spans.sum()) - (spans.cumsum() - spans).repeat(spans)
        return Own(self.begins[at].repeat(spans) + within, counts.repeat(spans))

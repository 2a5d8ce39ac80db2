"""Which candidates a subject's wishes can be about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Positions


class WishGround(NamedTuple):
    """The groups of a placement's rows, one pair for each membership."""

    numbers: Mapping[str, int]  # of the catalogue's groups
    rows: Positions  # int32[k]
    groups: Positions  # int32[k]

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement) -> WishGround:
        """Of a placement's candidates."""
        offsets, groups = catalogue.item_groups_columns
        items = catalogue.item_index[placement.candidates]
        starts, counts = offsets[items], offsets[items + 1] - offsets[items]
        rows = np.repeat(np.arange(len(items), dtype=np.int32), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        members = groups[np.repeat(starts, counts) + within]
        return cls({name: number for number, name in enumerate(catalogue.groups)}, rows, members)

    def of(self, groups: frozenset[str]) -> Positions:
        """int32[r]: the rows of some groups; a row comes once for each. Names that are no groups are passed over."""
        is_one = np.zeros(len(self.numbers) + 1, np.bool_)
        is_one[[self.numbers.get(name, -1) for name in groups]] = True
        is_one[-1] = False
        return self.rows[is_one[self.groups]]

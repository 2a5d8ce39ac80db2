"""What the subject said it does not want to see: single items, and whole groups. It holds whatever else is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Keys, Positions
from maitred_server.store.consents import Objections
from maitred_server.store.keys import item_key

if TYPE_CHECKING:  # a ground is made with its `WishGround`
    from maitred_server.decide.ground import Ground
    from maitred_server.decide.moment import Moment


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


class NotForMe:
    """Nothing is shown that the subject objected to."""

    name = "not for me"

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        said = _objections(moment)
        if said is None:
            return None
        opened = np.ones(len(ground.actions), np.bool_)
        if said.items:
            opened = ground.key_index.scatter(_keys(said.items), np.ones(len(said.items))) == 0
        if said.groups:
            opened[ground.wishes.of(said.groups)] = False
        return opened

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        said = _objections(moment) or Objections()
        about = [group for group in sorted(said.groups) if row in ground.wishes.of(frozenset((group,)))]
        words = [f"the subject does not want to see anything of group `{group}`" for group in about]
        if int(ground.item_keys[row]) in _keys(said.items).tolist():
            words.insert(0, "the subject does not want to see it")
        return words


def _objections(moment: Moment) -> Objections | None:
    """Of the whole profile: they protect the subject, whatever it lets be used. None: there are none."""
    profile = moment.who.profile
    if profile is None:
        return None
    said = profile.objections
    return said if said.items or said.groups else None


def _keys(items: frozenset[str]) -> Keys:
    return np.array([item_key(item) for item in items], np.uint64)

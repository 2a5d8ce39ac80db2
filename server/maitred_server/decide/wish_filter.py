"""What the subject said it does not want to see: single items, and whole groups. It holds whatever else is allowed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.policy.base import Bools, Keys
from maitred_server.store.consents import Objections
from maitred_server.store.keys import item_key


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
    if profile is None or profile.silent:
        return None
    said = profile.objections
    return said if said.items or said.groups else None


def _keys(items: frozenset[str]) -> Keys:
    return np.array([item_key(item) for item in items], np.uint64)

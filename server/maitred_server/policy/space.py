"""A feature space: the ordered features of one placement, with a name that is the same wherever it is defined alike.

The features are f = [own of each candidate, shared by all, 1]. Sums of two spaces are never added up, so the name is a
hash of all that the meaning of a feature hangs on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from maitred_server.policy.base import Floats
from maitred_server.policy.families import DEFAULTS, FAMILIES, SLOT, Family, Unmet
from maitred_server.policy.grid import onto_grid, point
from maitred_server.policy.meeting import Meeting
from maitred_server.policy.told import TOLD_WIDTH, told

VERSION: Final = 1  # of what the families compute: one more whenever a feature changes its meaning
ONE: Final = "1"
_FEW: Final = 8.0  # whole numbers below it are points of the grid


class FeatureSpace(NamedTuple):
    """`names`: of all d features; the first `own` of them differ from candidate to candidate.

    `group`, `item`, `variant`: which features have weights of their own at these levels; the placement has all.
    `unmet`: what each of the own ones is of a candidate that was never met.
    """

    name: str
    families: tuple[Family, ...]
    traits: tuple[str, ...]
    names: tuple[str, ...]
    own: int
    group: tuple[int, ...]
    item: tuple[int, ...]
    variant: tuple[int, ...]
    unmet: tuple[Unmet, ...]
    slot: int  # where the features of the slot begin; -1: there are none

    @property
    def width(self) -> int:
        """d."""
        return len(self.names)

    def met(self, meeting: Meeting) -> Floats:
        """float64[k, own], on the grid: of the candidates that the subject has met."""
        out = np.zeros((self.own, len(meeting.met.rows)))
        at = 0
        for family in self.families:
            if family.own:
                end = at + len(family.own)
                family.fill_met(meeting, out[at:end])
                at = end
        return onto_grid(out).T

    def factors(self, meeting: Meeting) -> list[float]:
        """Of each of the own features; see `families.Unmet`."""
        return [factor for family in self.families for factor in family.factors(meeting)]

    def shared(self, meeting: Meeting) -> Floats:
        """float64[d - own], on the grid: what all candidates of the first slot share."""
        found = [point(number) for family in self.families for number in family.told(meeting)]
        if self.traits:
            said = told(meeting.said, self.traits, self.width - self.own - len(found) - 1)
            found += said if max(map(abs, said)) < _FEW else map(point, said)
        found.append(1.0)
        return np.array(found)

    def in_slots(self, shared: Floats, slots: Sequence[int]) -> Floats:
        """float64[s, d - own]: what candidates of some slots share. The features of the slot have weights with the
        placement only, so they move all predictions of a slot alike: they take the blame for the place, and rank
        nothing.
        """
        found = np.tile(shared, (len(slots), 1))
        if self.slot >= 0:
            at = self.slot - self.own
            found[:, at : at + len(SLOT)] = [(float(slot > 0), point(math.log1p(slot))) for slot in slots]
        return found


@lru_cache(maxsize=256)
def feature_space(families: Sequence[str] = (), traits: Sequence[str] = (), hashed: int = TOLD_WIDTH) -> FeatureSpace:
    """The space of some families (none: the defaults) and of some traits and context keys. Raises KeyError.

    `hashed`: the columns that values of traits and context share.
    """
    chosen = tuple(FAMILIES[name] for name in families or DEFAULTS)
    own = [name for family in chosen for name in family.own]
    said = [f"told_{number}" for number in range(hashed)] if traits else []
    shared = [name for family in chosen for name in family.shared] + said
    names = (*own, *shared, ONE)
    one = len(names) - 1
    narrow = {name for family in chosen for name in family.item} | set(said)
    group = tuple(at for at, name in enumerate(names) if name not in SLOT)
    item = (*(at for at, name in enumerate(names) if name in narrow), one)
    definition = repr((VERSION, names, tuple(traits), hashed, group, item))
    name = blake2b(definition.encode(), digest_size=6, person=b"maitred.space").hexdigest()
    slot = names.index(SLOT[0]) if SLOT[0] in names else -1
    unmet = tuple(one for family in chosen for one in family.unmet)
    return FeatureSpace(name, chosen, tuple(traits), names, len(own), group, item, (one,), unmet, slot)

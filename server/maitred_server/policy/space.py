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
from maitred_server.policy.families import (
    DEFAULTS,
    FAMILIES,
    OWN,
    SHARED,
    SLOT,
    Family,
    Unmet,
    factors,
    of_met,
    told_of,
)
from maitred_server.policy.grid import onto_points, packed, point, unpacked
from maitred_server.policy.meeting import Meeting
from maitred_server.policy.told import TOLD_WIDTH, told

VERSION: Final = 1  # of what the families compute: one more whenever a feature changes its meaning
ONE: Final = "1"
_ALL_OWN: Final = tuple(range(len(OWN)))
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
    of_own: tuple[int, ...]  # where the own features are in `families.OWN`
    of_shared: tuple[int, ...]  # where the families' shared ones are in `families.SHARED`
    slot: int  # where the features of the slot begin; -1: there are none

    @property
    def width(self) -> int:
        """d."""
        return len(self.names)

    def met(self, meeting: Meeting) -> Floats:
        """float64[own, k], in units of the grid: of the candidates that the subject has met."""
        found = of_met(meeting)
        return onto_points(found if self.of_own == _ALL_OWN else found[self.of_own,])

    def factors(self, meeting: Meeting) -> Sequence[float]:
        """Of each of the own features; see `families.Unmet`."""
        found = factors(meeting)
        return found if self.of_own == _ALL_OWN else [found[at] for at in self.of_own]

    def shared(self, meeting: Meeting) -> Floats:
        """float64[d - own], on the grid: what all candidates of the first slot share."""
        numbers = told_of(meeting)
        found = [point(number) if (number := numbers[at]) else 0.0 for at in self.of_shared]
        if self.traits:
            said = told(meeting.said, self.traits, self.width - self.own - len(found) - 1)
            found += said if max(said) < _FEW and min(said) > -_FEW else map(point, said)
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
            found[:, at : at + len(SLOT)] = [unpacked(slot_points(slot)) for slot in slots]
        return found


@lru_cache(maxsize=256)
def slot_points(slot: int) -> bytes:
    """The features of a slot, packed: that it is not the first, and how deep it lies."""
    return packed(np.array([float(slot > 0), point(math.log1p(slot))]))


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
    of_own = tuple(OWN.index(one) for one in own)
    of_shared = tuple(SHARED.index(one) for family in chosen for one in family.shared)
    return FeatureSpace(
        name, chosen, tuple(traits), names, len(own), group, item, (one,), unmet, of_own, of_shared, slot
    )

"""A feature space: the ordered features of one placement, with a name that is the same wherever it is defined alike.

The features are f = [own of each candidate, shared by all, 1]. Sums of two spaces are never added up, so the name is a
hash of all that the meaning of a feature hangs on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from maitred_server.policy.base import Floats
from maitred_server.policy.families import DEFAULTS, FAMILIES, SLOT, Family
from maitred_server.policy.grid import onto_grid
from maitred_server.policy.meeting import Meeting
from maitred_server.policy.told import TOLD_WIDTH, told

VERSION: Final = 1  # of what the families compute: one more whenever a feature changes its meaning
ONE: Final = "1"


class FeatureSpace(NamedTuple):
    """`names`: of all d features; the first `own` of them differ from candidate to candidate.

    `group`, `item`, `variant`: which features have weights of their own at these levels; the placement has all.
    """

    name: str
    families: tuple[Family, ...]
    traits: tuple[str, ...]
    names: tuple[str, ...]
    own: int
    group: tuple[int, ...]
    item: tuple[int, ...]
    variant: tuple[int, ...]

    @property
    def width(self) -> int:
        """d."""
        return len(self.names)

    def candidates(self, meeting: Meeting) -> Floats:
        """float64[n, own], on the grid."""
        out = np.zeros((self.own, len(meeting.counts)))
        at = 0
        for family in self.families:
            family.fill_own(meeting, out[at : at + len(family.own)])
            at += len(family.own)
        return onto_grid(out).T

    def shared(self, meeting: Meeting) -> Floats:
        """float64[d - own], on the grid: what all candidates of the first slot share."""
        out = np.zeros(self.width - self.own)
        at = 0
        for family in self.families:
            family.fill_shared(meeting, out[at : at + len(family.shared)])
            at += len(family.shared)
        if self.traits:
            told(meeting.said, self.traits, out[at:-1])
        out[-1] = 1.0
        return onto_grid(out)

    def in_slot(self, shared: Floats, slot: int) -> Floats:
        """What candidates of another slot share. Its features have weights with the placement only, so they move all
        predictions of a slot alike: they take the blame for the place, and rank nothing.
        """
        if not slot or SLOT[0] not in self.names:
            return shared
        found, at = shared.copy(), self.names.index(SLOT[0]) - self.own
        found[at : at + len(SLOT)] = 1.0, np.log1p(slot)
        return onto_grid(found)


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
    return FeatureSpace(name, chosen, tuple(traits), names, len(own), group, item, (one,))

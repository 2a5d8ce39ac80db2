"""The nouns of a playbook: as it was written (`Playbook` and its parts), and as it is served (`Placement`)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from maitred_server.errors import Mistake
from maitred_server.model import Dimensions, Item, Layer
from maitred_server.playbook.control import Control

Positions: TypeAlias = npt.NDArray[np.int32]


class Reference(msgspec.Struct, frozen=True):
    """The name of an item or a group, and where in the playbook it was used."""

    name: str
    file: str
    line: int
    column: int = 0

    def mistake(self, message: str) -> Mistake:
        """About this use of the name."""
        return Mistake(self.file, self.line, message, self.column)


class PinnedItem(msgspec.Struct, frozen=True):
    """An item that is pinned in a placement, perhaps in one of its variants."""

    placement: str
    item: Reference
    variant: Reference | None = None


class Mentions(msgspec.Struct, frozen=True):
    """What the parts of `Control` name, and where: for checks against all items, and for warnings."""

    items: tuple[Reference, ...] = ()
    groups: tuple[Reference, ...] = ()
    pins: tuple[PinnedItem, ...] = ()
    worths: tuple[Reference, ...] = ()  # attributes of items that are to be numbers
    segments: frozenset[str] = frozenset()  # that anything but a segment uses
    places: dict[tuple[str, str], Reference] = {}  # where what has a kind and a name is written


class PlannedPlacement(msgspec.Struct, frozen=True):
    """A placement as it was written. `every_item`: all items are candidates; else those of `groups` and `items`."""

    name: str
    description: str
    slots: int
    every_item: bool
    groups: tuple[Reference, ...]
    items: tuple[Reference, ...]
    policy: str
    baseline: str
    order: tuple[Reference, ...]
    fallback: tuple[Reference, ...]
    counts: str
    ttl_ms: int
    stale_ms: int
    automation: str

    def is_candidate(self, item: Item) -> bool:
        """Whether an item may be chosen here."""
        if self.every_item or any(one.name == item.id for one in self.items):
            return True
        return any(one.name in item.groups for one in self.groups)


class Group(msgspec.Struct, frozen=True):
    """A group of items as it was described."""

    id: str
    name: str = ""
    description: str = ""


class Playbook(msgspec.Struct, frozen=True):
    """A playbook without mistakes. `warnings`: what is allowed and probably not meant."""

    name: str
    description: str
    placements: tuple[PlannedPlacement, ...]
    layers: tuple[Layer, ...]
    groups: tuple[Group, ...]
    items: tuple[Item, ...]
    warnings: tuple[str, ...] = ()
    dimensions: Dimensions = Dimensions()
    control: Control = Control()
    mentions: Mentions = Mentions()


class Placement(msgspec.Struct, frozen=True, eq=False):
    """A placement as it is served. Arrays hold indices of actions and cannot be written.

    `candidates`: rising. `order` and `fallback`: as written, the first variant of each item, for all of them.
    """

    name: str
    slots: int
    candidates: Positions
    policy: str
    baseline: str
    order: Positions
    fallback: Positions
    counts: str
    ttl_ms: int
    stale_ms: int
    automation: str

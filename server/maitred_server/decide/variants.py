"""Variants: of an item's renditions those that fit the device, the locale and the placement's format."""

from __future__ import annotations

from typing import NamedTuple

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.nouns import Placement


class Fitting(NamedTuple):
    """Which of a placement's variants fit which device and locale."""

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> Fitting | None:
        """Of a placement; None when the playbook says nothing of the kind."""
        return None

"""The plan of a slate: who may fill which slot, in which order."""

from __future__ import annotations

from typing import NamedTuple

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.nouns import Placement


class SlotPlan(NamedTuple):
    """Pins, reserved and stretch slots, and limits of groups, as rows."""

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> SlotPlan | None:
        """Of a placement; None when the playbook says nothing of the kind."""
        return None

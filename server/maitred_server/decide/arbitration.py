"""Arbitration: priority = predicted propensity x context weight x value x lever."""

from __future__ import annotations

from typing import NamedTuple

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.nouns import Placement


class Weights(NamedTuple):
    """Values, levers and context weights of a placement's candidates."""

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> Weights | None:
        """Of a placement; None when the playbook says nothing of the kind."""
        return None

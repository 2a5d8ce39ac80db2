"""Contact policies: what was shown or dismissed too often is not shown, and quiet hours are kept."""

from __future__ import annotations

from typing import NamedTuple

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.nouns import Placement


class ContactGround(NamedTuple):
    """The contact policies and quiet hours that reach a placement, as rows."""

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> ContactGround | None:
        """Of a placement; None when the playbook says nothing of the kind."""
        return None

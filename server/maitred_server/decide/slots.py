"""The plan of a slate: pins, reserved and stretch slots, and limits of groups, resolved into rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from maitred_server.decide.groups import Groups, Limits
from maitred_server.decide.reach import reaches
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Pin, Reserved, SlatePlan
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools


class PinnedRows(NamedTuple):
    """A pin and the candidates that it can mean, the first that is open first."""

    slot: int
    rows: tuple[int, ...]
    plan: bytes  # the rule that must hold; b"": none


class SlotPlan(NamedTuple):
    """Pins, reserved and stretch slots, and limits of groups, as rows."""

    pins: tuple[PinnedRows, ...]  # by slot, then as written
    reserved: Mapping[int, Bools]  # by slot: bool[m]
    stretch: frozenset[int]
    groups: Groups
    limits: Limits | None  # None: none

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> SlotPlan | None:
        """Of a placement; None when the playbook says nothing of the kind."""
        if not (plan.pins or plan.reserved or plan.stretch or plan.most_per_group or plan.group_limits):
            return None
        groups = Groups(catalogue, placement)
        limits = Limits(groups, plan.most_per_group, dict(plan.group_limits))
        return cls(
            tuple(_pinned(catalogue, placement, pin) for pin in sorted(plan.pins, key=lambda pin: pin.slot)),
            {one.slot: _reserved(catalogue, placement, one) for one in plan.reserved},
            frozenset(plan.stretch),
            groups,
            limits if limits.most else None,
        )


def _pinned(catalogue: Catalogue, placement: Placement, pin: Pin) -> PinnedRows:
    """An item that is no candidate has no rows: such a pin never holds."""
    chosen = [catalogue.find(pin.item, pin.variant)] if pin.variant else list(catalogue.actions_of(pin.item))
    rows = np.flatnonzero(np.isin(placement.candidates, chosen))
    return PinnedRows(pin.slot, tuple(rows.tolist()), pin.plan)


def _reserved(catalogue: Catalogue, placement: Placement, reserved: Reserved) -> Bools:
    rows = reaches(catalogue, reserved.scope, placement)
    return np.zeros(len(placement.candidates), np.bool_) if rows is None else rows

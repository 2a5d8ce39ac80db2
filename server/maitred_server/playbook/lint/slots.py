"""Slots that a placement does not have, or that are filled already."""

from __future__ import annotations

from collections.abc import Iterator

from maitred_server.errors import Mistake
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.lint.scene import Scene


def odd_slots(scene: Scene) -> Iterator[Mistake]:
    """Slots beyond a placement's, pins behind one that always holds."""
    slots = {plan.name: plan.slots for plan in scene.playbook.placements}
    for plan in scene.control.slates:
        for message in (*_beyond(plan, slots[plan.placement]), *_behind(plan)):
            yield scene.warning("placements", plan.placement, f"placement `{plan.placement}`: {message}")


def _beyond(plan: SlatePlan, slots: int) -> Iterator[str]:
    named = [("pinned", pin.slot) for pin in plan.pins]
    named += [("reserved", one.slot) for one in plan.reserved] + [("stretch", slot) for slot in plan.stretch]
    for what, slot in dict.fromkeys(named):
        if slot >= slots:
            has = f"{slots} slots, the last is {slots - 1}" if slots > 1 else "one slot, 0"
            yield f"slot {slot} is {what}, and it has {has}: slots count from 0"


def _behind(plan: SlatePlan) -> Iterator[str]:
    always: dict[int, str] = {}
    for pin in plan.pins:
        if pin.slot in always:
            yield f"item `{pin.item}` is pinned to slot {pin.slot} behind `{always[pin.slot]}`, which always is"
        elif not pin.plan:
            always[pin.slot] = pin.item

"""How the slots of placements are filled beside the policy: pins, reserved slots, limits, worth."""

from __future__ import annotations

from collections.abc import Iterator

from maitred_server.playbook.checks import twice
from maitred_server.playbook.control import Pin, Reserved, Scope, SlatePlan, Worth
from maitred_server.playbook.desk import Desk
from maitred_server.playbook.nouns import PinnedItem, Reference
from maitred_server.playbook.schema.placements import PinPart, PlacementPart, PlacementsFile
from maitred_server.playbook.validation import Checked
from maitred_server.playbook.yamltree import Path

NO_ITEM = "a pin names its item; its rule cannot use `item`"


def slates(checked: Checked[PlacementsFile], desk: Desk) -> Iterator[SlatePlan]:
    """The plans of placements that have any."""
    for at, part in enumerate(checked.part.placements):
        plan = _slate(checked, ("placements", at), part, desk)
        if plan != SlatePlan(part.name):
            yield plan


def _slate(checked: Checked[PlacementsFile], path: Path, part: PlacementPart, desk: Desk) -> SlatePlan:
    desk.mistakes += twice(checked, (*path, "reserved"), [str(one.slot) for one in part.reserved])
    desk.mistakes += twice(checked, (*path, "stretch"), [str(slot) for slot in part.stretch])
    desk.groups(
        Reference(group, checked.file, *checked.node.key_place((*path, "group_limits", group)))
        for group in part.group_limits
    )
    return SlatePlan(
        placement=part.name,
        channel=part.channel or "",
        format=part.format or "",
        devices=tuple(part.devices),
        locales=tuple(part.locales),
        pins=tuple(_pin(checked, (*path, "pins", at), part.name, pin, desk) for at, pin in enumerate(part.pins)),
        reserved=tuple(_reserved(checked, path, part, desk)),
        stretch=tuple(part.stretch),
        most_per_group=part.most_per_group or 0,
        group_limits=tuple(part.group_limits.items()),
        worth=_worth(checked, (*path, "value", "attribute"), part, desk),
    )


def _pin(checked: Checked[PlacementsFile], path: Path, placement: str, part: PinPart, desk: Desk) -> Pin:
    item = Reference(part.item, checked.file, *checked.place(*path, "item"))
    variant = Reference(part.variant, checked.file, *checked.place(*path, "variant")) if part.variant else None
    desk.pins.append(PinnedItem(placement, item, variant))
    plan = desk.plan(checked, (*path, "if"), part.if_, NO_ITEM) if part.if_ else b""
    return Pin(part.slot, part.item, part.variant or "", (part.if_ or "").strip(), plan)


def _reserved(checked: Checked[PlacementsFile], path: Path, part: PlacementPart, desk: Desk) -> Iterator[Reserved]:
    for at, one in enumerate(part.reserved):
        yield Reserved(one.slot, Scope(*desk.members(checked, (*path, "reserved", at, "for"), one.for_)))


def _worth(checked: Checked[PlacementsFile], path: Path, part: PlacementPart, desk: Desk) -> Worth:
    if part.value.attribute:
        desk.worths.append(Reference(part.value.attribute, checked.file, *checked.place(*path)))
    return Worth(part.value.attribute or "", part.value.otherwise)

"""What is wrong with a playbook beyond the form of each file: names that meet nothing, shares that do not add up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from maitred_server.errors import Mistake
from maitred_server.model import Item
from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.nouns import PlannedPlacement, Playbook, Reference
from maitred_server.playbook.schema.header import ArmPart, PlaybookFile
from maitred_server.playbook.schema.placements import PlacementPart, PlacementsFile
from maitred_server.playbook.schema.values import MOST_HOLDOUT, SHARE_POINTS, points
from maitred_server.playbook.validation import Checked, mistake_at
from maitred_server.playbook.yamltree import Path

HOLDOUT = "holdout"


class ArmPolicy(NamedTuple):
    """That an arm gives a placement a policy."""

    layer: str
    placement: str
    policy: str
    path: Path


def arm_policies(header: PlaybookFile) -> Iterator[ArmPolicy]:
    """Every placement that an arm gives a policy."""
    for at, layer in enumerate(header.layers):
        for number, arm in enumerate(layer.arms):
            for placement, policy in arm.policies.items():
                yield ArmPolicy(layer.name, placement, policy, ("layers", at, "arms", number, "policies", placement))


def twice(checked: Checked[Any], path: Path, names: Sequence[str]) -> Iterator[Mistake]:
    """Names in the list at `path` that were used before."""
    first: dict[str, int] = {}
    for at, name in enumerate(names):
        place = checked.place(*path, at)
        if name in first:
            yield mistake_at(checked.file, place, f"`{name}` stands here twice; first in line {first[name]}")
        first.setdefault(name, place.line)


def check_header(header: Checked[PlaybookFile], policies: Collection[str]) -> Iterator[Mistake]:
    """Layers and the holdout by themselves."""
    layers = header.part.layers
    yield from twice(header, ("layers",), [layer.name for layer in layers])
    for at, layer in enumerate(layers):
        yield from twice(header, ("layers", at, "arms"), [arm.name for arm in layer.arms])
        yield from _check_shares(header, at, layer.arms)
        if layer.name == HOLDOUT:
            yield header.mistake(
                ("layers", at, "name"), f"`{HOLDOUT}` is the name of the holdout's layer; take another"
            )
    yield from twice(header, ("dimensions", "context"), header.part.dimensions.context)
    holdout = header.part.holdout
    if holdout is not None and holdout.share > MOST_HOLDOUT:
        yield header.mistake((HOLDOUT, "share"), f"the holdout's share is at most {MOST_HOLDOUT}")
    for one in arm_policies(header.part):
        if one.policy not in policies:
            yield header.mistake(one.path, f"unknown policy `{one.policy}`{did_you_mean(one.policy, policies)}")


def _check_shares(header: Checked[PlaybookFile], at: int, arms: Sequence[ArmPart]) -> Iterator[Mistake]:
    total = sum(points(arm.share) for arm in arms)
    if total > SHARE_POINTS:
        yield header.mistake(
            ("layers", at, "arms"), f"the shares add up to {total / SHARE_POINTS:g}; at most 1 is there to share"
        )


def check_placements(placements: Checked[PlacementsFile], policies: Collection[str]) -> Iterator[Mistake]:
    """Placements by themselves."""
    yield from twice(placements, ("placements",), [part.name for part in placements.part.placements])
    for at, part in enumerate(placements.part.placements):
        for field, policy in (("policy", part.policy), ("baseline", part.baseline)):
            if policy not in policies:
                known = did_you_mean(policy, policies)
                yield placements.mistake(("placements", at, field), f"unknown policy `{policy}`{known}")
        for field, names in (("order", part.order), ("fallback", part.fallback)):
            yield from twice(placements, ("placements", at, field), names)


def check_both(header: Checked[PlaybookFile], placements: Checked[PlacementsFile]) -> Iterator[Mistake]:
    """Layers and placements together."""
    parts = {part.name: part for part in placements.part.placements}
    chosen_by: dict[str, str] = {}
    for one in arm_policies(header.part):
        first = chosen_by.setdefault(one.placement, one.layer)
        if one.placement not in parts:
            known = did_you_mean(one.placement, parts)
            yield header.key_mistake(one.path, f"unknown placement `{one.placement}`{known}")
        elif first != one.layer:
            message = f"layer `{first}` chooses the policy of `{one.placement}` already; one layer may"
            yield header.key_mistake(one.path, message)
        elif one.policy == "fixed" and not parts[one.placement].order:
            yield header.mistake(one.path, f"policy `fixed` needs an `order` in placement `{one.placement}`")


def check_fixed(placements: Checked[PlacementsFile]) -> Iterator[Mistake]:
    """Placements whose fixed policy has nothing to serve."""
    for at, part in enumerate(placements.part.placements):
        for field, policy in (("policy", part.policy), ("baseline", part.baseline)):
            if policy == "fixed" and not part.order:
                yield placements.mistake(("placements", at, field), "policy `fixed` needs an `order`: a list of items")


def unused_orders(header: PlaybookFile, placements: Sequence[PlacementPart]) -> Iterator[str]:
    """Warnings about orders that no policy follows."""
    fixed = {one.placement for one in arm_policies(header) if one.policy == "fixed"}
    for part in placements:
        if part.order and part.name not in fixed and "fixed" not in (part.policy, part.baseline):
            yield f"placement `{part.name}` has an `order` that no policy follows: only `fixed` does"


def shared_salts(header: PlaybookFile) -> Iterator[str]:
    """Warnings about layers that divide alike."""
    first = {header.holdout.salt: HOLDOUT} if header.holdout is not None else {}
    for layer in header.layers:
        other = first.setdefault(layer.salt or layer.name, layer.name)
        if other != layer.name:
            yield f"layer `{layer.name}` has the salt of `{other}`: the two divide alike and are not independent"


def check_references(playbook: Playbook, items: Mapping[str, Item]) -> list[Mistake]:
    """Names of items and groups that do not exist. `items`: those that can be chosen, by id."""
    groups = {group.id for group in playbook.groups}.union(*(item.groups for item in items.values()))
    named = playbook.mentions
    mistakes = [*_unknown("item", named.items, items), *_unknown("group", named.groups, groups)]
    mistakes += _pinned(playbook, items)
    mistakes += _worths(named.worths, items)
    for plan in playbook.placements:
        mistakes += _unknown("group", plan.groups, groups)
        mistakes += _unknown("item", (*plan.items, *plan.order, *plan.fallback), items)
        mistakes += _not_candidates(plan, items)
    return mistakes


def _unknown(what: str, references: Sequence[Reference], known: Collection[str]) -> Iterator[Mistake]:
    for one in references:
        if one.name not in known:
            yield one.mistake(f"unknown {what} `{one.name}`{did_you_mean(one.name, known)}")


def _not_candidates(plan: PlannedPlacement, items: Mapping[str, Item]) -> Iterator[Mistake]:
    for one in plan.order:
        if one.name in items and not plan.is_candidate(items[one.name]):
            yield one.mistake(f"item `{one.name}` is in the order but is no candidate of placement `{plan.name}`")


def _pinned(playbook: Playbook, items: Mapping[str, Item]) -> Iterator[Mistake]:
    plans = {plan.name: plan for plan in playbook.placements}
    for pin in playbook.mentions.pins:
        item = items.get(pin.item.name)
        if item is None:
            yield from _unknown("item", [pin.item], items)
            continue
        if not plans[pin.placement].is_candidate(item):
            message = f"item `{item.id}` is pinned but is no candidate of placement `{pin.placement}`"
            yield pin.item.mistake(message)
        names = [variant.name for variant in item.variants if variant.name]
        if pin.variant is not None and pin.variant.name not in names:
            known = did_you_mean(pin.variant.name, names)
            yield pin.variant.mistake(f"item `{item.id}` has no variant `{pin.variant.name}`{known}")


def _worths(named: Sequence[Reference], items: Mapping[str, Item]) -> Iterator[Mistake]:
    """Attributes that are to say what an item is worth and are no numbers."""
    if not named:
        return
    numbers = {name for item in items.values() for name, value in item.attributes.items() if isinstance(value, float)}
    for one in named:
        if one.name not in numbers:
            known = did_you_mean(one.name, numbers)
            yield one.mistake(f"no item has a number as attribute `{one.name}`{known}")

"""Parts of a `Control` made in code, with their rules compiled."""

from __future__ import annotations

import json

from maitred_server.decide.ruleset import declarations
from maitred_server.playbook import rules
from maitred_server.playbook.control import (
    ContextDeclaration,
    ContextWeight,
    Control,
    Layer,
    Pin,
    Rule,
    Scope,
    Segment,
    TraitDeclaration,
)
from msgspec.structs import replace

DECLARED = Control(
    traits=(
        TraitDeclaration("age", "number"),
        TraitDeclaration("plan", "text"),
        TraitDeclaration("income", "number", "marketing"),
        TraitDeclaration("joined", "time"),
    ),
    context=(ContextDeclaration("device", "text"), ContextDeclaration("channel", "text")),
    item_types=(("price", "number"), ("tags", "texts")),
)


def compiled(control: Control, expression: str) -> rules.Rule:
    """A rule over what a control declares."""
    return rules.compile(expression, declarations(control))


def with_segments(control: Control, **expressions: str) -> Control:
    """The control with segments by name, each of which may use those before it."""
    for name, expression in expressions.items():
        rule = compiled(control, expression)
        timeless = not (rule.uses.now or rule.uses.context)
        segment = Segment(name, expression, rule.plan, timeless)
        control = replace(control, segments=(*control.segments, segment))
    return control


def rule(
    control: Control,
    expression: str,
    layer: Layer = "eligibility",
    name: str = "rule",
    why: str = "",
    **scope: tuple[str, ...],
) -> Rule:
    """A rule of a layer; `scope`: items, groups, placements, channels."""
    return Rule(name, layer, expression, compiled(control, expression).plan, Scope(**scope), why)


def pin(control: Control, slot: int, item: str, expression: str) -> Pin:
    """A pin with a condition."""
    return Pin(slot, item, "", expression, compiled(control, expression).plan)


def weight(control: Control, factor: float, expression: str, **scope: tuple[str, ...]) -> ContextWeight:
    """A context weight."""
    return ContextWeight(expression, factor, expression, compiled(control, expression).plan, Scope(**scope))


def items(**prices: float) -> bytes:
    """The items of the harness's playbook, as its file; those named with a price."""
    groups = {"APPLES": "fruit", "PEARS": "fruit", "BREAD": "bakery", "MILK": "dairy", "SOAP": "home"}
    lines: list[dict[str, object]] = [
        {"id": name, "groups": [group], "attributes": {"price": prices[name]} if name in prices else {}}
        for name, group in groups.items()
    ]
    return "\n".join(map(json.dumps, lines)).encode()

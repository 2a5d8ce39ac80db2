"""The playbook of the benchmark with everything that people control: 500 rules, 200 segments, 20 contact policies."""

from __future__ import annotations

import json
from typing import Any, Final

from maitred_tools.bench import seed

SCALAR: Final = 380  # rules over subject and context
ITEMS: Final = 100  # rules over items
BOTH: Final = 20  # rules over subject and item
SEGMENTS: Final = 200
POLICIES: Final = 20

CITIES: Final = ("Ghent", "Lyon", "Porto", "Turin")


def playbook() -> dict[str, bytes]:
    """The plain playbook, and what people control beside it. JSON is YAML."""
    return {**seed.playbook(), **subjects(), **files()}


def subjects() -> dict[str, bytes]:
    """What rules may ask of subjects and of the context."""
    declared = _file(
        traits=[
            {"name": "age", "type": "number"},
            {"name": "city", "type": "text"},
            {"name": "loyal", "type": "flag"},
            {"name": "likes", "type": "texts"},
        ],
        context=[{"name": "store", "type": "text"}, {"name": "device", "type": "text"}],
    )
    return {"subjects.yaml": declared}


def files() -> dict[str, bytes]:
    """Segments, rules and contact policies."""
    return {
        "segments.yaml": _file(segments=[{"name": segment(n), "if": _segment(n)} for n in range(SEGMENTS)]),
        "rules.yaml": _file(rules=[*map(_scalar, range(SCALAR)), *map(_item, range(ITEMS)), *map(_both, range(BOTH))]),
        "contact_policies.yaml": _file(contact_policies=[_policy(n) for n in range(POLICIES)]),
    }


def segment(number: int) -> str:
    """The name of a segment."""
    return f"segment-{number:03}"


def _file(**content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()


def _segment(number: int) -> str:
    return (
        f"subject.age >= {18 + number % 60}.0 && subject.city != '{CITIES[number % 4]}'",
        f"subject.loyal || subject.age < {20 + number % 50}.0",
        f"'tea' in subject.likes && subject.age > {number % 70}.0",
        f"subject.city == '{CITIES[number % 4]}' && context.device == 'till' && subject.age > {number % 30}.0",
    )[number % 4]


def _scalar(number: int) -> dict[str, Any]:
    """Most hold for most: a rule that closes everything would leave nothing to measure."""
    text = (
        f"!has(subject.age) || subject.age > {number % 30}.0 || context.store == 'no {number}'",
        f"subject.city != 'nowhere {number}' && context.device in ['till', 'kiosk {number}']",
        f"'{segment(number % SEGMENTS)}' in subject.segments || subject.age < {60 + number % 30}.0",
        f"size(subject.likes) < {3 + number % 5} || subject.loyal",
        f"context.store.startsWith('3') || subject.age >= {70 + number % 20}.0",
    )[number % 5]
    layer = ("eligibility", "applicability", "suitability")[number % 3]
    items = [seed.item((number * 7 + step * 41) % seed.ITEMS) for step in range(20)]
    return {"name": f"subject rule {number}", "layer": layer, "if": text, "for": {"items": items}}


def _item(number: int) -> dict[str, Any]:
    text = (
        f"item.price < {14.5 - number / 100:.2f}",
        f"item.colour != 'no colour {number}' || item.price > {number}.0",
        f"item.colour in ['red', 'green', 'blue {number}'] || item.price > {1 + number % 5}.0",
        f"item.id != '{seed.item(number)}'",
    )[number % 4]
    groups = [seed.group(number), seed.group(number + 11)]
    return {"name": f"item rule {number}", "layer": "eligibility", "if": text, "for": {"groups": groups}}


def _both(number: int) -> dict[str, Any]:
    text = (
        f"item.price * {4 + number}.0 < subject.age * 40.0",
        f"item.colour != 'red' || subject.age > {18 + number}.0",
    )[number % 2]
    return {"name": f"pair rule {number}", "layer": "suitability", "if": text, "for": {"groups": [seed.group(number)]}}


def _policy(number: int) -> dict[str, Any]:
    scopes: tuple[dict[str, Any], ...] = (
        {"for": {"groups": [seed.group(number)]}, "per": "item"},
        {"for": {"groups": [seed.group(number), seed.group(number + 1)]}, "per": "group"},
        {"per": "item"},
        {"for": {"placements": [seed.PLACEMENT]}, "per": "placement"},
    )
    common = {"name": f"policy {number}", "most": 20 + number, "window": f"{1 + number}d"}
    counts = "exposure" if number % 4 else "outcome.dismiss"
    return {**common, "counts": counts, **scopes[number % 4]}

"""What people control: the files of control become nouns, and what they name is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from maitred_server.errors import PlaybookError
from maitred_server.model import Intensity, Item, Reason, Variant
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import (
    ContactPolicy,
    ContextDeclaration,
    Control,
    EventDeclaration,
    Lever,
    Purpose,
    QuietHours,
    ReasonText,
    Reserved,
    Scope,
    TraitDeclaration,
    Wording,
    Worth,
)
from maitred_server.playbook.loader import load
from maitred_server.playbook.nouns import Playbook
from maitred_server.playbook.rules import Rule

DAY_MS = 86_400_000
PLAIN = {"playbook.yaml": "name: shop\n", "placements.yaml": "placements: [{name: home, policy: popular}]\n"}
SUBJECTS = """
purposes: [{name: marketing, description: News.}, {name: analysis, consent: assumed}]
intensity: explicit
traits:
  - {name: age, type: whole}
  - {name: timezone, type: text, purpose: marketing}
  - {name: health, type: text, sensitive: true}
context: [{name: device, type: text}]
events: [{type: view, purpose: marketing}]
"""
ITEMS = """
items:
  - {id: skis, groups: [sport], attributes: {price: 300, tags: [snow]}}
  - {id: boots, groups: [sport], attributes: {price: 90.5, new: true}}
"""


def files(**texts: str) -> dict[str, bytes]:
    named = {f"{name}.yaml": text for name, text in texts.items()}
    return {name: text.encode() for name, text in (PLAIN | {"items.yaml": ITEMS} | named).items()}


def loaded(**texts: str) -> Playbook:
    return load(files(**texts), ())


def control(**texts: str) -> Control:
    return loaded(**texts).control


def mistakes(imported: tuple[Item, ...] = (), **texts: str) -> list[str]:
    with pytest.raises(PlaybookError) as caught:
        load(files(**texts), imported)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_playbook_without_control_has_none() -> None:
    """Without files of control, and without what carries any, nothing is controlled."""
    assert control() == Control()


def test_subjects() -> None:
    """Purposes, traits, context, events and the intensity are as written."""
    found = control(subjects=SUBJECTS)
    assert found.purposes == (Purpose("marketing", "News."), Purpose("analysis", required=False))
    assert found.intensity is Intensity.EXPLICIT
    assert found.traits[1:] == (
        TraitDeclaration("timezone", "text", "marketing"),
        TraitDeclaration("health", "text", sensitive=True),
    )
    assert found.context == (ContextDeclaration("device", "text"),)
    assert found.events == (EventDeclaration("view", "marketing"),)
    assert found.item_types == (("new", "flag"), ("price", "number"), ("tags", "texts"))


def test_segments_know_what_they_depend_on() -> None:
    """A segment is timeless as long as neither it nor a segment that it uses looks at the time or the context."""
    segments = """
segments:
  - {name: grown-up, if: subject.age >= 18}
  - {name: mobile, if: 'context.device == "mobile"'}
  - {name: early, if: now.getHours() < 9}
  - {name: grown-up mobile, if: '"grown-up" in subject.segments && "mobile" in subject.segments'}
  - {name: really grown-up, if: '"grown-up" in subject.segments && subject.age > 21'}
"""
    found = control(subjects=SUBJECTS, segments=segments).segments
    assert [one.name for one in found if one.timeless] == ["grown-up", "really grown-up"]
    assert Rule.from_plan(found[0].plan).matches({"age": 18}, {}, 0)


def test_rules_and_their_scopes() -> None:
    """A rule has its layer, its compiled text and what it is about."""
    rules = """
rules:
  - name: affordable
    layer: suitability
    if: item.price < 100.0
    for: {groups: [sport], items: [skis], placements: [home], channels: [email]}
    why: Nobody buys more.
"""
    (rule,) = control(rules=rules).rules
    assert (rule.name, rule.layer, rule.expression) == ("affordable", "suitability", "item.price < 100.0")
    assert rule.scope == Scope(("skis",), ("sport",), ("home",), ("email",))
    assert rule.why == "Nobody buys more."
    assert not Rule.from_plan(rule.plan).matches({}, {}, 0, {"price": 300.0})


def test_rules_that_are_carried_are_one_for_each_text() -> None:
    """Equal rules of a layer that items and groups carry are one rule; those of placements are apart."""
    items = """
items:
  - {id: skis, eligibility: subject.age >= 18}
  - {id: boots, eligibility: [subject.age >= 18, item.id != "x"], suitability: subject.age >= 18}
"""
    groups = "groups: [{id: sport, eligibility: subject.age >= 18}]"
    placements = "placements: [{name: home, policy: popular, eligibility: subject.age >= 18}]"
    found = control(subjects=SUBJECTS, items=items, groups=groups, placements=placements).rules
    assert [(rule.name, rule.scope) for rule in found] == [
        ("item eligibility: subject.age >= 18", Scope(("skis", "boots"), ("sport",))),
        ('item eligibility: item.id != "x"', Scope(("boots",))),
        ("item suitability: subject.age >= 18", Scope(("boots",))),
        ("placement eligibility: subject.age >= 18", Scope(placements=("home",))),
    ]


def test_a_mistake_that_many_carry_is_told_once() -> None:
    """Of a wrong rule that many items carry the first place is named, and how many more there are."""
    lines = [json.dumps({"id": f"item-{at}", "eligibility": "subject.agee > 3"}) for at in range(500)]
    written = files(subjects=SUBJECTS) | {"items.jsonl": "\n".join(lines).encode()}
    with pytest.raises(PlaybookError) as caught:
        load(written, ())
    assert [str(one) for one in caught.value.mistakes] == [
        "items.jsonl:1:41: unknown trait `agee`; did you mean `age`? (and in 499 more places)"
    ]


def test_contact_policies_and_quiet_hours() -> None:
    """Windows are milliseconds, times of day minutes."""
    policies = """
contact_policies:
  - {name: cap, counts: exposure, most: 3, window: 7d}
  - {name: rest, counts: outcome.dismiss, most: 1, window: 1h, suppress_for: 90d, per: group, for: {groups: [sport]}}
quiet_hours:
  - {name: night, from: "21:30", to: "08:00", zone: Europe/Berlin, zone_from: [subject.timezone, context.device]}
"""
    found = control(subjects=SUBJECTS, contact_policies=policies)
    assert found.contact_policies == (
        ContactPolicy("cap", "exposure", 3, 7 * DAY_MS),
        ContactPolicy("rest", "outcome.dismiss", 1, 3_600_000, 90 * DAY_MS, "group", Scope(groups=("sport",))),
    )
    assert found.quiet_hours == (
        QuietHours("night", 21 * 60 + 30, 8 * 60, "Europe/Berlin", ("subject.timezone", "context.device")),
    )


def test_arbitration() -> None:
    """Levers and context weights have their factor, their scope and their rule."""
    arbitration = """
levers: [{name: push, factor: 2, for: {items: [skis]}, why: Stock.}]
context_weights: [{name: on the phone, weight: 0.5, if: 'context.device == "phone" && item.price > 1.0'}]
"""
    found = control(subjects=SUBJECTS, arbitration=arbitration)
    assert found.levers == (Lever("push", 2.0, Scope(("skis",)), "Stock."),)
    (weight,) = found.context_weights
    assert (weight.name, weight.weight, weight.scope) == ("on the phone", 0.5, Scope())
    assert Rule.from_plan(weight.plan).matches({}, {"device": "phone"}, 0, {"price": 2.0})


def test_slates() -> None:
    """Pins, reserved and stretch slots, limits and worth are a placement's plan; others have none."""
    placements = """
placements:
  - name: home
    policy: popular
    slots: 3
    channel: web
    format: banner
    devices: [kiosk]
    locales: [de, de-CH]
    pins: [{slot: 0, item: skis, if: subject.age > 3}, {slot: 1, item: boots}]
    reserved: [{slot: 2, for: {groups: [sport]}}]
    stretch: [1]
    most_per_group: 2
    group_limits: {sport: 1}
    value: {attribute: price, otherwise: 5}
  - {name: till, policy: popular}
"""
    (plan,) = control(subjects=SUBJECTS, placements=placements).slates
    assert (plan.placement, plan.channel, plan.format) == ("home", "web", "banner")
    assert (plan.devices, plan.locales) == (("kiosk",), ("de", "de-CH"))
    assert [(pin.slot, pin.item, bool(pin.plan)) for pin in plan.pins] == [(0, "skis", True), (1, "boots", False)]
    assert plan.reserved == (Reserved(2, Scope(groups=("sport",))),)
    assert (plan.stretch, plan.most_per_group, plan.group_limits) == ((1,), 2, (("sport", 1),))
    assert plan.worth == Worth("price", 5.0)


def test_wording() -> None:
    """A text without a locale is in the file's."""
    reasons = """
locale: de
name_attribute: title
reasons:
  - {reason: habit, text: "Weil Sie es mögen"}
  - {reason: learned, stretch: true, placements: [home], text: {en: New to you, fr: Nouveau}}
"""
    assert control(reasons=reasons).wording == Wording(
        "de",
        "title",
        (
            ReasonText(Reason.HABIT, (("de", "Weil Sie es mögen"),)),
            ReasonText(Reason.LEARNED, (("en", "New to you"), ("fr", "Nouveau")), ("home",), True),
        ),
    )


def test_variants_say_what_they_are_for() -> None:
    """A variant with places is a template, and has a plain text; all say which devices, locales and formats fit."""
    items = """
items:
  - id: skis
    attributes: {price: 300}
    variants:
      - {name: a, content: {title: "For {{ subject.age }}"}, plain: {title: For you}, devices: [kiosk]}
      - {name: b, content: "Skis", locales: [de-CH], formats: [banner]}
"""
    playbook = loaded(subjects=SUBJECTS, items=items)
    assert playbook.items[0].variants == (
        Variant(
            "a", b'{"title":"For {{ subject.age }}"}', devices=("kiosk",), template=True, plain=b'{"title":"For you"}'
        ),
        Variant("b", b"Skis", "text/plain", locales=("de-CH",), formats=("banner",)),
    )


def test_control_is_published(tmp_path: Path) -> None:
    """What was controlled is in the catalogue that was built, as it was loaded."""
    playbook = loaded(subjects=SUBJECTS, segments="segments: [{name: all, if: 'true'}]")
    build(playbook, (), tmp_path)
    assert Catalogue.open(tmp_path).control == playbook.control


def test_types_of_imported_items_count() -> None:
    """An attribute is of the type that it has in all items, imported ones too; a declared type must be theirs."""
    rules = "rules: [{name: a, layer: eligibility, if: item.size > 3.0}]"
    assert mistakes(rules=rules) == [
        "rules.yaml:1:47: unknown item attribute `size`; known are `groups`, `id`, `new`, `price`, `tags`"
    ]
    assert load(files(rules=rules), (Item("x", attributes={"size": 4.0}),)).control.rules[0].name == "a"
    assert control(rules=rules, subjects="item_attributes: {size: number}").rules[0].name == "a"
    assert mistakes(
        (Item("x", attributes={"size": "big"}),), rules=rules, subjects="item_attributes: {size: whole}"
    ) == ["items: attribute `size` of item `x` is a text; subjects.yaml declares it as a whole number"]


def test_names_of_imported_items_may_be_used(tmp_path: Path) -> None:
    """Items and groups in scopes may be imported; the build checks them once more, with their places."""
    arbitration = "levers: [{name: push, factor: 2, for: {items: [figs], groups: [fruit]}}]"
    figs = Item("figs", ("fruit",))
    playbook = load(files(arbitration=arbitration), (figs,))
    assert build(playbook, [figs], tmp_path).items == 3
    with pytest.raises(PlaybookError) as caught:
        build(playbook, [Item("fig")], tmp_path)
    assert [str(one) for one in caught.value.mistakes] == [
        "arbitration.yaml:1:48: unknown item `figs`; did you mean `fig`?",
        "arbitration.yaml:1:64: unknown group `fruit`; known are `sport`",
    ]

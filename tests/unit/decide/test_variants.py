"""Which variants of an item are served where."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.shop import NOTHING_SAID, shop, shown, slate
from maitred_server.decide import variants
from maitred_server.decide.filters import FILTERS
from maitred_server.decide.variants import ranges
from maitred_server.model import Item, Reason, Value, Variant
from maitred_server.playbook.control import Control, SlatePlan, Wording

SKI = Item(
    "ski",
    variants=(
        Variant("plain"),
        Variant("phone", devices=("phone",)),
        Variant("man", devices=("web",), locales=("de",)),
        Variant("woman", devices=("web",), locales=("de",)),
        Variant("swiss", locales=("de-CH", "fr_CH")),
    ),
)
KIOSK = Item("kiosk", variants=(Variant("wide", devices=("kiosk",)), Variant("large", devices=("kiosk", "wall"))))
ITEMS = (SKI, KIOSK)
EVERY = ("{name: home, slots: 9, policy: uniform}",)


def served(folder: Path, context: dict[str, Value], control: Control = NOTHING_SAID) -> set[str]:
    """The variants that can be chosen: those that are open."""
    desk = shop(folder, control, placements=EVERY, items=ITEMS, bought={})
    ground = desk.world.ground("home")
    assert ground.fitting is not None
    opened = ground.fitting.open(context)
    rows = range(len(ground.actions))
    return {desk.world.catalogue.variant(int(ground.actions[row])) for row in rows if opened is None or opened[row]}


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, {"plain"}),
        ({"device": "phone"}, {"phone"}),
        ({"device": "web"}, {"plain"}),
        ({"device": "web", "locale": "de"}, {"man", "woman"}),
        ({"device": "web", "locale": "de-AT"}, {"man", "woman"}),
        ({"device": "web", "locale": "de_ch"}, {"swiss"}),
        ({"device": "phone", "locale": "fr-CH"}, {"swiss"}),
        ({"device": "phone", "locale": "fr"}, {"phone"}),
        ({"device": "phone", "locale": "de"}, {"phone"}),
        ({"device": "wall"}, {"plain", "large"}),
        ({"device": "kiosk"}, {"plain", "wide", "large"}),
        ({"device": 7.0, "locale": ""}, {"plain"}),
    ],
)
def test_the_variants_that_fit_best_are_open(tmp_path: Path, context: dict[str, Value], expected: set[str]) -> None:
    """A variant is for what it names, and for everything where it names nothing. Of an item's variants that fit the
    nearest locale wins, then the named device; equals stay open beside each other.
    """
    assert served(tmp_path, context) == expected


def test_the_playbooks_locale_stands_in_for_one_that_nobody_said(tmp_path: Path) -> None:
    """A request without a locale is served what one with the playbook's own is."""
    control = Control(wording=Wording(locale="de-CH"))
    assert served(tmp_path, {}, control) == served(tmp_path, {"locale": "de-CH"}) == {"swiss"}


def test_a_placement_takes_its_own_format(tmp_path: Path) -> None:
    """Variants of another format are closed, and one made for the format goes before one for all."""
    formats = (Variant("any"), Variant("wide", formats=("banner",)), Variant("high", formats=("tower", "pole")))
    items = (Item("ski", variants=formats),)
    found = {}
    for name in ("banner", "tower", "card", ""):
        control = Control(slates=(SlatePlan("home", format=name),))
        desk = shop(tmp_path / (name or "none"), control, placements=EVERY, items=items, bought={})
        found[name] = [choice.variant for choice in slate(desk)]
    assert found == {"banner": ["wide"], "tower": ["high"], "card": ["any"], "": ["any"]}


def test_artwork_is_a_choice_of_its_own(tmp_path: Path) -> None:
    """Variants that fit alike are actions: `uniform` shows each as often as it says, one of an item at a time."""
    pictures = (Variant("man skiing"), Variant("woman skiing"))
    desk = shop(tmp_path, placements=EVERY, items=(Item("ski", variants=pictures),), bought={})
    (choice,) = slate(desk)
    assert (choice.item, choice.probability) == ("ski", 0.5)


def test_an_order_serves_the_first_variant_that_fits(tmp_path: Path) -> None:
    """`fixed` and a fallback serve of each item the first that fits the moment; an item without one is passed over."""
    placements = (
        "{name: home, slots: 2, policy: fixed, order: [kiosk, ski]}",
        "{name: none, candidates: {items: [kiosk]}, policy: fixed, order: [kiosk], fallback: [ski]}",
    )
    desk = shop(tmp_path, placements=placements, items=ITEMS, bought={})
    found = {
        (name, device): [(choice.variant, choice.reason) for choice in slate(desk, name, context={"device": device})]
        for name in ("home", "none")
        for device in ("kiosk", "phone")
    }
    rule = Reason.RULE
    assert found == {
        ("home", "kiosk"): [("wide", rule), ("plain", rule)],
        ("home", "phone"): [("phone", rule)],
        ("none", "kiosk"): [("wide", rule)],
        ("none", "phone"): [("phone", Reason.FALLBACK)],
    }


@pytest.mark.parametrize(
    ("context", "variant", "why"),
    [
        ({"device": "web"}, "phone", "its variant is for device `phone`, and the request says `web`"),
        ({}, "large", "its variant is for devices `kiosk`, `wall`, and the request says none"),
        ({"locale": "it"}, "swiss", "its variant is for locales `de-CH`, `fr_CH`, and the request says `it`"),
        ({"device": "phone"}, "plain", "another variant of the item fits better"),
    ],
)
def test_it_is_said_why_a_variant_does_not_fit(
    tmp_path: Path, context: dict[str, Value], variant: str, why: str
) -> None:
    """The filter says what the variant is for, and what the request says."""
    desk = shop(tmp_path, placements=EVERY, items=ITEMS, bought={})
    (fits,) = [one for one in FILTERS if one.name == "variants"]
    ground, moment = desk.world.ground("home"), desk.moment(None, context)
    row = next(row for row in range(7) if desk.world.catalogue.variant(int(ground.actions[row])) == variant)
    assert fits.why(ground, moment, [], row) == [why]


def test_without_special_variants_there_is_nothing_to_fit(tmp_path: Path) -> None:
    """A placement whose variants are all for everything pays nothing."""
    assert shop(tmp_path).world.ground("home").fitting is None
    assert shown(shop(tmp_path / "again")) == ["apples", "pears", "plums"]


def test_the_memory_of_moments_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices and locales that no variant names are all the same, and what is remembered never grows past its bound."""
    monkeypatch.setattr(variants, "MOST_KEPT", 3)
    desk = shop(tmp_path, placements=EVERY, items=ITEMS, bought={})
    fitting = desk.world.ground("home").fitting
    assert fitting is not None
    for number in range(50):
        fitting.open({"device": f"odd {number}", "locale": f"xx-{number}"})
    assert len(fitting._kept) == 1
    for device in ("web", "phone", "kiosk", "wall"):
        for locale in ("de", "de-CH", "en"):
            fitting.open({"device": device, "locale": locale})
            assert len(fitting._kept) <= 3


def test_ranges_of_a_locale() -> None:
    """From the locale itself to its language, however it is written."""
    assert [ranges(name) for name in ("zh-Hant_TW", "de", "")] == [("zh-hant-tw", "zh-hant", "zh"), ("de",), ()]

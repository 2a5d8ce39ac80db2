"""Differences between playbooks: every change once, in the words of the files."""

from __future__ import annotations

import msgspec
import pytest
from maitred_server.model import Item, Reason
from maitred_server.playbook.control import (
    ContactPolicy,
    Control,
    Lever,
    Pin,
    QuietHours,
    ReasonText,
    Rule,
    Scope,
    Segment,
    SlatePlan,
    Wording,
)
from maitred_server.playbook.differ import EMPTY, FIRST_FEW, MOST_TOLD, Change, differences, with_items
from maitred_server.playbook.loader import load
from maitred_server.playbook.nouns import Playbook
from maitred_server.playbook.words import duration

DAY_MS = 86_400_000
HEADER = """
name: shop
layers:
  - {name: tills, unit: household, arms: [{name: a, share: 0.25, policies: {home: habit}}]}
"""
PLACEMENTS = """
placements:
  - {name: home, policy: popular, slots: 3}
  - {name: till, policy: fixed, candidates: {groups: [fruit]}, order: [pears, apples], ttl: 0s}
"""
ITEMS = '{"id": "bread", "attributes": {"price": 2.5}, "variants": [{"content": "Bread"}]}'


def playbook(header: str = HEADER, placements: str = PLACEMENTS, items: str = ITEMS) -> Playbook:
    texts = {"playbook.yaml": header, "placements.yaml": placements, "items.jsonl": items}
    return load({name: text.encode() for name, text in texts.items()})


def controlled(**parts: object) -> Playbook:
    return msgspec.structs.replace(EMPTY, control=Control(**parts))  # type: ignore[arg-type]


def only(before: Playbook, after: Playbook) -> Change:
    (change,) = differences(before, after)
    return change


def test_equal_playbooks_do_not_differ() -> None:
    """The same nouns are no change, whatever lines they stand in and whatever follows from them."""
    assert differences(playbook(), playbook()) == []
    assert differences(playbook(), playbook(placements="\n\n# a note\n" + PLACEMENTS)) == []
    old, new = (Segment("skiers", "subject.ski", plan, timeless=True) for plan in (b"old", b"new"))
    assert differences(controlled(segments=(old,)), controlled(segments=(new,))) == []


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("slots: 3", "slots: 2, ttl: 90s", ("placement", "home", "changed", "slots 3 -> 2; ttl 30s -> 90s")),
        (
            "[pears, apples]",
            "[apples, pears]",
            ("placement", "till", "changed", "order `pears`, `apples` -> `apples`, `pears`"),
        ),
        ("[fruit]", "[tea]", ("placement", "till", "changed", "groups: added `tea`, removed `fruit`")),
        ("0.25", "0.5", ("layer", "tills", "changed", "arm `a` share 25% -> 50%")),
        (", unit: household", "", ("layer", "tills", "changed", "unit `household` -> `subject`")),
        (
            "{home: habit}",
            "{home: uniform}",
            ("layer", "tills", "changed", "arm `a` policy `home` `habit` -> `uniform`"),
        ),
        ("2.5", "2.75", ("item", "bread", "changed", "attribute `price` 2.5 -> 2.75")),
        ('"Bread"', '"Rye"', ("item", "bread", "changed", "variant content `Bread` -> `Rye`")),
        ("name: shop", "name: store", ("name", "", "changed", "`shop` -> `store`")),
        (
            "name: shop",
            "name: shop\ndimensions: {stage: {lapsed_days: 180}}",
            ("dimensions", "", "changed", "stages lapsed days 90 -> 180"),
        ),
    ],
)
def test_files_in_words(old: str, new: str, change: tuple[str, str, str, str]) -> None:
    """A changed value of a file is told with both values as they are written there."""
    after = playbook(*(text.replace(old, new) for text in (HEADER, PLACEMENTS, ITEMS)))
    assert only(playbook(), after) == change


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            {"contact_policies": (ContactPolicy("not too often", "exposure", 3, 7 * DAY_MS),)},
            {"contact_policies": (ContactPolicy("not too often", "exposure", 2, 14 * DAY_MS),)},
            ("contact policy", "not too often", "changed", "most 3 -> 2; window 7d -> 14d"),
        ),
        (
            {"rules": (Rule("adult", "eligibility", "subject.age > 18", b"1", Scope(items=("wine",))),)},
            {"rules": (Rule("adult", "eligibility", "subject.age > 21", b"2", Scope(items=("wine", "beer"))),)},
            ("rule", "adult", "changed", "if `subject.age > 18` -> `subject.age > 21`; for items: added `beer`"),
        ),
        (
            {},
            {"quiet_hours": (QuietHours("night", 21 * 60, 8 * 60),)},
            ("quiet hours", "night", "added", "from 21:00; to 08:00"),
        ),
        ({"levers": (Lever("push", 1.5),)}, {}, ("lever", "push", "removed", "factor 1.5")),
        (
            {"slates": (SlatePlan("home", pins=(Pin(0, "tea"),)),)},
            {"slates": (SlatePlan("home", pins=(Pin(0, "jam"),), group_limits=(("fruit", 2),)),)},
            ("slate", "home", "changed", "pin `0` item `tea` -> `jam`; group limit `fruit` added: 2"),
        ),
        (
            {"item_types": (("price", "number"),)},
            {"item_types": (("price", "text"),)},
            ("item type", "price", "changed", "`number` -> `text`"),
        ),
        (
            {"wording": Wording(reasons=(ReasonText(Reason.HABIT, (("en", "yours"),)),))},
            {"wording": Wording(reasons=(ReasonText(Reason.HABIT, (("en", "You know it"),)),))},
            ("wording", "", "changed", "reason `habit` text `en` `yours` -> `You know it`"),
        ),
    ],
)
def test_what_people_control_in_words(
    old: dict[str, object], new: dict[str, object], change: tuple[str, str, str, str]
) -> None:
    """Nouns of `Control` are told by the names and in the units of the files; of a rule both texts are shown."""
    assert only(controlled(**old), controlled(**new)) == change


def test_nouns_of_one_name_are_paired() -> None:
    """Where a name stands twice, what is equal is left out and only the other one is told."""
    first, second = ReasonText(Reason.HABIT, (("en", "a"),)), ReasonText(Reason.HABIT, (("en", "b"),), ("till",))
    third = ReasonText(Reason.HABIT, (("en", "c"),), ("till",))
    before, after = (controlled(wording=Wording(reasons=both)) for both in ((first, second), (third, first)))
    assert only(before, after).text == "reason `habit` text `en` `b` -> `c`"


class Rack(msgspec.Struct, frozen=True):
    """A noun that the differ has never heard of."""

    name: str
    depth: int = 1
    opens_ms: int = 0


class Newer(Playbook, frozen=True):
    """A playbook of a later release."""

    racks: tuple[Rack, ...] = ()


def test_a_new_noun_needs_no_code() -> None:
    """A part that is added to the playbook is compared as the others are."""
    parts = msgspec.structs.asdict(playbook())
    before = Newer(**parts, racks=(Rack("a"), Rack("b")))
    after = Newer(**parts, racks=(Rack("a", 2, 60_000), Rack("c")))
    assert differences(before, after) == [
        ("rack", "c", "added", ""),
        ("rack", "b", "removed", ""),
        ("rack", "a", "changed", "depth 1 -> 2; opens 0s -> 1m"),
    ]


def test_many_changes_alike_are_summed_up() -> None:
    """Of many added items the first five are named and the others counted; other changes are told beside them."""
    items = [Item(f"item-{number:03}") for number in range(MOST_TOLD + 1)]
    told = differences(with_items(playbook(), []), with_items(playbook(items=""), items))
    named = [("item", f"item-{number:03}", "added", "") for number in range(FIRST_FEW)]
    rest = ("item", "", "added", f"and {MOST_TOLD + 1 - FIRST_FEW} more")
    assert told == [
        *named,
        rest,
        ("item", "bread", "removed", "attributes `price` 2.5; variants (content `Bread`; content type `text/plain`)"),
    ]


def test_imported_items_count_unless_the_playbook_has_them() -> None:
    """What is imported is compared too; an item that the playbook has itself is as the playbook says."""
    before = with_items(playbook(), [Item("milk"), Item("bread", ("imported",))])
    after = with_items(playbook(), [Item("milk", ("dairy",))])
    assert only(before, after) == ("item", "milk", "changed", "groups: added `dairy`")


def test_against_nothing_everything_is_new() -> None:
    """Before the first publish all nouns are added."""
    told = {(change.what, change.change) for change in differences(EMPTY, playbook())}
    assert told == {("name", "changed"), ("placement", "added"), ("layer", "added"), ("item", "added")}


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0s"), (1_500, "1500ms"), (90_000, "90s"), (3_600_000, "1h"), (14 * DAY_MS, "14d")]
)
def test_durations(ms: int, text: str) -> None:
    """Durations are told in the largest unit of which they are a whole number."""
    assert duration(ms) == text


def test_long_values_are_cut() -> None:
    """No value is longer than anyone reads; two that differ behind the cut are said to have changed."""
    items = [f'{{"id": "x", "variants": [{{"content": "{"long " * 200}{end}"}}]}}' for end in "ab"]
    assert only(playbook(items=items[0]), playbook(items=items[1])).text == "variant content changed"
    added = only(playbook(items=""), playbook(items=items[0]))
    assert added.text.endswith("...`; content type `text/plain`)")
    assert len(added.text) < 300

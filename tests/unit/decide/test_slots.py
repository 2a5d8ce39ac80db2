"""Who may fill which slot: pins, reserved and stretch slots, limits of groups, and no repeats over a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness.desk import Desk, granted, intensity
from harness.shop import ITEMS, by_slot, decided, purchase, shop, shown, slate
from maitred_server.decide.choice import Choice
from maitred_server.model import Consents, Intensity, Item, LiveState, Objection, Reason, Variant
from maitred_server.playbook import rules
from maitred_server.playbook.control import (
    ContextDeclaration,
    Control,
    EventDeclaration,
    Pin,
    Purpose,
    Reserved,
    Scope,
    SlatePlan,
)
from maitred_server.playbook.rules import Declarations

SIX = "{name: home, slots: 6, policy: popular}"
FOUR = "{name: home, slots: 4, policy: popular}"
SECOND = "{name: second, slots: 2, policy: popular}"
HOLDOUT = b"name: t\nholdout: {share: 0.5}\n"


def planned(folder: Path, *, placements: Sequence[str] = (FOUR,), **plan: Any) -> Desk:
    """A shop whose home placement has a plan."""
    return shop(folder, Control(slates=(SlatePlan("home", **plan),)), placements=placements)


def of(choices: Sequence[Choice], slot: int) -> Choice:
    return next(choice for choice in choices if choice.slot == slot)


# Pins


def test_a_pin_is_in_its_slot_for_certain(tmp_path: Path) -> None:
    """A pinned item is there by RULE with probability 1, is filled first, and is not repeated; the rest moves around
    it, and the slate's reason is that of the policy.
    """
    desk = planned(tmp_path, pins=(Pin(2, "soap"), Pin(0, "cheese")))
    (decision,) = decided(desk)
    assert by_slot(decision.slate) == ["cheese", "apples", "soap", "pears"]
    assert [choice.slot for choice in decision.slate] == [0, 2, 1, 3]
    assert [(of(decision.slate, slot).reason, of(decision.slate, slot).probability) for slot in (0, 2)] == [
        (Reason.RULE, 1.0)
    ] * 2
    assert decision.reason is Reason.POPULAR


def test_a_pin_holds_where_its_rule_does(tmp_path: Path) -> None:
    """A pin with a rule is there when the rule matches; of several pins of a slot the first that holds is taken."""
    plan = rules.compile("context.weather == 'rain'", Declarations(context={"weather": "text"})).plan
    pins = (Pin(0, "soap", expression="rain", plan=plan), Pin(0, "milk"))
    control = Control(context=(ContextDeclaration("weather", "text"),), slates=(SlatePlan("home", pins=pins),))
    desk = shop(tmp_path, control)
    assert [shown(desk, context={"weather": weather})[0] for weather in ("rain", "sun")] == ["soap", "milk"]
    assert shown(desk)[0] == "milk"


def test_a_pin_that_is_closed_leaves_its_slot(tmp_path: Path) -> None:
    """What is killed, or not for this subject, is not shown for being pinned: the slot is filled as any other."""
    control = Control(slates=(SlatePlan("home", pins=(Pin(0, "soap"), Pin(1, "milk"))),))
    desk = shop(tmp_path, control, states=[LiveState("soap", kill=True)])
    assert shown(desk) == ["apples", "milk", "pears"]
    assert shown(desk, pending=[Objection(item="milk")]) == ["apples", "pears", "plums"]


def test_a_pin_beyond_the_wanted_slots_or_the_candidates_is_passed_over(tmp_path: Path) -> None:
    """Who asks for fewer slots gets none of the later pins; an item that is no candidate cannot be pinned."""
    fruit = "{name: home, slots: 2, candidates: {groups: [fruit]}, policy: popular}"
    desk = planned(tmp_path, placements=(fruit,), pins=(Pin(0, "soap"), Pin(1, "plums"), Pin(5, "pears")))
    assert shown(desk) == ["apples", "plums"]


def test_a_pin_shows_the_variant_it_names_or_the_first_that_fits(tmp_path: Path) -> None:
    """A named variant that does not fit is not shown; without a name the fitting one is."""
    item = Item("ski", variants=(Variant("wide", devices=("web",)), Variant("phone", devices=("phone",))))
    found = {}
    for variant in ("", "wide"):
        control = Control(slates=(SlatePlan("home", pins=(Pin(0, "ski", variant),)),))
        desk = shop(tmp_path / (variant or "any"), control, items=(*ITEMS, item))
        for device in ("web", "phone"):
            choice = of(slate(desk, context={"device": device}), 0)
            found[variant, device] = (choice.item, choice.variant)
    apples = ("apples", "")
    assert found == {
        ("", "web"): ("ski", "wide"),
        ("", "phone"): ("ski", "phone"),
        ("wide", "web"): ("ski", "wide"),
        ("wide", "phone"): apples,
    }


def test_a_pin_stands_where_the_policy_would_choose_nothing(tmp_path: Path) -> None:
    """Also beside an order that does not name the item; its priority is then 0."""
    fixed = "{name: home, slots: 3, policy: fixed, order: [milk]}"
    choices = slate(planned(tmp_path, placements=(fixed,), pins=(Pin(1, "soap"),)))
    assert [(one.slot, one.item, one.priority) for one in choices] == [(1, "soap", 0.0), (0, "milk", 0.0)]


# Over a page


def test_an_item_that_is_pinned_further_on_is_left_for_its_pin(tmp_path: Path) -> None:
    """An earlier placement of the page does not take what a later one has pinned, nor does its fallback."""
    plan = SlatePlan("second", pins=(Pin(1, "apples"),))
    empty = "{name: empty, candidates: {items: [apples]}, policy: popular, fallback: [apples, soap]}"
    desk = shop(
        tmp_path, Control(slates=(plan,)), placements=("{name: home, slots: 2, policy: popular}", SECOND, empty)
    )
    first, second = decided(desk, "home", "second")
    assert (by_slot(first.slate), by_slot(second.slate)) == (["pears", "plums"], ["milk", "apples"])
    assert by_slot(decided(desk, "empty", "second")[0].slate) == ["soap"]
    assert shown(desk) == ["apples", "pears"]


def test_of_two_pins_of_one_item_the_first_of_the_page_holds(tmp_path: Path) -> None:
    """An item is shown once; the pin of the later placement leaves its slot to the others."""
    control = Control(slates=tuple(SlatePlan(name, pins=(Pin(0, "soap"),)) for name in ("home", "second")))
    desk = shop(tmp_path, control, placements=("{name: home, slots: 2, policy: popular}", SECOND))
    assert [by_slot(one.slate) for one in decided(desk, "home", "second")] == [["soap", "apples"], ["pears", "plums"]]
    assert [by_slot(one.slate) for one in decided(desk, "second", "home")] == [["soap", "apples"], ["pears", "plums"]]


def test_only_pins_that_will_be_there_hold_back(tmp_path: Path) -> None:
    """A pin beyond the slots that are wanted of the later placement takes nothing from the earlier."""
    plan = SlatePlan("second", pins=(Pin(1, "apples"),))
    desk = shop(tmp_path, Control(slates=(plan,)), placements=("{name: home, slots: 2, policy: popular}", SECOND))
    page = desk.answer(placements=[("home", 0), ("second", 1)]).decisions
    assert [by_slot(one.slate) for one in page] == [["apples", "pears"], ["plums"]]


# Reserved slots


def test_a_reserved_slot_is_filled_from_its_scope(tmp_path: Path) -> None:
    """Only items of the scope fill it, before the other slots take them; the policy chooses among them."""
    desk = planned(tmp_path, reserved=(Reserved(3, Scope(groups=("dairy",))), Reserved(1, Scope(items=("apples",)))))
    (decision,) = decided(desk)
    assert by_slot(decision.slate) == ["pears", "apples", "plums", "milk"]
    assert [choice.slot for choice in decision.slate] == [1, 3, 0, 2]
    assert {choice.reason for choice in decision.slate} == {Reason.POPULAR}


@pytest.mark.parametrize("scope", [Scope(items=("soap",)), Scope(groups=("unknown",)), Scope(placements=("other",))])
def test_a_reserved_slot_goes_to_others_when_none_of_its_own_is_open(tmp_path: Path, scope: Scope) -> None:
    """No slot stays empty for being reserved."""
    control = Control(slates=(SlatePlan("home", reserved=(Reserved(1, scope),)),))
    desk = shop(tmp_path, control, states=[LiveState("soap", paused=True)])
    assert sorted(shown(desk)) == ["apples", "pears", "plums"]


def test_a_pin_goes_before_what_its_slot_is_reserved_for(tmp_path: Path) -> None:
    """A pinned slot that is reserved too has the pin; when that is closed, an item of the scope."""
    desk = planned(tmp_path, pins=(Pin(0, "soap"),), reserved=(Reserved(0, Scope(groups=("dairy",))),))
    assert shown(desk)[0] == "soap"
    assert shown(desk, pending=[Objection(item="soap")])[0] == "milk"


# Stretch slots


def stretching(folder: Path, *bought: str, **plan: Any) -> Desk:
    """A shop with a stretch slot, and a subject that bought some things."""
    desk = planned(folder, **{"stretch": (1,), **plan})
    desk.tell(*[purchase(item) for item in bought])
    return desk


def test_a_stretch_slot_is_from_outside_of_the_usual_groups(tmp_path: Path) -> None:
    """Who buys fruit meets something else there, chosen by the policy, and marked; also in the receipt."""
    desk = stretching(tmp_path, "apples", "pears")
    answer = desk.answer()
    (decision,) = answer.decisions
    assert by_slot(decision.slate) == ["apples", "milk", "pears", "plums"]
    assert [choice.slot for choice in decision.slate if choice.stretch] == [1]
    sealed = desk.receipt(answer).decisions[0].slots
    assert [slot.item for slot in sealed if slot.stretch] == ["milk"]


@pytest.mark.parametrize(
    ("bought", "expected"),
    [
        (["apples"] * 8 + ["milk"] * 2, "milk"),  # fruit is 80%
        (["apples"] * 7 + ["milk"] * 2, "soap"),  # fruit is 78%: dairy is usual too; soap is in no group
        (["apples"] * 8 + ["milk", "plums"], "milk"),  # of 11 in groups: fruit 9, dairy and offers 1 each
        (["soap"], ""),  # of no group: nothing is usual
        ([], ""),
    ],
)
def test_the_usual_groups_make_up_most_of_what_somebody_did(tmp_path: Path, bought: list[str], expected: str) -> None:
    """Groups are usual from the most counted on until they are 80% of all counts; of who did nothing yet none is, and
    then nothing is marked.
    """
    marked = [choice.item for choice in slate(stretching(tmp_path, *bought)) if choice.stretch]
    assert marked == [expected] * bool(expected)


def test_a_group_of_everything_is_not_usual(tmp_path: Path) -> None:
    """A group that all candidates are in says nothing about anybody."""
    items = tuple(Item(item.id, (*item.groups, "all")) for item in ITEMS)
    desk = shop(tmp_path, Control(slates=(SlatePlan("home", stretch=(0,)),)), items=items)
    desk.tell(purchase("apples", items))
    assert [choice.item for choice in slate(desk) if choice.stretch] == ["milk"]


def test_where_all_is_usual_a_stretch_slot_is_as_any_other(tmp_path: Path) -> None:
    """When nothing from outside is open the slot is filled as usual, and not marked."""
    some = "{name: home, slots: 2, candidates: {items: [apples, milk]}, policy: popular}"
    desk = shop(tmp_path, Control(slates=(SlatePlan("home", stretch=(0,)),)), placements=(some,))
    desk.tell(purchase("apples"), purchase("milk"))
    assert [(one.item, one.stretch) for one in slate(desk)] == [("apples", False), ("milk", False)]


@pytest.mark.parametrize("level", [Intensity.OFF, Intensity.CONTEXTUAL, Intensity.EXPLICIT])
def test_who_is_not_profiled_has_no_usual_groups(tmp_path: Path, level: Intensity) -> None:
    """What somebody did is not looked at below the full intensity, so nothing is marked."""
    desk = stretching(tmp_path, "apples")
    assert [choice.stretch for choice in slate(desk, pending=[intensity(level)])] == [False] * 4


def test_counters_without_consent_make_nothing_usual(tmp_path: Path) -> None:
    """Where purchases are kept for a purpose that was not granted, nobody's groups are known."""
    control = Control(
        purposes=(Purpose("advice"),),
        events=(EventDeclaration("purchase", "advice"),),
        slates=(SlatePlan("home", stretch=(1,)),),
    )
    desk = shop(tmp_path, control)
    desk.tell(purchase("apples"))
    consent: tuple[Consents, ...] = (granted("advice"),)
    found = [[one.item for one in slate(desk, pending=said) if one.stretch] for said in ((), consent)]
    assert found == [[], ["milk"]]


def test_the_holdout_has_pins_and_limits_and_no_stretch(tmp_path: Path) -> None:
    """Pins, reserved slots and limits are people's own; a stretch slot answers to personalization and goes with it."""
    plan = SlatePlan("home", pins=(Pin(0, "soap"),), stretch=(1,), group_limits=(("fruit", 1),))
    desk = shop(tmp_path, Control(slates=(plan,)), placements=(FOUR,), playbook=HOLDOUT)
    desk.tell(purchase("apples"))
    by_arm = {}
    for arm in ("holdout", ""):
        (decision,) = decided(desk, overrides={"holdout": arm})
        by_arm[arm] = (decision.reason, by_slot(decision.slate), [one.item for one in decision.slate if one.stretch])
    assert by_arm == {
        "holdout": (Reason.HOLDOUT, ["soap", "apples", "milk", "cheese"], []),
        "": (Reason.POPULAR, ["soap", "milk", "apples", "cheese"], ["milk"]),
    }


# Limits


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"most_per_group": 1}, ["apples", "milk", "soap"]),
        ({"most_per_group": 2}, ["apples", "pears", "milk", "cheese", "soap"]),
        ({"group_limits": (("fruit", 1),)}, ["apples", "milk", "cheese", "soap"]),
        ({"most_per_group": 1, "group_limits": (("fruit", 2),)}, ["apples", "pears", "milk", "soap"]),
        ({"group_limits": (("offers", 1),)}, ["apples", "pears", "plums", "milk", "soap"]),
        ({"most_per_group": 1, "pins": (Pin(0, "plums"),)}, ["plums", "milk", "soap"]),
        ({"most_per_group": 1, "pins": (Pin(0, "pears"), Pin(1, "apples"))}, ["pears", "apples", "milk", "soap"]),
        ({"group_limits": (("unknown", 1),)}, ["apples", "pears", "plums", "milk", "cheese", "soap"]),
    ],
)
def test_a_slate_shows_at_most_so_many_of_a_group(tmp_path: Path, plan: dict[str, Any], expected: list[str]) -> None:
    """An item counts for each of its groups; a full group closes, pins count and are not held up, and items without a
    group have no limit.
    """
    assert shown(planned(tmp_path, placements=(SIX,), **plan)) == expected


def test_limits_are_of_one_slate(tmp_path: Path) -> None:
    """Each placement of a page counts for itself."""
    control = Control(slates=tuple(SlatePlan(name, group_limits=(("fruit", 1),)) for name in ("home", "second")))
    desk = shop(tmp_path, control, placements=("{name: home, slots: 2, policy: popular}", SECOND))
    assert [by_slot(one.slate) for one in decided(desk, "home", "second")] == [["apples", "milk"], ["pears", "cheese"]]


# Together


def test_a_slate_with_all_of_it(tmp_path: Path) -> None:
    """Pin, reserved slot, stretch slot and limit in one slate, in the documented order of filling."""
    desk = stretching(
        tmp_path,
        "apples",
        placements=(SIX,),
        pins=(Pin(4, "pears"),),
        reserved=(Reserved(2, Scope(groups=("offers",))),),
        stretch=(3,),
        group_limits=(("fruit", 3),),
    )
    choices = slate(desk)
    assert [(one.slot, one.item, one.stretch) for one in choices] == [
        (4, "pears", False),
        (2, "plums", False),
        (3, "milk", True),
        (0, "apples", False),
        (1, "cheese", False),
        (5, "soap", False),
    ]


def test_without_a_plan_there_is_nothing_to_plan(tmp_path: Path) -> None:
    """A placement of which the playbook says nothing has no plan, and its slots are filled from the first on."""
    desk = shop(tmp_path)
    assert desk.world.ground("home").slots is None
    assert [(one.slot, one.item) for one in slate(desk)] == [(0, "apples"), (1, "pears"), (2, "plums")]


# The fallback


def test_a_fallback_obeys_what_closes_candidates(tmp_path: Path) -> None:
    """What is killed, objected to or on the page already is not shown as a fallback either."""
    empty = "{name: home, slots: 2, policy: fixed, order: [milk], fallback: [soap, apples, pears]}"
    desk = shop(
        tmp_path, placements=(empty, SECOND), states=[LiveState("milk", kill=True), LiveState("soap", kill=True)]
    )
    assert [(one.item, one.reason, one.priority) for one in slate(desk)] == [
        ("apples", Reason.FALLBACK, 0.0),
        ("pears", Reason.FALLBACK, 0.0),
    ]
    assert shown(desk, pending=[Objection(group="fruit")]) == []
    assert shown(desk, pending=[Objection(item="apples")]) == ["pears"]
    assert by_slot(decided(desk, "second", "home")[1].slate) == []

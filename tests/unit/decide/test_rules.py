"""The playbook's rules and segments in a decision."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.control import DECLARED, items, pin, rule, weight, with_segments
from harness.desk import NOW, Desk, granted, intensity, profile, publish
from maitred_server.decide.overlay import NO_STATES, Overlay
from maitred_server.decide.rule_filter import Rules
from maitred_server.decide.ruleset import Ruleset
from maitred_server.decide.world import World
from maitred_server.errors import RecordDamaged
from maitred_server.model import Intensity, LiveState, Reason, Trait, Traits, TraitSource
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Control, SlatePlan
from msgspec.structs import replace

EVERYTHING = {"APPLES", "PEARS", "BREAD", "MILK", "SOAP"}
FRUIT = {"APPLES", "PEARS"}
PLACEMENTS = b"""
placements:
  - {name: home, slots: 5, candidates: all, policy: uniform}
  - {name: shelf, slots: 5, candidates: all, policy: uniform}
"""


def trait(name: str, value: float | str, source: TraitSource = TraitSource.EXPLICIT) -> Traits:
    return Traits((Trait(name, value, source),))


def desk(folder: Path, control: Control, **files: bytes) -> Desk:
    return Desk(publish(folder, control, {"placements.yaml": PLACEMENTS, "items.jsonl": items(), **files}))


def why(one: Desk, item: str, moment_of: tuple[Traits, ...] = (), placement: str = "home") -> list[str]:
    ground, moment = one.world.ground(placement), one.moment(profile(*moment_of) if moment_of else None)
    row = ground.actions.tolist().index(one.world.catalogue.actions_of(item)[0])
    return Rules().why(ground, moment, [], row)


def test_a_rule_closes_what_it_is_about(tmp_path: Path) -> None:
    """By item, by group, in a placement, in a channel; what has no trait, or not the right one, is not shown."""
    adult = "subject.age >= 18.0"
    control = replace(
        DECLARED,
        slates=(SlatePlan("shelf", channel="kiosk"),),
        rules=(
            rule(DECLARED, adult, items=("SOAP",)),
            rule(DECLARED, adult, groups=("fruit",), placements=("home",)),
            rule(DECLARED, adult, groups=("dairy",), channels=("kiosk",)),
        ),
    )
    one = desk(tmp_path, control)
    assert set(one.items("home")) == EVERYTHING - FRUIT - {"SOAP"}
    assert set(one.items("shelf")) == EVERYTHING - {"SOAP", "MILK"}
    assert set(one.items("home", context={"channel": "kiosk"})) == {"BREAD"}
    one.tell(trait("age", 17.0))
    assert set(one.items("home")) == EVERYTHING - FRUIT - {"SOAP"}
    one.tell(trait("age", 18.0))
    assert set(one.items("home")) == set(one.items("shelf")) == EVERYTHING


def test_a_rule_about_a_placement_guards_all_of_it(tmp_path: Path) -> None:
    """With no item and no group named it is about every candidate; then the fallback, too, shows nothing it closes."""
    control = replace(DECLARED, rules=(rule(DECLARED, "context.device == 'tv'", placements=("home",)),))
    fallback = PLACEMENTS.replace(b"policy: uniform}", b"policy: uniform, fallback: [MILK]}")
    one = desk(tmp_path, control, **{"placements.yaml": fallback})
    assert (one.items("home"), len(one.items("shelf"))) == ([], 5)
    assert len(one.items("home", context={"device": "tv"})) == 5


def test_rules_about_items_look_at_live_prices(tmp_path: Path) -> None:
    """A live price is the item's price at once, and its end brings the catalogue's back; an item without one is not
    shown when a rule asks for it.
    """
    control = replace(DECLARED, rules=(rule(DECLARED, "item.price <= 2.0 || subject.plan == 'rich'"),))
    one = desk(tmp_path, control, **{"items.jsonl": items(APPLES=1.0, PEARS=2.0, BREAD=3.0, MILK=4.0)})
    before = one.world
    assert set(one.items()) == FRUIT
    states = NO_STATES.with_states([LiveState("BREAD", price=1.5), LiveState("PEARS", price=9.0)])
    one.world = World(before.catalogue, None, before, Overlay.of(before.catalogue, states, 1))
    assert set(one.items()) == {"APPLES", "BREAD"}
    one.world = World(before.catalogue, None, one.world, Overlay.of(before.catalogue))
    assert set(one.items()) == FRUIT
    one.tell(trait("plan", "rich"))
    assert set(one.items()) == EVERYTHING


def test_what_did_not_change_is_kept(tmp_path: Path) -> None:
    """A live state that changes no price that a rule asks for makes no rule anew."""
    control = replace(DECLARED, rules=(rule(DECLARED, "item.price <= 2.0", groups=("fruit",)),))
    before = desk(tmp_path, control, **{"items.jsonl": items(APPLES=1.0)}).world
    states = NO_STATES.with_states([LiveState("APPLES", paused=True)])
    after = World(before.catalogue, None, before, Overlay.of(before.catalogue, states, 1))
    assert after.ground("home").gate is before.ground("home").gate
    assert after.rulebook.rules is before.rulebook.rules


def test_segments_are_known_and_told(tmp_path: Path) -> None:
    """Rules ask for them, segments for each other; the answer and its receipt name those the subject is in, in the
    playbook's order.
    """
    control = with_segments(
        DECLARED, adults="subject.age >= 18.0", rich="subject.income > 9.0", both="'adults' in subject.segments"
    )
    control = replace(control, rules=(rule(control, "'both' in subject.segments", groups=("fruit",)),))
    one = desk(tmp_path, control)
    assert (set(one.items()), one.answer().segments) == (EVERYTHING - FRUIT, ())
    one.tell(trait("age", 20.0))
    answer = one.answer()
    assert (set(one.items()), answer.segments) == (EVERYTHING, ("adults", "both"))
    assert one.receipt(answer).segments == ("adults", "both")


def test_segments_see_what_rules_see(tmp_path: Path) -> None:
    """With the profile out of sight those over traits are empty, and those over the context are not."""
    control = with_segments(DECLARED, grown="subject.age >= 18.0", viewers="context.device == 'tv'")
    one = desk(tmp_path, control)
    one.tell(trait("age", 20.0), intensity(Intensity.CONTEXTUAL))
    assert one.answer(context={"device": "tv"}).segments == ("viewers",)
    one.tell(intensity(Intensity.FULL))
    assert one.answer(context={"device": "tv"}).segments == ("grown", "viewers")


def test_what_may_not_be_used_is_absent(tmp_path: Path) -> None:
    """A purpose that is not granted makes the trait absent, to `has` too."""
    control = with_segments(DECLARED, told="has(subject.income)", rich="subject.income > 1.0")
    one = desk(tmp_path, control)
    one.tell(trait("income", 5.0))
    assert one.answer().segments == ()
    one.tell(granted("marketing"))
    assert one.answer().segments == ("told", "rich")


def test_a_segment_knows_the_kind_and_the_moment(tmp_path: Path) -> None:
    """`subject.kind` is what the subject is, `now` is the decision's clock."""
    control = with_segments(DECLARED, people="subject.kind == 'person'", late="now > timestamp('2023-11-01T00:00:00Z')")
    assert desk(tmp_path, control).answer().segments == ("people", "late")


def test_each_refusal_keeps_its_layer(tmp_path: Path) -> None:
    """Name, layer, expression, reason for people, and each value as the rule saw it; errors too."""
    control, member = with_segments(DECLARED, adults="subject.age >= 18.0"), "'adults' in subject.segments"
    control = replace(
        control,
        rules=(
            rule(control, "subject.age >= 18.0", "eligibility", "grown up", "the law", items=("SOAP",)),
            rule(control, f"{member} && item.price < 2.0", "applicability", "fits", groups=("home",)),
            rule(control, "subject.joined < now", "suitability", "not new", items=("SOAP", "MILK")),
            rule(control, "subject.plan == 'a'", "suitability", "elsewhere", items=("SOAP",), channels=("kiosk",)),
        ),
    )
    one = desk(tmp_path, control)
    told = (Traits((Trait("age", 17.0, TraitSource.EXPLICIT), Trait("joined", NOW, TraitSource.EXPLICIT))),)
    assert why(one, "SOAP", told) == [
        "eligibility rule `grown up` (the law) does not hold: subject.age >= 18.0; subject.age is 17.0",
        "applicability rule `fits` does not hold: 'adults' in subject.segments && item.price < 2.0; "
        "item.price is absent, the subject is not in segment `adults`",
        "suitability rule `not new` does not hold: subject.joined < now; "
        "subject.joined is 2023-11-14T22:13:20Z, now is 2023-11-14T22:13:20Z",
    ]
    assert why(one, "BREAD", told) == []
    (failed,) = why(one, "MILK")
    assert failed.startswith("suitability rule `not new` does not hold: subject.joined < now; subject.joined is absent")
    assert "; it cannot be answered: " in failed
    ground, moment = one.world.ground("home"), one.moment(profile(*told))
    row = one.world.catalogue.actions_of("SOAP")[0]
    assert list(Rules().closed_by_layer(ground, moment, row)) == ["eligibility", "applicability", "suitability"]


def test_equal_rules_are_asked_once(tmp_path: Path) -> None:
    """Rules that are written the same are one rule of the program, and each still says why under its own name."""
    control = replace(
        DECLARED,
        rules=(
            rule(DECLARED, "subject.age > 1.0", name="one", items=("SOAP",)),
            rule(DECLARED, "subject.age > 1.0", "suitability", name="two", groups=("home", "dairy")),
        ),
    )
    one = desk(tmp_path, control)
    program = one.world.rulebook.rules.program
    assert program is not None
    assert len(program.rules) == 1
    assert [words.split("`")[1] for words in why(one, "SOAP")] == ["one", "two"]
    assert [words.split("`")[1] for words in why(one, "MILK")] == ["two"]


def test_pins_and_weights_ask_rules(tmp_path: Path) -> None:
    """A pin holds where its rule does, a weight on the items of which its rule holds, each with what may be seen."""
    control = with_segments(DECLARED, adults="subject.age >= 18.0")
    control = replace(
        control,
        slates=(SlatePlan("home", pins=(pin(control, 0, "MILK", "'adults' in subject.segments"),)),),
        context_weights=(weight(control, 3.0, "item.price > 1.0"), weight(control, 2.0, "context.device == 'tv'")),
    )
    one = desk(tmp_path, control, **{"items.jsonl": items(APPLES=1.0, PEARS=2.0)})
    assert one.answer("home").decisions[0].slate[0].reason is not Reason.RULE
    one.tell(trait("age", 18.0))
    first = one.answer("home").decisions[0].slate[0]
    assert (first.item, first.reason) == ("MILK", Reason.RULE)
    ground, moment = one.world.ground("home"), one.moment(None, {"device": "tv"})
    names = [one.world.catalogue.item(int(action)) for action in ground.actions]
    by_item, by_device = control.context_weights
    mask = one.world.rulebook.rows(by_item.plan, ground, moment)
    assert {name for name, holds in zip(names, mask, strict=True) if holds} == {"PEARS"}
    assert one.world.rulebook.rows(by_device.plan, ground, moment).tolist() == [True] * len(names)
    assert not one.world.rulebook.rows(by_device.plan, ground, one.moment(None)).any()


def test_without_rules_nothing_is_asked(tmp_path: Path) -> None:
    """An empty control leaves no gate, no answers and no segments."""
    one = desk(tmp_path, Control())
    moment = one.moment(profile(trait("age", 1.0)))
    assert (one.world.ground("home").gate, moment.answers, moment.segments) == (None, None, ())
    assert Rules().open(one.world.ground("home"), moment, []) is None


def test_plans_of_another_version_are_made_anew(tmp_path: Path) -> None:
    """A catalogue that another version of the server published is served: its rules are compiled from their text."""
    control = replace(DECLARED, rules=(rule(DECLARED, "subject.age >= 18.0", items=("SOAP",)),))
    old = replace(control, rules=tuple(replace(one, plan=b"of another form") for one in control.rules))
    assert set(desk(tmp_path, old).items()) == EVERYTHING - {"SOAP"}


@pytest.mark.parametrize("expression", ["subject.age >=", "subject.agee > 1.0"])
def test_a_rule_that_cannot_be_read_keeps_its_version_out(tmp_path: Path, expression: str) -> None:
    """It says which rule, and what to do."""
    good = rule(DECLARED, "subject.age > 1.0", name="adults")
    control = replace(DECLARED, rules=(replace(good, plan=b"", expression=expression),))
    with pytest.raises(RecordDamaged, match=r"rule `adults` cannot be used .*; publish the playbook again"):
        desk(tmp_path, control)
    with pytest.raises(RecordDamaged):
        Ruleset(Catalogue.open(tmp_path))

"""Explanations: they decide as decisions do, and say of each candidate where it fell and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness.control import DECLARED, pin, rule, weight
from harness.desk import SUBJECT, Desk, granted
from harness.shop import HOME, ITEMS, decided, purchase, shop
from maitred_server.decide.ask import Ask
from maitred_server.decide.explain import Asked, Candidate, Explanation, Funnel, explain
from maitred_server.errors import UnknownName
from maitred_server.model import (
    Event,
    Exposure,
    Item,
    Kind,
    LiveState,
    Objection,
    Reason,
    Shown,
    Trait,
    Traits,
    TraitSource,
    Variant,
)
from maitred_server.playbook.control import ContactPolicy, Lever, QuietHours, Reserved, Scope, SlatePlan, Worth
from msgspec.structs import replace

EVERYTHING = Asked()
SEED = int.from_bytes(b"\x07" * 8, "big")  # the desk's


def explained(desk: Desk, *placements: str, asked: Asked = EVERYTHING, seed: int = SEED, **more: Any) -> Explanation:
    """What is told of a request that the desk would answer."""
    wanted = [(name, 0) for name in placements or ("home",)]
    ask = Ask("shop", SUBJECT, Kind.PERSON, {Kind.PERSON: SUBJECT}, wanted)._replace(**more)
    return explain(*desk.pipeline.look(ask), seed, asked)


def funnel(desk: Desk, **more: Any) -> Funnel:
    """Of one placement."""
    (found,) = explained(desk, **more).funnels
    return found


def fate(desk: Desk, item: str, **more: Any) -> Candidate:
    """What became of an item (of one variant)."""
    (found,) = [one for one in funnel(desk, **more).candidates if one.item == item]
    return found


def left(found: Funnel) -> dict[str, int]:
    return {stage.name: stage.left for stage in found.stages}


def items(candidates: Sequence[Candidate]) -> list[str]:
    return [one.item for one in candidates]


def test_it_is_the_same_decision(tmp_path: Path) -> None:
    """With the seed of a decision the very same decision is explained: a page of pins, chance, limits and fallbacks."""
    plans = (
        SlatePlan("home", pins=(pin(DECLARED, 1, "soap", "true"),), stretch=(2,), most_per_group=1),
        SlatePlan("corner", reserved=(Reserved(0, Scope(groups=("dairy",))),)),
    )
    control = replace(DECLARED, slates=plans, contact_policies=(ContactPolicy("once", "exposure", 1, 3_600_000),))
    placements = (
        "{name: home, slots: 4, policy: habit}",
        "{name: corner, slots: 2, policy: uniform}",
        "{name: last, policy: fixed, order: [apples], fallback: [milk, pears]}",
    )
    desk = shop(tmp_path, control, placements=placements)
    desk.tell(*(purchase("pears") for _ in range(3)))
    names = ("home", "corner", "last")
    made = [one._replace(decision_id="") for one in decided(desk, *names)]
    assert explained(desk, *names).decisions == made
    assert explained(desk, *names, asked=Asked(placement="corner")).decisions == made


def test_a_closed_candidate_says_where_and_why(tmp_path: Path) -> None:
    """Live state, each layer of rules, objections, contact policies, quiet hours, variants, the page, the policy."""
    control = replace(
        DECLARED,
        rules=(
            rule(DECLARED, "subject.age >= 18.0", name="grown-ups", items=("pears",), why="the law"),
            rule(DECLARED, "context.device == 'phone'", "applicability", name="phones", items=("milk",)),
            rule(DECLARED, "item.price < 5.0", "suitability", name="cheap", items=("cheese",)),
        ),
        contact_policies=(ContactPolicy("once", "exposure", 1, 3_600_000, scope=Scope(items=("bread",))),),
        quiet_hours=(QuietHours("night", 0, 1439, scope=Scope(items=("beer",))),),
    )
    variants = (Variant("big", devices=("phone",)), Variant("small", devices=("watch",)))
    more = (Item("soup"), Item("bread"), Item("beer"), Item("map", variants=variants), Item("shown"), Item("never"))
    order = [item.id for item in (*ITEMS, *more) if item.id != "never"]
    home = f"{{name: home, slots: 1, policy: fixed, order: [{', '.join(order)}]}}"
    first = "{name: first, policy: fixed, order: [shown], candidates: {items: [shown]}}"
    states = [LiveState("plums", kill=True), LiveState(group="offers", stock=0)]
    desk = shop(tmp_path, control, placements=(first, home), items=(*ITEMS, *more), states=states)
    desk.tell(Objection(item="soup"), Event("view", "bread"), *_shown("bread"))
    found = explained(desk, "first", "home").funnels[1]
    whys = {f"{one.item}/{one.variant}".strip("/"): (one.fell_at, one.why) for one in found.candidates}
    assert whys["apples"] == ("", [])
    assert whys["plums"] == ("live state", ["it, or one of its groups, is out of stock"])
    assert whys["pears"][0] == "eligibility"
    assert whys["pears"][1][0].startswith(
        "eligibility rule `grown-ups` (the law) does not hold: subject.age >= 18.0; subject.age is absent; "
        "it cannot be answered: "
    )
    assert whys["milk"][0] == "applicability"
    assert "context.device is absent" in whys["milk"][1][0]
    assert whys["cheese"] == (
        "live state",
        [
            "it, or one of its groups, is out of stock",
            "suitability would close it too: suitability rule `cheap` does not hold: item.price < 5.0; "
            "item.price is 6.0",
        ],
    )
    assert whys["soup"] == ("not for me", ["the subject does not want to see it"])
    assert whys["bread"][0] == "contact policy"
    assert whys["bread"][1][0].startswith("contact policy `once`: shown 1 time in 1h, at most 1; open again at ")
    assert whys["beer"][0] == "quiet hours"
    assert whys["map/big"] == (
        "variants",
        ["its variant is for device `phone`, and the request says none"],
    )
    assert whys["shown"] == ("once a page", ["the page shows it already, or has it pinned further on"])
    assert whys["never"] == ("policy", ["the policy `fixed` does not serve it: it is not in the placement's `order`"])
    assert left(found) == {
        "candidates": 13,
        "live state": 11,
        "eligibility": 10,
        "applicability": 9,
        "suitability": 9,
        "not for me": 8,
        "contact policy": 7,
        "quiet hours": 6,
        "variants": 4,
        "once a page": 3,
        "policy": 2,
        "slate": 1,
    }


def _shown(item: str) -> list[Any]:
    one = Shown(0, item, "", (), 1.0, None, 0.0, Reason.RULE)
    return [Exposure("d", "home", 1, (one,), "fixed", Reason.RULE, (), "1", "", 0, 0, 0)]


def test_the_order_is_chosen_then_open_then_refused(tmp_path: Path) -> None:
    """The chosen by slot, others by priority, then the refused, those first that came furthest; cut at the limit."""
    control = replace(DECLARED, rules=(rule(DECLARED, "subject.age > 1.0", items=("milk",)),))
    desk = shop(tmp_path, control, states=[LiveState("apples", paused=True)])
    assert items(funnel(desk).candidates) == ["pears", "plums", "cheese", "soap", "milk", "apples"]
    assert items(funnel(desk, asked=Asked(limit=5)).candidates) == ["pears", "plums", "cheese", "soap", "milk"]
    assert items(funnel(desk, asked=Asked(limit=2)).candidates) == ["pears", "plums"]
    assert items(funnel(desk, asked=Asked(items=["soap", "apples"])).candidates) == ["soap", "apples"]


def test_items_that_are_no_candidates_are_noted(tmp_path: Path) -> None:
    """An item that there is not comes with the nearest that there is; one of elsewhere is named as that."""
    desk = shop(tmp_path, placements=("{name: home, policy: popular, candidates: {groups: [fruit]}}",))
    found = explained(desk, asked=Asked(items=["soap", "chese"]))
    assert found.funnels[0].candidates == []
    assert found.notes == [
        "item `soap` is no candidate of placement `home`",
        "there is no item `chese` in catalogue version 1; did you mean `cheese`?",
    ]


def test_factors_are_those_of_the_priority(tmp_path: Path) -> None:
    """Of chosen, open and refused candidates alike: score x context weight x value x lever is the priority."""
    control = replace(
        DECLARED,
        levers=(Lever("push", 2.0, Scope(items=("milk",))),),
        context_weights=(weight(DECLARED, 3.0, "true", groups=("dairy",)),),
        slates=(SlatePlan("home", worth=Worth("price", 1.0)),),
        rules=(rule(DECLARED, "subject.age > 1.0", items=("pears",)),),
    )
    for one in funnel(shop(tmp_path, control)).candidates:
        f = one.factors
        assert f["score"] * f["context weight"] * f["value"] * f["lever"] == pytest.approx(f["priority"])
    assert fate(shop(tmp_path, control), "milk").factors == {
        "score": 30.0,
        "context weight": 3.0,
        "value": 1.0,
        "lever": 2.0,
        "priority": 180.0,
    }


def test_what_the_slate_closes_says_so(tmp_path: Path) -> None:
    """A limit of groups, another variant, a negative priority: each in words, and under `slate`."""
    plan = SlatePlan("home", most_per_group=1, worth=Worth("margin", 1.0))
    two = (*ITEMS, Item("tea", variants=(Variant("hot"), Variant("cold"))))
    home = "{name: home, slots: 4, policy: popular}"
    desk = shop(tmp_path, replace(DECLARED, slates=(plan,)), placements=(home,), items=two, bought={"tea": 900})
    found = {(one.item, one.variant): one for one in funnel(desk).candidates}
    assert found["tea", "cold"].fell_at == "slate"
    assert found["tea", "cold"].why == ["the slate shows another variant of it"]
    assert found["pears", ""].why == ["the slate shows 1 of group `fruit` already, the most it may"]
    plan = SlatePlan("home", worth=Worth("margin", 1.0))
    desk = shop(tmp_path / "b", replace(DECLARED, slates=(plan,)))
    assert fate(desk, "plums").why == ["its priority is below zero, and others are above it"]
    assert fate(desk, "plums").fell_at == "slate"


def test_a_contact_policy_that_the_slate_uses_up_says_so(tmp_path: Path) -> None:
    """Two of a group may be shown: the third is closed by what the slate itself shows."""
    once = ContactPolicy("fruit", "exposure", 2, 3_600_000, per="group", scope=Scope(groups=("fruit",)))
    desk = shop(tmp_path, replace(DECLARED, contact_policies=(once,)))
    plums = fate(desk, "plums")
    assert plums.fell_at == "slate"
    assert plums.why == ["contact policy `fruit`: shown 0 times in 1h and 2 on this page, at most 2"]


def test_the_fallback_is_told(tmp_path: Path) -> None:
    """Where nothing may be shown the fallback's items are the chosen ones, with the word that they are that."""
    home = "{name: home, policy: popular, candidates: {items: [apples]}, fallback: [milk]}"
    found = funnel(shop(tmp_path, placements=(home,), states=[LiveState("apples", kill=True)]))
    assert [(one.item, one.slot, one.fell_at) for one in found.candidates] == [
        ("milk", 0, ""),
        ("apples", None, "live state"),
    ]
    assert found.candidates[0].why == ["no candidate could be shown: it is of the placement's fallback"]


def test_chance_is_told(tmp_path: Path) -> None:
    """Under `uniform` each of five open candidates had a fifth for the first slot, whichever was drawn."""
    home = "{name: home, slots: 2, policy: uniform}"
    desk = shop(tmp_path, placements=(home,), states=[LiveState("soap", kill=True)])
    for seed in range(20):
        found = funnel(desk, seed=seed)
        assert [one.probability for one in found.candidates] == [pytest.approx(0.2)] * 5 + [0.0]
        assert [one.probability for one in found.decision.slate] == [pytest.approx(0.2), pytest.approx(0.25)]


def test_what_is_hidden_is_said_and_not_seen(tmp_path: Path) -> None:
    """A trait without its purpose's consent is among what was not used; with it, among what was seen."""
    desk = shop(tmp_path, DECLARED)
    desk.tell(Traits((Trait("income", 3.0, TraitSource.EXPLICIT, "marketing"),)))
    view = explained(desk).moment.view
    assert (view.unseen(), "income" in view.subject) == (["trait `income`: purpose `marketing` is not granted"], False)
    desk.tell(granted("marketing"))
    view = explained(desk).moment.view
    assert (view.unseen(), view.subject["income"]) == ([], 3.0)


def test_nothing_is_told_of_no_placement(tmp_path: Path) -> None:
    """An unknown placement is an error, as for decisions."""
    with pytest.raises(UnknownName, match="there is no placement 'hme'; did you mean home"):
        explained(shop(tmp_path, placements=(HOME,)), "hme")

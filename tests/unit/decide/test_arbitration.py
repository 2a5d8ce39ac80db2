"""Priority = predicted propensity x context weight x value x lever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.desk import Desk, intensity
from harness.shop import NOTHING_SAID, purchase, shop, shown, slate
from maitred_server.decide.arbitration import base, factors
from maitred_server.decide.overlay import NO_STATES, Overlay
from maitred_server.decide.scoring import closed_where, served_by, situation
from maitred_server.decide.world import World
from maitred_server.model import Intensity, LiveState, Reason, Value
from maitred_server.playbook import rules
from maitred_server.playbook.control import ContextDeclaration, ContextWeight, Control, Lever, Scope, SlatePlan, Worth
from maitred_server.playbook.rules import Declarations
from maitred_server.policy.base import CLOSED, Scores

CONTEXT = (ContextDeclaration("weather", "text"),)
DECLARED = Declarations(context={"weather": "text"}, item={"price": "number"})


def weight(name: str, factor: float, expression: str, scope: Scope = Scope()) -> ContextWeight:  # noqa: B008
    return ContextWeight(name, factor, expression, rules.compile(expression, DECLARED).plan, scope)


def worth(attribute: str, otherwise: float = 1.0) -> Control:
    return Control(slates=(SlatePlan("home", worth=Worth(attribute, otherwise)),))


def explained(desk: Desk, item: str, context: dict[str, Value] | None = None) -> dict[str, float]:
    """The factors of an item at the home placement."""
    moment, ground = desk.moment(None, context or {}), desk.world.ground("home")
    served = served_by(ground.placement, moment)
    scores = served.policy.score(situation(moment, ground))
    row = list(ground.actions).index(desk.world.catalogue.actions_of(item)[0])
    return factors(ground, moment, served, scores, row, desk.world.conditions)


EVERYTHING = Control(
    context=CONTEXT,
    item_types=(("price", "number"),),
    levers=(
        Lever("cheese week", 2.0, Scope(items=("cheese",))),
        Lever("less fruit", 0.5, Scope(groups=("fruit",))),
        Lever("offers on the phone", 3.0, Scope(groups=("offers",), channels=("app",))),
        Lever("elsewhere", 100.0, Scope(placements=("other",))),
    ),
    context_weights=(
        weight("rain", 1.5, "context.weather == 'rain'", Scope(groups=("dairy",))),
        weight("dear when it rains", 4.0, "context.weather == 'rain' && item.price > 5.0"),
    ),
    slates=(SlatePlan("home", worth=Worth("margin", 0.25)),),
)


@pytest.mark.parametrize(
    ("item", "context", "expected"),
    [
        ("apples", {}, (60, 1, 1, 0.5)),
        ("cheese", {}, (20, 1, 10, 2)),
        ("soap", {}, (10, 1, 0.25, 1)),
        ("plums", {"channel": "app"}, (40, 1, -1, 1.5)),
        ("cheese", {"channel": "app"}, (20, 1, 10, 6)),
        ("milk", {"weather": "rain"}, (30, 1.5, 4, 1)),
        ("cheese", {"weather": "rain", "channel": "app"}, (20, 6, 10, 6)),
        ("cheese", {"weather": "sun"}, (20, 1, 10, 2)),
    ],
)
def test_each_factor_is_what_the_playbook_says(
    tmp_path: Path, item: str, context: dict[str, Value], expected: tuple[float, ...]
) -> None:
    """Score, context weight, value and lever of an item, those that reach it in this channel multiplied, and their
    product, the priority.
    """
    found = explained(shop(tmp_path, EVERYTHING), item, context)
    names = ("score", "context weight", "value", "lever")
    assert tuple(found[name] for name in names) == expected
    assert found["priority"] == pytest.approx(np.prod(expected))


def test_the_slate_is_ranked_by_priority(tmp_path: Path) -> None:
    """What is shown, and the priority that a choice carries, follow the factors; they change what plain counts say."""
    desk = shop(tmp_path, EVERYTHING)
    assert [(one.item, one.priority) for one in slate(desk)] == [("cheese", 400), ("milk", 120), ("pears", 50)]
    assert shown(desk, context={"weather": "rain", "channel": "app"}) == ["cheese", "milk", "pears"]
    assert shown(shop(tmp_path / "plain")) == ["apples", "pears", "plums"]


def test_a_habit_is_weighted_too(tmp_path: Path) -> None:
    """The subject's own counts are scores like others."""
    placement = "{name: home, slots: 2, policy: habit}"
    desk = shop(tmp_path, Control(levers=(Lever("milk", 9.0, Scope(items=("milk",))),)), placements=(placement,))
    desk.tell(*[purchase("soap")] * 3, purchase("milk"))
    assert [(one.item, one.reason) for one in slate(desk)] == [("milk", Reason.HABIT), ("soap", Reason.HABIT)]


def test_a_persons_order_and_chance_are_not_weighted(tmp_path: Path) -> None:
    """`fixed` keeps its order and `uniform` its equal shares, whatever the levers say."""
    placements = (
        "{name: home, slots: 3, policy: fixed, order: [soap, milk, cheese]}",
        "{name: lottery, slots: 1, policy: uniform}",
    )
    desk = shop(
        tmp_path, Control(levers=(Lever("all", 7.0), Lever("no", 0.0, Scope(items=("soap",))))), placements=placements
    )
    assert shown(desk) == ["soap", "milk", "cheese"]
    (choice,) = slate(desk, "lottery")
    assert choice.probability == pytest.approx(1 / 6)
    assert choice.priority == 0.0


def test_what_costs_more_than_it_brings_is_a_last_resort(tmp_path: Path) -> None:
    """A negative priority comes after every other that is open, of whatever size."""
    control = Control(
        levers=(Lever("much", 1000.0, Scope(items=("plums",))),), slates=(SlatePlan("home", worth=Worth("margin")),)
    )
    desk = shop(tmp_path, control, placements=("{name: home, slots: 6, policy: popular}",))
    assert shown(desk) == ["cheese", "milk", "pears", "apples", "soap", "plums"]


def test_values_follow_live_prices(tmp_path: Path) -> None:
    """Where the value is the price, a live price counts, an item without any has what `otherwise` says, and the price
    that was is back when the live one is gone.
    """
    control = worth("price", 0.5)
    desk = shop(tmp_path, control, states=(LiveState("soap", price=100.0), LiveState("cheese", price=0.0)))
    found = {name: explained(desk, name)["value"] for name in ("apples", "milk", "soap", "cheese")}
    assert found == {"apples": 2.0, "milk": 0.5, "soap": 100.0, "cheese": 0.0}
    assert shown(desk)[0] == "soap"
    plain = shop(tmp_path, control)
    assert [explained(plain, name)["value"] for name in ("soap", "cheese")] == [0.5, 6.0]


def test_a_new_price_is_in_force_with_the_next_world(tmp_path: Path) -> None:
    """A world that replaces another of the same catalogue has the values of its own live prices."""
    before = shop(tmp_path, worth("price")).world
    live = Overlay.of(before.catalogue, NO_STATES.with_states([LiveState("soap", price=50.0)]), 1)
    after = World(before.catalogue, before.snapshot, before, live)
    assert explained(Desk(after), "soap")["value"] == 50.0
    assert explained(Desk(World(before.catalogue, before.snapshot, after)), "soap")["value"] == 1.0


def test_an_overflow_is_not_chosen(tmp_path: Path) -> None:
    """Where the product is no number any more, or infinite, the candidate is closed: it would win every comparison."""
    levers = tuple(Lever(f"huge {number}", 1e300, Scope(items=("soap",))) for number in range(2))
    cancelled = (*levers, Lever("nothing", 0.0, Scope(items=("soap",))))
    for name, some in (("infinite", levers), ("no number", cancelled)):
        assert "soap" not in shown(
            shop(tmp_path / name, Control(levers=some), placements=("{name: home, slots: 6, policy: popular}",))
        )


@pytest.mark.parametrize("control", [NOTHING_SAID, Control(levers=(Lever("one", 1.0),)), worth("")])
def test_weights_of_one_cost_nothing(tmp_path: Path, control: Control) -> None:
    """Where every factor is 1 nothing is multiplied: decisions are what they are without a word of it."""
    assert shop(tmp_path, control).world.ground("home").weights is None


def test_the_baseline_is_not_weighted(tmp_path: Path) -> None:
    """The holdout, less than `online` and an intensity of `off` get what would be shown without us: plain counts."""
    control = Control(levers=(Lever("soap", 99.0, Scope(items=("soap",))),))
    assert shown(shop(tmp_path / "1", control))[0] == "soap"
    held = shop(tmp_path / "2", control, playbook=b"name: t\nholdout: {share: 0.5}\n")
    assert shown(held, overrides={"holdout": "holdout"})[0] == "apples"
    assert shown(held, overrides={"holdout": ""})[0] == "soap"
    off = shop(tmp_path / "3", control)
    off.tell(intensity(Intensity.OFF))
    assert shown(off)[0] == "apples"


def test_a_predicted_propensity_is_what_is_weighted() -> None:
    """A policy that predicts is ranked by its propensity, and what it closes stays closed."""
    scores = Scores(np.array([5.0, CLOSED, 1.0]), np.array([0.5, 0.9, np.nan]), (Reason.LEARNED,))
    assert closed_where(base(scores), None).tolist() == [0.5, CLOSED, CLOSED]


def test_an_erring_condition_does_not_weigh(tmp_path: Path) -> None:
    """A context weight whose rule is an error, here for want of the context's key, leaves the priority alone."""
    found: Any = explained(shop(tmp_path, EVERYTHING), "milk")
    assert found["context weight"] == 1.0

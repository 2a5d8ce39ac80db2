"""Slates by any plan against the plainest reading of it, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from harness.desk import Desk
from harness.shop import ITEMS, NOTHING_SAID, purchase, shop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maitred_server.decide import slate
from maitred_server.decide.arbitration import priorities
from maitred_server.decide.scoring import closed_where, served_by, situation
from maitred_server.decide.slots import SlotPlan
from maitred_server.decide.turns import pinned
from maitred_server.decide.weights import Weights
from maitred_server.playbook.control import Pin, Reserved, Scope, SlatePlan, Worth
from msgspec.structs import replace

SLOTS = 6
NAMES = [item.id for item in ITEMS]
GROUPS = {item.id: item.groups for item in ITEMS}
MARGINS = {item.id: item.attributes.get("margin", 1.0) for item in ITEMS}
SCORES = {item: 60.0 - 10 * place for place, item in enumerate(NAMES)}
ALL_GROUPS = ["fruit", "dairy", "offers"]

slots = st.integers(0, SLOTS - 1)
scopes = st.builds(Scope, st.tuples(st.sampled_from(NAMES)) | st.just(()), st.tuples(st.sampled_from(ALL_GROUPS)))
plans = st.builds(
    SlatePlan,
    st.just("home"),
    pins=st.lists(st.builds(Pin, slots, st.sampled_from(NAMES)), max_size=3).map(tuple),
    reserved=st.lists(st.builds(Reserved, slots, scopes), max_size=3, unique_by=lambda one: one.slot).map(tuple),
    stretch=st.lists(slots, max_size=2, unique=True).map(tuple),
    most_per_group=st.integers(0, 2),
    group_limits=st.dictionaries(st.sampled_from(ALL_GROUPS), st.integers(1, 2)).map(lambda one: tuple(one.items())),
    worth=st.sampled_from([Worth(), Worth("margin")]),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One catalogue for all plans."""
    placement = f"{{name: home, slots: {SLOTS}, policy: popular}}"
    return shop(tmp_path_factory.mktemp("shop"), NOTHING_SAID, placements=(placement,))


class Chosen(NamedTuple):
    """One slot."""

    slot: int
    item: str
    stretch: bool


def filled(desk: Desk, plan: SlatePlan, bought: Sequence[str], closed: set[str]) -> list[Chosen]:
    """What the product says."""
    catalogue, ground = desk.world.catalogue, desk.world.ground("home")
    ground = replace(
        ground,
        slots=SlotPlan.lay(catalogue, ground.placement, plan),
        weights=Weights.lay(catalogue, ground.placement, plan),
    )
    fresh = Desk(desk.world)
    fresh.tell(*map(purchase, bought))
    found = fresh.store.find(b"\x04shop" + bytes(16))
    moment = fresh.moment(found.profile if found else None)
    served = served_by(ground.placement, moment)
    scores = served.policy.score(situation(moment, ground))
    is_open = ~sum((ground.item_keys == ground.item_keys[row] for row in rows_of(desk, closed)), ground.item_keys < 0)
    priority = closed_where(priorities(ground, moment, served, scores, desk.world.conditions), is_open)
    pins = pinned(ground, moment, desk.world.conditions, is_open, SLOTS)
    choices = slate.fill(desk.world, ground, moment, served, scores, priority, SLOTS, 7, 0, pins)
    return [Chosen(one.slot, one.item, one.stretch) for one in choices]


def rows_of(desk: Desk, items: set[str]) -> list[int]:
    actions = list(desk.world.ground("home").actions)
    return [actions.index(desk.world.catalogue.actions_of(item)[0]) for item in items]


class Plainly:
    """The same, in the plainest words."""

    def __init__(self, plan: SlatePlan, bought: Sequence[str], closed: set[str]) -> None:
        weights = MARGINS if plan.worth.attribute else dict.fromkeys(NAMES, 1.0)
        self.plan, self.bought = plan, bought
        self.open = {item: SCORES[item] * float(str(weights[item])) for item in NAMES if item not in closed}
        self.limits = {group: plan.most_per_group for group in ALL_GROUPS if plan.most_per_group}
        self.limits.update(plan.group_limits)
        self.free = list(range(SLOTS))

    def slate(self) -> Iterator[Chosen]:
        usual = self.usual()
        pins: dict[int, str] = {}
        for pin in self.plan.pins:
            if pin.slot not in pins and pin.item in self.open and self.is_first(pin):
                pins[pin.slot] = pin.item
        for slot in sorted(pins):
            yield self.take(slot, pins[slot])
        reserved = {one.slot: one.scope for one in self.plan.reserved}
        for slot in sorted(set(reserved) & set(self.free)):
            yield from self.best(slot, [item for item in self.open if self.reached(reserved[slot], item)])
        for slot in sorted(set(self.plan.stretch) & set(self.free)) if usual else ():
            yield from self.best(slot, [item for item in self.open if not usual & set(GROUPS[item])], stretch=True)
        for slot in list(self.free):
            yield from self.best(slot, [])

    def is_first(self, pin: Pin) -> bool:
        """Whether no pin that holds, of a lower slot or written before, has the item."""
        before = sorted(self.plan.pins, key=lambda one: one.slot)
        held: dict[int, str] = {}
        for one in before:
            if one.slot not in held and one.item in self.open and one.item not in held.values():
                held[one.slot] = one.item
        return held.get(pin.slot) == pin.item

    def reached(self, scope: Scope, item: str) -> bool:
        return item in scope.items or bool(set(scope.groups) & set(GROUPS[item]))

    def usual(self) -> set[str]:
        counts = {group: sum(group in GROUPS[item] for item in self.bought) for group in ALL_GROUPS}
        falling = sorted((count for count in counts.values() if count), reverse=True)
        for place, count in enumerate(falling):
            if sum(falling[: place + 1]) >= 0.8 * sum(falling):
                return {group for group in counts if counts[group] >= count}
        return set()

    def best(self, slot: int, narrowed: list[str], stretch: bool = False) -> Iterator[Chosen]:
        worth_it = [item for item in self.open if self.open[item] >= 0]
        some = worth_it if any(self.open[item] > 0 for item in self.open) else list(self.open)
        among = [item for item in narrowed if item in some]
        if among or some:
            yield self.take(slot, max(among or some, key=lambda item: self.open[item]), stretch and bool(among))

    def take(self, slot: int, item: str, stretch: bool = False) -> Chosen:
        self.free.remove(slot)
        self.open.pop(item, None)
        for group in set(GROUPS[item]) & set(self.limits):
            self.limits[group] -= 1
            if self.limits[group] <= 0:
                self.open = {one: score for one, score in self.open.items() if group not in GROUPS[one]}
        return Chosen(slot, item, stretch)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=plans, bought=st.lists(st.sampled_from(NAMES), max_size=6), closed=st.sets(st.sampled_from(NAMES), max_size=4)
)
def test_a_slate_is_what_its_plan_says(desk: Desk, plan: SlatePlan, bought: list[str], closed: set[str]) -> None:
    """For any pins, reserved and stretch slots, limits and values, whatever was bought and closed."""
    assert filled(desk, plan, bought, closed) == list(Plainly(plan, bought, closed).slate())

"""Nothing that a subject does not let be used can be told from a decision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from harness.control import pin, rule, weight, with_segments
from harness.desk import NOW, Desk, intensity, publish, record
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.decide.world import World
from maitred_server.model import (
    Body,
    Consent,
    Consents,
    ConsentState,
    Entry,
    Event,
    Intensity,
    Reason,
    Sequenced,
    Trait,
    Traits,
    TraitSource,
    Value,
)
from maitred_server.playbook.control import (
    ContextDeclaration,
    Control,
    EventDeclaration,
    Purpose,
    ReasonText,
    SlatePlan,
    TraitDeclaration,
    Wording,
)
from msgspec.structs import replace

DAY = 86_400_000
ITEMS = ("APPLES", "PEARS", "BREAD", "MILK", "SOAP")
TRAITS = {"plan": "service", "income": "marketing", "size": "comfort", "faith": "sensitive", "other": "undeclared"}
EVENTS = {"view": "marketing", "purchase": "comfort", "call": "service"}
PLACEMENTS = b"""
placements:
  - {name: home, slots: 5, candidates: all, policy: habit, counts: purchase}
  - {name: seen, slots: 5, candidates: all, policy: habit, counts: view}
  - {name: lottery, slots: 2, candidates: all, policy: uniform}
"""
LAYERS = b"""
name: hidden
layers:
  - {name: members, eligible: {traits: {income: [a]}}, arms: [{name: a, share: 0.5}, {name: b, share: 0.5}]}
  - {name: others, eligible: {traits: {other: [a]}}, arms: [{name: a, share: 0.5}, {name: b, share: 0.5}]}
"""


def control() -> Control:
    """All that looks at subjects: segments, rules of each layer, pins, weights, stretch slots and reasons."""
    declared = Control(
        purposes=(Purpose("marketing"), Purpose("comfort", required=False)),
        traits=(
            TraitDeclaration("plan", "text"),
            TraitDeclaration("income", "text", "marketing"),
            TraitDeclaration("size", "text", "comfort"),
            TraitDeclaration("faith", "text", sensitive=True),
        ),
        context=(ContextDeclaration("device", "text"),),
        events=tuple(EventDeclaration(name, purpose) for name, purpose in EVENTS.items()),
    )
    declared = with_segments(declared, rich="subject.income == 'a'", told="has(subject.size) || has(subject.plan)")
    rules = (
        rule(declared, "subject.plan != 'b'", "eligibility", groups=("fruit",)),
        rule(declared, "'rich' in subject.segments", "suitability", items=("SOAP",)),
        rule(declared, "!has(subject.income) || subject.size == 'a'", "applicability", items=("BREAD",)),
    )
    slates = (
        SlatePlan("home", stretch=(3,), pins=(pin(declared, 1, "MILK", "'told' in subject.segments"),)),
        SlatePlan("seen", stretch=(0,), most_per_group=1),
    )
    texts = (("en", "for your {{ subject.plan }}, {{ last.view.name }}"),)
    return replace(
        declared,
        rules=rules,
        slates=slates,
        context_weights=(weight(declared, 3.0, "subject.size == 'b' && item.id == 'MILK'"),),
        wording=Wording(reasons=(ReasonText(Reason.HABIT, texts), ReasonText(Reason.POPULAR, texts))),
    )


class Told(NamedTuple):
    """Something that was told of the subject."""

    body: Body
    days_ago: int


class Person(NamedTuple):
    """What a subject said about purposes, how much may be used, and all that was told of it."""

    said: dict[str, ConsentState]
    level: Intensity | None
    told: Sequence[Told]

    def is_allowed(self, purpose: str) -> bool:
        state = self.said.get(purpose)
        assumed = purpose in ("service", "comfort")
        return state is ConsentState.GRANTED or (state is None and assumed)

    def may_be_used(self, one: Told) -> bool:
        level = self.level or Intensity.FULL
        if isinstance(one.body, Event):
            return level is Intensity.FULL and self.is_allowed(EVENTS[one.body.type])
        assert isinstance(one.body, Traits)
        (trait,) = one.body.traits
        explicit = trait.source is TraitSource.EXPLICIT
        allowed = self.is_allowed(trait.purpose) and (trait.name == "other" or self.is_allowed(TRAITS[trait.name]))
        return (
            allowed
            and trait.name != "faith"
            and (level is Intensity.FULL or (level is Intensity.EXPLICIT and explicit))
        )


@st.composite
def traits(draw: st.DrawFn) -> Traits:
    value: Value = draw(st.sampled_from(["a", "b"]))
    purpose = draw(st.sampled_from(["service", "service", "marketing", "comfort", "unheard-of"]))
    return Traits(
        (Trait(draw(st.sampled_from(list(TRAITS))), value, draw(st.sampled_from(TraitSource)), purpose, NOW),)
    )


EVENT = st.builds(Event, st.sampled_from(list(EVENTS)), st.sampled_from(ITEMS), value=st.sampled_from([0.0, 200.0]))
PEOPLE = st.builds(
    Person,
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(ConsentState) for name in ("service", "marketing", "comfort")}
    ),
    st.none() | st.sampled_from(Intensity),
    st.lists(st.builds(Told, traits() | EVENT, st.sampled_from([0, 40, 100])), max_size=12),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder: Path = tmp_path_factory.mktemp("hidden")
    return publish(folder, control(), {"placements.yaml": PLACEMENTS, "playbook.yaml": LAYERS})


def decided(world: World, person: Person, told: Sequence[Told], durable: int) -> object:
    """All that anybody gets to see of a decision; the first of what was told is durable, the rest travels along."""
    said: list[Body] = [Consents(tuple(Consent(name, state, "", NOW) for name, state in person.said.items()))]
    said += [] if person.level is None else [intensity(person.level)]
    records = [record(one.body, NOW - one.days_ago * DAY) for one in told] + [record(body) for body in said]
    desk = Desk(world)
    desk.store.submit([Entry(one) for one in records[:durable]]).result()
    pending = [Entry(one, Sequenced(b"c", 1, number)) for number, one in enumerate(records[durable:], 1)]
    answer = desk.answer("home", "seen", "lottery", entries=pending)
    receipt = desk.receipt(answer)
    return answer.decisions, answer.arms, answer.segments, receipt.segments, receipt.dimensions


@settings(max_examples=150, deadline=None)
@given(person=PEOPLE, durable=st.integers(0, 14))
def test_what_may_not_be_used_changes_nothing(world: World, person: Person, durable: int) -> None:
    """A decision with what is hidden equals the one without: its slates with probabilities and reasons, arms, segments
    and the dimensions that reports are cut by.
    """
    visible = [one for one in person.told if person.may_be_used(one)]
    hidden_first = sorted(person.told, key=person.may_be_used)
    assert decided(world, person, hidden_first, durable) == decided(world, person, visible, len(visible))


def test_what_may_be_used_does_change_decisions(world: World) -> None:
    """The counterpart: each kind of thing that may be used makes a difference here."""
    said = {"marketing": ConsentState.GRANTED}
    nobody = decided(world, Person(said, None, ()), (), 0)
    for name in ("plan", "income", "size"):
        told = [Told(Traits((Trait(name, "a", TraitSource.EXPLICIT, "service", NOW),)), 0)]
        assert decided(world, Person(said, None, ()), told, 1) != nobody
    for name in EVENTS:
        told = [Told(Event(name, "SOAP", value=200.0), 0)] * 3
        assert decided(world, Person(said, None, ()), told, 3) != nobody

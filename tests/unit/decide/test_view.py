"""What rules and features may see of a subject."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness.desk import consents, granted, intensity, profile
from maitred_server.decide.view import Sight, View
from maitred_server.model import (
    Consent,
    Consents,
    ConsentState,
    Event,
    Intensity,
    Kind,
    Outcome,
    Trait,
    Traits,
    TraitSource,
)
from maitred_server.playbook.control import (
    ContextDeclaration,
    Control,
    EventDeclaration,
    Purpose,
    TraitDeclaration,
)
from maitred_server.store.keys import type_code

CONTROL = Control(
    purposes=(Purpose("marketing"), Purpose("comfort", required=False)),
    traits=(
        TraitDeclaration("plan", "text"),
        TraitDeclaration("income", "number", "marketing"),
        TraitDeclaration("size", "text", "comfort"),
        TraitDeclaration("faith", "text", sensitive=True),
    ),
    context=(ContextDeclaration("device", "text"),),
    events=(EventDeclaration("view", "marketing"), EventDeclaration("purchase", "comfort")),
)
SIGHT = Sight(CONTROL)
DENIED, REVOKED = ConsentState.DENIED, ConsentState.REVOKED
NAME_OF_KIND = {"kind": "person"}


def trait(name: str, value: Any = "x", source: TraitSource = TraitSource.EXPLICIT, purpose: str = "service") -> Traits:
    return Traits((Trait(name, value, source, purpose),))


EVERYTHING = (trait("plan", "basic"), trait("income", 9.0), trait("size", "L"), trait("faith"), trait("other"))


def see(*bodies: Any, sight: Sight = SIGHT) -> View:
    return sight.see(profile(*bodies), Kind.PERSON, {})


def traits_of(view: View) -> dict[str, object]:
    return {name: value for name, value in view.subject.items() if name != "kind"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], {"plan", "size"}),
        ([granted("marketing")], {"plan", "size", "income"}),
        ([granted("marketing"), consents(marketing=REVOKED)], {"plan", "size"}),
        ([consents(marketing=REVOKED), granted("marketing")], {"plan", "size", "income"}),
        ([consents(comfort=DENIED)], {"plan"}),
        ([consents(comfort=REVOKED)], {"plan"}),
        ([consents(service=DENIED), granted("marketing")], set()),
        ([granted("service", "comfort", "other")], {"plan", "size"}),
    ],
)
def test_a_trait_is_seen_when_its_purposes_allow_it(said: list[Consents], expected: set[str]) -> None:
    """Assumed purposes until they are refused, required ones once they are granted; what is sensitive or undeclared
    never. What is kept for `service` and declared for another purpose needs both.
    """
    assert traits_of(see(*EVERYTHING, *said)).keys() == expected


@pytest.mark.parametrize(
    ("purpose", "said", "expected"),
    [
        ("unheard-of", [], set()),
        ("unheard-of", [Consents((Consent("unheard-of", ConsentState.GRANTED),))], {"plan"}),
        ("marketing", [], set()),
        ("marketing", [granted("marketing")], {"plan"}),
        ("comfort", [], {"plan"}),
        ("comfort", [consents(comfort=DENIED)], set()),
    ],
)
def test_the_purpose_it_was_told_for_counts_too(purpose: str, said: list[Consents], expected: set[str]) -> None:
    """What was told for one purpose is not used for another; a purpose that no playbook names must be granted."""
    assert traits_of(see(trait("plan", "basic", purpose=purpose), *said)).keys() == expected


def test_a_value_of_another_type_is_absent() -> None:
    """Rules get values of the declared type only."""
    assert traits_of(see(trait("plan", 4.0), trait("size", "L"))) == {"size": "L"}


@pytest.mark.parametrize(
    ("level", "expected", "counts"),
    [
        (Intensity.OFF, set(), False),
        (Intensity.CONTEXTUAL, set(), False),
        (Intensity.EXPLICIT, {"plan"}, False),
        (Intensity.FULL, {"plan", "size"}, True),
    ],
)
@pytest.mark.parametrize("who_says", ["subject", "playbook"])
def test_intensity_bounds_what_is_seen(level: Intensity, expected: set[str], counts: bool, who_says: str) -> None:
    """Nothing below explicit, then what the subject said itself, then what it did: as it said, else as the playbook."""
    control = Control(traits=CONTROL.traits, purposes=CONTROL.purposes, events=CONTROL.events)
    if who_says == "playbook":
        control = Control(traits=CONTROL.traits, purposes=CONTROL.purposes, events=CONTROL.events, intensity=level)
    told = [intensity(level)] if who_says == "subject" else []
    kept = (trait("plan"), trait("size", source=TraitSource.INFERRED), Event("purchase", "MILK"))
    view = see(*kept, *told, sight=Sight(control))
    seen = (view.intensity, set(traits_of(view)), view.profile is not None, view.may_count("purchase"))
    assert seen == (level, expected, counts, counts)


def test_the_subject_may_allow_more_and_less_than_the_playbook_assumes() -> None:
    """Its own word holds, also when it is the wider one; the last word counts."""
    sight = Sight(Control(traits=CONTROL.traits, intensity=Intensity.CONTEXTUAL))
    assert traits_of(see(trait("plan"), sight=sight)) == {}
    assert traits_of(see(trait("plan"), intensity(Intensity.FULL), sight=sight)) == {"plan": "x"}
    assert traits_of(see(trait("plan"), intensity(Intensity.FULL), intensity(Intensity.OFF), sight=sight)) == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], {"view": False, "purchase": True, "call": True}),
        ([granted("marketing")], {"view": True, "purchase": True, "call": True}),
        ([consents(comfort=DENIED)], {"view": False, "purchase": False, "call": True}),
        ([consents(service=REVOKED), granted("marketing")], {"view": True, "purchase": True, "call": False}),
    ],
)
def test_counters_follow_the_purpose_of_their_type(said: list[Consents], expected: dict[str, bool]) -> None:
    """By name and by code; what is declared for nothing else is for `service`."""
    view = see(Event("view", "MILK"), *said)
    assert {name: view.may_count(name) for name in expected} == expected
    codes = np.array([type_code(name) for name in expected], np.uint32)
    assert dict(zip(expected, view.seen_types(codes).tolist(), strict=True)) == expected
    assert view.whole == all(expected.values())


def test_a_stranger_is_seen_by_kind_and_context() -> None:
    """Of whom nothing is known there is nothing to hide, and the request's context is typed as declared."""
    view = SIGHT.see(None, Kind.HOUSEHOLD, {"device": "tv", "weather": "rain"})
    assert (view.profile, view.subject, view.context) == (None, {"kind": "household"}, {"device": "tv"})
    assert (view.may_count("purchase"), view.unseen(), view.intensity) == (False, [], Intensity.FULL)
    typed_otherwise = SIGHT.see(None, Kind.PERSON, {"device": 4.0})
    assert (typed_otherwise.subject, typed_otherwise.context) == ({"kind": "person"}, {})


def test_a_subject_cannot_pose_as_another_kind() -> None:
    """A trait that is called `kind` does not stand in for what is built in."""
    sight = Sight(Control(traits=(TraitDeclaration("kind", "text"),)))
    assert see(trait("kind", "household"), sight=sight).subject == NAME_OF_KIND


def test_layers_see_what_may_be_seen() -> None:
    """Of the asked traits those that are allowed, also when no playbook declares them."""
    assert see(*EVERYTHING).said(["plan", "income", "faith", "other", "missing"]).keys() == {"plan", "other"}
    assert see(*EVERYTHING, intensity(Intensity.CONTEXTUAL)).said(["plan"]) == {}
    assert SIGHT.see(None, Kind.PERSON, {}).said(["plan"]) == {}


def test_what_was_not_looked_at_is_told() -> None:
    """Each trait and counter with its reason; nothing of what was seen, and no values."""
    view = see(*EVERYTHING, Event("view", "MILK"), consents(comfort=REVOKED))
    assert view.unseen() == [
        "trait `income`: purpose `marketing` is not granted",
        "trait `size`: purpose `comfort` was revoked",
        "trait `faith`: it is sensitive, and never used",
        "trait `other`: the playbook does not declare it",
        "counters of `view`: purpose `marketing` is not granted",
        "counters of `purchase`: purpose `comfort` was revoked",
    ]


def test_an_intensity_is_told_as_the_reason() -> None:
    """What the subject did is named once; so is each trait that was not seen."""
    kept = (trait("plan"), trait("size", source=TraitSource.INFERRED), Outcome("click", 1.0, "MILK", "", (), "d"))
    assert see(*kept, intensity(Intensity.CONTEXTUAL)).unseen() == [
        "trait `plan`: the intensity is contextual",
        "trait `size`: the intensity is contextual",
        "what the subject did: the intensity is contextual",
    ]
    assert see(*kept, intensity(Intensity.EXPLICIT)).unseen() == [
        "trait `size`: the intensity is explicit, and the subject did not say it itself",
        "what the subject did: the intensity is explicit",
    ]
    assert see(*kept, consents(service=DENIED), granted("marketing")).unseen() == [
        "trait `plan`: purpose `service` was denied",
        "trait `size`: purpose `service` was denied",
        "all other counters: purpose `service` was denied",
    ]

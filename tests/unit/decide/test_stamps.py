"""Segments that are kept with the profile say what would be worked out."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.control import DECLARED, with_segments
from harness.desk import NOW, granted, intensity, profile, publish, record
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.decide.stamps import Stamper
from maitred_server.decide.world import World
from maitred_server.model import (
    Body,
    Consent,
    Consents,
    ConsentState,
    Event,
    Intensity,
    Kind,
    Merge,
    Trait,
    Traits,
    TraitSource,
)
from maitred_server.playbook.control import Control, Purpose
from maitred_server.store import Profile
from maitred_server.store.joining import joined
from maitred_server.store.stamping import stamped
from msgspec.structs import replace

SUBJECT, OTHER = b"\x04shop" + bytes(16), b"\x04shop" + bytes(15) + b"1"
CONTROL = with_segments(
    replace(DECLARED, purposes=(Purpose("marketing"),)),
    adults="subject.age >= 18.0",
    viewers="context.device == 'tv'",
    rich="subject.income > 5.0",
    people="subject.kind == 'person'",
    late="now > timestamp('2030-01-01T00:00:00Z') || subject.plan == 'a'",
    both="'adults' in subject.segments && 'rich' in subject.segments",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return publish(tmp_path_factory.mktemp("stamps"), CONTROL)


def segments(world: World, known: Profile | None, kind: Kind = Kind.PERSON) -> tuple[str, ...]:
    return world.rulebook.ask(world.sight.see(known, kind, {"device": "tv"}), NOW).segments


def with_stamp(world: World | None, known: Profile) -> Profile:
    return stamped(SUBJECT, known, Stamper(lambda brand: world))


def trait(name: str, value: float | str, source: TraitSource = TraitSource.EXPLICIT) -> Traits:
    return Traits((Trait(name, value, source, "service", NOW),))


def with_all_bits(known: Profile) -> Profile:
    """A stamp that says more than is true, so that it can be told whether it is looked at."""
    return replace(known, stamp=known.stamp[:16] + b"\xff")


def test_what_is_kept_is_used(world: World) -> None:
    """The timeless segments are taken as they are kept; those over context and time are worked out."""
    known = with_stamp(world, profile(trait("age", 20.0)))
    assert segments(world, known) == ("adults", "viewers", "people")
    lying = replace(known, stamp=known.stamp[:16] + b"\x04")
    assert segments(world, lying) == ("viewers", "rich")


TOLD: st.SearchStrategy[Body] = st.one_of(
    st.builds(trait, st.sampled_from(["age", "income"]), st.sampled_from([1.0, 30.0]), st.sampled_from(TraitSource)),
    st.builds(trait, st.just("plan"), st.sampled_from(["a", "b"])),
    st.builds(intensity, st.sampled_from(Intensity)),
    st.sampled_from(ConsentState).map(lambda state: Consents((Consent("marketing", state, "", NOW),))),
    st.sampled_from(ConsentState).map(lambda state: Consents((Consent("service", state, "", NOW),))),
    st.just(Event("view", "MILK")),
    st.just(Merge(OTHER)),
)


@settings(max_examples=300, deadline=None)
@given(before=st.lists(TOLD, max_size=6), after=st.lists(TOLD, max_size=3), other=st.lists(TOLD, max_size=3))
def test_kept_and_worked_out_are_the_same(
    world: World, before: list[Body], after: list[Body], other: list[Body]
) -> None:
    """Whatever is told before and after the stamp was made, and whoever the subject is made one with."""
    kept = with_stamp(world, profile(*before))
    later = kept.with_records([(9 + number, record(body)) for number, body in enumerate(after)])
    if any(isinstance(body, Merge) for body in after):
        later = joined(later, SUBJECT, with_stamp(world, profile(*other)), OTHER)
    assert segments(world, later) == segments(world, replace(later, stamp=b""))


def test_a_publish_that_changes_what_they_follow_from_voids_them(world: World, tmp_path: Path) -> None:
    """Other segments, traits or purposes: worked out, without anything to fill in. Other rules: still good."""
    known = with_all_bits(with_stamp(world, profile(trait("age", 20.0))))
    stricter = replace(CONTROL, purposes=(Purpose("marketing"), Purpose("service")))
    changed = publish(tmp_path / "changed", stricter)
    assert segments(changed, known) == ("viewers", "people")
    assert segments(changed, known.with_records([(9, record(granted("service")))])) == ("adults", "viewers", "people")
    same = publish(tmp_path / "same", replace(CONTROL, context=()))
    assert "rich" in segments(same, known)


def test_a_stamp_is_made_once_for_each_playbook(world: World, tmp_path: Path) -> None:
    """What is good is left as it is; what is of another playbook is made anew, or taken away when none is published."""
    known = with_stamp(world, profile(trait("age", 20.0)))
    assert with_stamp(world, known) is known
    assert with_stamp(None, known).stamp == b""
    other = publish(tmp_path, with_segments(DECLARED, young="subject.age < 18.0"))
    assert with_stamp(other, known).stamp[:16] != known.stamp[:16]
    assert with_stamp(publish(tmp_path / "empty", Control()), known).stamp == b""


def test_a_subject_asked_for_as_another_kind_is_worked_out(world: World) -> None:
    """The kind is part of what a stamp is made of."""
    known = with_stamp(world, profile(trait("age", 20.0)))
    assert segments(world, known, Kind.DEVICE) == ("adults", "viewers")

"""Whom a decision is for, and by which keys layers assign."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import _situation
from maitred_server.decide.profile import Known, known
from maitred_server.decide.view import Sight
from maitred_server.model import Consents, Entry, Event, Intensity, Kind, Merge, Objection, Record, Sequenced
from maitred_server.playbook.control import Control
from maitred_server.store import MemoryStore
from maitred_server.store.consents import MOST_OBJECTIONS
from maitred_server.store.keys import brand_prefix
from maitred_server.subjects.consent import as_consents

NOON = 1_700_000_000_000
ANNA, BERT, HOME, OLD_HOME = (brand_prefix("shop") + name.ljust(16) for name in (b"anna", b"bert", b"home", b"old"))
WORLD: Any = SimpleNamespace(units=frozenset({Kind.HOUSEHOLD, Kind.PERSON}), asked_traits=frozenset())
VIEW = Sight(Control()).see(None, Kind.PERSON, {})


def viewed(subject: bytes, at: int = NOON, kind: Kind = Kind.PERSON) -> Record:
    return Record(subject, kind, at, at, Event("view", "MILK"))


def store_of(*records: Record) -> MemoryStore:
    store = MemoryStore()
    store.submit([Entry(record) for record in records]).result(1)
    return store


def merged(subject: bytes, other: bytes, kind: Kind = Kind.PERSON) -> Record:
    return Record(subject, kind, NOON, NOON, Merge(other))


def ask(subject: bytes, kind: Kind = Kind.PERSON, **more: Any) -> Ask:
    return Ask("shop", subject, kind, {kind: subject}, [("home", 1)], **more)


def views(who: Known) -> int:
    return 0 if who.profile is None else who.profile.totals["event"]


def test_a_merged_key_leads_to_the_one_subject() -> None:
    """Its canonical key, its kind and its profile; the key that was asked for is remembered."""
    store = store_of(viewed(ANNA), viewed(BERT, kind=Kind.DEVICE), merged(ANNA, BERT))
    who = known(store, ask(BERT, Kind.DEVICE))
    assert (who.subject, who.kind, who.addressed, views(who)) == (ANNA, Kind.PERSON, BERT, 2)


def test_the_first_alias_that_is_known_is_used() -> None:
    """Also when it was merged into another; an unknown subject without known aliases is itself."""
    store = store_of(viewed(ANNA), merged(ANNA, BERT))
    who = known(store, ask(HOME, aliases=[(Kind.PERSON, OLD_HOME), (Kind.PERSON, BERT)]))
    assert (who.subject, who.addressed, views(who)) == (ANNA, BERT, 1)
    nobody = known(store, ask(HOME, Kind.HOUSEHOLD))
    assert (nobody.subject, nobody.kind, nobody.profile, nobody.addressed) == (HOME, Kind.HOUSEHOLD, None, HOME)


def test_a_merge_on_its_way_counts_already() -> None:
    """What is known of the other is used, once, with other feedback that travels along under either key."""
    store = store_of(viewed(ANNA), viewed(BERT))
    pending = [
        Entry(record, Sequenced(b"c", 1, number)) for number, record in enumerate([merged(ANNA, BERT), viewed(ANNA)], 1)
    ]
    assert views(known(store, ask(ANNA, pending=pending))) == 3
    store.submit(pending).result(1)
    assert views(known(store, ask(ANNA, pending=pending))) == 3


def test_layers_go_on_by_the_older_of_two_that_were_merged() -> None:
    """Of the subject itself, and of a household that it belongs to."""
    store = store_of(viewed(BERT), viewed(ANNA, NOON + 1), merged(ANNA, BERT))
    store.submit(
        [
            Entry(one)
            for one in (
                viewed(OLD_HOME, NOON, Kind.HOUSEHOLD),
                viewed(HOME, NOON + 1, Kind.HOUSEHOLD),
                merged(HOME, OLD_HOME, Kind.HOUSEHOLD),
            )
        ]
    ).result(1)
    for home in (HOME, OLD_HOME):
        asked = ask(ANNA)._replace(units={Kind.PERSON: ANNA, Kind.HOUSEHOLD: home})
        units = _situation(store, WORLD, asked, known(store, asked), VIEW).units
        assert units == {None: BERT, Kind.PERSON: BERT, Kind.HOUSEHOLD: OLD_HOME}


def said(*bodies: Objection | Consents) -> list[Entry]:
    """Feedback on its way about Anna."""
    records = [Record(ANNA, Kind.PERSON, NOON, NOON, body) for body in bodies]
    return [Entry(record, Sequenced(b"c", 1, number)) for number, record in enumerate(records, 1)]


def test_what_the_subject_has_just_said_holds_already() -> None:
    """An objection, and how much may be used, on their way with the request; also of whom nothing is known yet."""
    pending = said(Objection("MILK"), Consents(as_consents(Intensity.OFF, NOON)))
    profile = known(MemoryStore(), ask(ANNA, pending=pending)).profile
    assert profile is not None
    assert (profile.objections.items, profile.intensity) == (frozenset({"MILK"}), Intensity.OFF)


def test_what_cannot_be_kept_is_passed_over() -> None:
    """One objection too many on its way costs no decision, and no other feedback."""
    store = store_of(*[entry.record for entry in said(*(Objection(f"I{n}") for n in range(MOST_OBJECTIONS)))])
    pending = said(Objection("MORE"), Consents(as_consents(Intensity.OFF, NOON)))
    profile = known(store, ask(ANNA, pending=pending)).profile
    assert profile is not None
    assert ("MORE" in profile.objections.items, profile.intensity) == (False, Intensity.OFF)

"""What is worked out of a profile as it is written is kept with it, goes when it may be wrong, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from maitred_server.model import (
    Body,
    Consent,
    Consents,
    ConsentState,
    Entry,
    Event,
    Kind,
    Merge,
    Objection,
    Record,
    SubjectKey,
    Trait,
    Traits,
)
from maitred_server.store import Profile, Store
from maitred_server.store.compaction import compact
from maitred_server.store.keys import brand_prefix
from maitred_server.store.stamping import MOST_AT_ONCE
from maitred_server.subjects.history import as_of
from msgspec.structs import replace

MAP = 64 << 20
NOON = 1_700_000_000_000
TRAIT = Traits((Trait("plan", "a", observed_at=NOON),))
CONSENT = Consents((Consent("email", ConsentState.DENIED, "", NOON),))


def subject(number: int) -> SubjectKey:
    return brand_prefix("shop") + number.to_bytes(16, "big")


ANNA, BERT = subject(1), subject(2)


def tell(store: Store, *bodies: Body, who: SubjectKey = ANNA, kind: Kind = Kind.PERSON) -> None:
    store.submit([Entry(Record(who, kind, NOON, NOON, body)) for body in bodies]).result(10)


def stamp(who: SubjectKey, profile: Profile) -> bytes:
    """The names of the traits that there are, while nothing is kept."""
    return profile.stamp or b"of " + ",".join(sorted(profile.traits)).encode()


def found(store: Store, who: SubjectKey = ANNA) -> Profile:
    profile = store.profile(who)
    assert profile is not None
    return profile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, map_size=MAP, allow_overlay=True) as one:
        one.stamp_with(stamp)
        yield one


def test_a_profile_is_stamped_when_it_is_written(store: Store) -> None:
    """With all that it has after the write."""
    tell(store, TRAIT, Event("view", "MILK"))
    assert found(store).stamp == b"of plan"


@pytest.mark.parametrize("body", [TRAIT, CONSENT, Objection(item="MILK")])
def test_it_goes_with_what_it_is_made_of(store: Store, body: Body) -> None:
    """Traits, consents or objections that are told leave no stamp of before, be they durable or on their way."""
    tell(store, Event("view", "MILK"))
    record = Record(ANNA, Kind.PERSON, NOON, NOON, body)
    assert found(store).with_records([(0, record)]).stamp == b""


def test_it_stays_when_something_else_is_told(store: Store) -> None:
    """Events change nothing that it is made of."""
    tell(store, TRAIT)
    event = Record(ANNA, Kind.PERSON, NOON, NOON, Event("view", "MILK"))
    assert found(store).with_records([(0, event)]).stamp == b"of plan"
    other_kind = Record(ANNA, Kind.DEVICE, NOON, NOON, Event("view", "MILK"))
    assert found(store).with_records([(0, other_kind)]).stamp == b""


def test_two_that_turn_out_to_be_one_are_stamped_anew(store: Store) -> None:
    """After a merge and after its end."""
    tell(store, TRAIT)
    tell(store, Traits((Trait("size", "L", observed_at=NOON),)), who=BERT)
    tell(store, Merge(BERT))
    assert found(store).stamp == b"of plan,size"
    store.unmerge(ANNA, BERT, NOON).result(10)
    assert [found(store, who).stamp for who in (ANNA, BERT)] == [b"", b""]
    tell(store, Event("view", "MILK"))
    assert found(store).stamp == b"of plan"


def test_it_is_no_part_of_what_is_replayed(store: Store) -> None:
    """A profile as of a moment is made of records alone, and equals the stored one but for the stamp."""
    tell(store, TRAIT, CONSENT, Event("view", "MILK"))
    kept, replayed = found(store), as_of(store, ANNA, store.last_sequence())
    assert replayed is not None
    assert replayed.stamp == b""
    assert replace(kept, stamp=b"").encode(ANNA) == replayed.encode(ANNA)
    assert store.audit().sound


def test_records_of_before_there_were_stamps_are_read(store: Store) -> None:
    """A stored profile that ends with its consents has no stamp, and is else the same."""
    tell(store, TRAIT, CONSENT)
    kept = found(store)
    bare = replace(kept, stamp=b"").encode(ANNA)
    assert kept.encode(ANNA)[4:] == bare[4:] + b"of plan"  # behind the checksum
    old = Profile.decode(ANNA, bare)
    assert (old.stamp, old.traits, old.consents) == (b"", kept.traits, kept.consents)


def test_many_at_once_are_left_alone(store: Store) -> None:
    """An import waits for nothing; each is stamped when it is next written on its own."""
    entries = [Entry(Record(subject(n), Kind.PERSON, NOON, NOON, TRAIT)) for n in range(1, MOST_AT_ONCE + 2)]
    store.submit(entries).result(10)
    assert found(store).stamp == b""
    tell(store, Event("view", "MILK"))
    assert found(store).stamp == b"of plan"


def test_a_stamp_that_cannot_be_made_costs_no_write(store: Store) -> None:
    """What is told is kept, without a stamp."""

    def broken(who: SubjectKey, profile: Profile) -> bytes:
        raise ZeroDivisionError

    store.stamp_with(broken)
    tell(store, TRAIT)
    assert (found(store).stamp, list(found(store).traits)) == (b"", ["plan"])


def test_it_outlives_a_compaction(tmp_path: Path) -> None:
    """The rewritten store has it as it was."""
    with Store.open(tmp_path, map_size=MAP, allow_overlay=True) as store:
        store.stamp_with(stamp)
        tell(store, TRAIT)
    compact(tmp_path, MAP, allow_overlay=True)
    with Store.open(tmp_path, map_size=MAP, allow_overlay=True) as store:
        assert found(store).stamp == b"of plan"

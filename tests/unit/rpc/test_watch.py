"""What a worker tells the streams of `Watch`: all that must go, soon, and never more than it can carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from maitred.v1 import decision_pb2
from maitred_server.errors import InvalidRequest, RecordDamaged, TooMany
from maitred_server.model import Consents, Entry, Event, Intensity, Kind, Objection, Record, StateChange
from maitred_server.rpc import watch
from maitred_server.rpc.access import ALL_ROLES, Caller
from maitred_server.rpc.watch import BEAT_S, MOST_NAMED, PACE_S, Subscription, Watch
from maitred_server.store import MemoryStore
from maitred_server.store.keys import brand_prefix, subject_tag
from maitred_server.subjects.consent import as_consents

NOON = 1_700_000_000_000
SHOP, OTHER = (Caller(name, name, ALL_ROLES) for name in ("shop", "other"))


def key(name: str, brand: str = "shop") -> bytes:
    return brand_prefix(brand) + name.encode().ljust(16)


@dataclass
class Catalogue:
    version: str


@dataclass
class World:
    catalogue: Catalogue


@dataclass
class Shop:
    """A watch over a store in memory, with a clock that the test moves."""

    store: MemoryStore = field(default_factory=MemoryStore)
    versions: dict[str, str] = field(default_factory=lambda: {"shop": "1", "other": "1"})
    now: float = 100.0

    def __post_init__(self) -> None:
        self.watch = Watch(self.store, self, lambda: self.now)  # type: ignore[arg-type]

    def world(self, brand: str) -> Any:
        return World(Catalogue(self.versions[brand])) if brand in self.versions else None

    def open(self, since: int = 0, catalogue: str = "", caller: Caller = SHOP) -> Subscription:
        request = decision_pb2.WatchRequest(since=since, catalogue=catalogue).SerializeToString()
        return self.watch.open(request, caller, lambda: None)

    def object(self, name: str = "anna", brand: str = "shop") -> bytes:
        """Somebody says that something is not for them; their tag."""
        record = Record(key(name, brand), Kind.PERSON, NOON, NOON, Objection("MILK"))
        self.store.submit([Entry(record)]).result()
        return subject_tag(key(name, brand))

    def set(self, *changes: StateChange) -> None:
        self.store.submit_item_states("shop", changes, NOON).result()

    def poll(self, later: float = PACE_S) -> None:
        self.now += later
        self.watch.poll()


def heard(subscription: Subscription) -> list[decision_pb2.WatchResponse]:
    told = []
    while (message := subscription.take()) is not None:
        told.append(decision_pb2.WatchResponse.FromString(message))
    return told


def only(subscription: Subscription) -> decision_pb2.WatchResponse:
    (told,) = heard(subscription)
    return told


def test_the_first_message_comes_at_once() -> None:
    """It says where the stream begins, and names nothing that must go."""
    shop = Shop()
    told = only(shop.open())
    assert (told.catalogue, told.everything, list(told.subjects)) == ("1", False, [])
    assert told.position > 0


def test_subjects_are_told_of_to_their_own_brand() -> None:
    """Consents, intensities and objections are told by tag; views are not, and no other brand hears of it."""
    shop = Shop()
    own, other = shop.open(), shop.open(caller=OTHER)
    first = [only(own), only(other)]
    tag = shop.object()
    off = Record(key("bert"), Kind.PERSON, NOON, NOON, Consents(as_consents(Intensity.OFF, NOON)))
    view = Record(key("carl"), Kind.PERSON, NOON, NOON, Event("view", "MILK"))
    shop.store.submit([Entry(off), Entry(view)]).result()
    shop.poll()
    told = only(own)
    assert sorted(told.subjects) == sorted([tag, subject_tag(key("bert"))])
    assert told.position > first[0].position
    assert heard(other) == []


def test_a_publish_is_told_once() -> None:
    """Everything must go when another catalogue is in force, in that brand."""
    shop = Shop()
    own, other = shop.open(), shop.open(caller=OTHER)
    heard(own), heard(other)
    shop.versions["shop"] = "2"
    shop.poll(0.2)
    told = only(own)
    assert (told.everything, told.catalogue) == (True, "2")
    assert heard(other) == []
    shop.poll()
    assert heard(own) == []


def test_what_is_stopped_is_told() -> None:
    """Items and groups that were killed, paused or sold out; not those with a price, or that are offered again."""
    shop = Shop()
    own = shop.open()
    heard(own)
    shop.set(
        StateChange("KILLED", kill=True),
        StateChange("PAUSED", paused=True),
        StateChange("SOLD", stock=0),
        StateChange("PRICED", price=2.0, stock=5),
        StateChange(group="TEA", paused=True),
    )
    shop.poll(0.2)
    told = only(own)
    assert (sorted(told.items), sorted(told.groups)) == (["KILLED", "PAUSED", "SOLD"], ["TEA"])
    shop.set(StateChange("PAUSED", paused=False))
    shop.poll()
    assert heard(own) == []


def test_subjects_alone_are_told_of_no_more_than_once_a_second() -> None:
    """What comes in between is told together; what is about items comes at once, with all the rest."""
    shop = Shop()
    own = shop.open()
    heard(own)
    tags = []
    for name in ("anna", "bert", "carl"):
        tags.append(shop.object(name))
        shop.poll(PACE_S / 4)
        assert heard(own) == []
    shop.poll(PACE_S / 4)
    assert sorted(only(own).subjects) == sorted(tags)
    tag = shop.object()
    shop.set(StateChange("SOLD", stock=0))
    shop.poll(0.01)
    assert list(only(own).subjects) == [tag]


def test_streams_take_turns() -> None:
    """What is about subjects alone is told to each stream at a moment of its own within a second, to all in time."""
    shop = Shop()
    streams = [shop.open() for _ in range(100)]
    for one in streams:
        heard(one)
    shop.object()
    told = []
    for _ in range(11):
        shop.poll(PACE_S / 10)
        told.append(sum(len(heard(one)) for one in streams))
    assert sum(told) == 100
    assert max(told) <= 20


def test_there_is_a_sign_of_life() -> None:
    """After so many seconds of silence a message comes that names nothing."""
    shop = Shop()
    own = shop.open()
    first = only(own)
    shop.poll(BEAT_S - 0.1)
    assert heard(own) == []
    shop.poll(0.2)
    assert only(own) == first


def test_a_slow_reader_gets_everything() -> None:
    """What nobody takes is kept as one message; when that would name too much, everything must go."""
    shop = Shop()
    own = shop.open()
    heard(own)
    for number in range(MOST_NAMED + 1):
        shop.object(f"s{number}")
        if number % 100 == 0:
            shop.poll()
    shop.poll()
    told = only(own)
    assert (told.everything, list(told.subjects)) == (True, [])


def test_after_a_break_all_that_was_missed_is_told() -> None:
    """A stream that goes on from a position is told of subjects and items since, at once, and nothing of before."""
    shop = Shop()
    shop.object("before")
    shop.poll()
    first = shop.open()
    since = only(first).position
    first.close()
    tag = shop.object()
    shop.set(StateChange("SOLD", stock=0), StateChange(group="TEA", kill=True))
    told = only(shop.open(since, "1"))
    assert (list(told.subjects), list(told.items), list(told.groups)) == ([tag], ["SOLD"], ["TEA"])
    assert (told.everything, told.position > since) == (False, True)
    assert only(shop.open(told.position, "1")).subjects == []


@pytest.mark.parametrize(("since", "catalogue"), [(1, "1"), (0, "0"), (None, ""), (None, "0")])
def test_whose_past_is_not_known_begins_anew(since: int | None, catalogue: str) -> None:
    """An unknown position, or another catalogue than that in force: everything must go."""
    shop = Shop()
    position = only(shop.open()).position if since is None else since
    assert only(shop.open(position, catalogue)).everything is True


def test_who_comes_first_is_told_of_the_last_seconds() -> None:
    """Answers of just before the stream was opened are covered, older changes are not told again."""
    shop = Shop()
    shop.object("long ago")
    for _ in range(10):
        shop.poll()
    tag = shop.object()
    shop.poll()
    assert list(only(shop.open()).subjects) == [tag]


def test_nothing_is_lost_between_the_beginning_and_the_next_poll() -> None:
    """What happens after a stream began and before the poll that finds it is told by that poll."""
    shop = Shop()
    own = shop.open()
    tag = shop.object()
    shop.poll()
    assert [list(one.subjects) for one in heard(own)] in ([[tag]], [[], [tag]])


def test_there_are_so_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; when one has left there is room again."""
    monkeypatch.setattr(watch, "MOST_STREAMS", 2)
    shop = Shop()
    first, _ = shop.open(), shop.open(caller=OTHER)
    with pytest.raises(TooMany):
        shop.open()
    first.close()
    first.close()
    assert only(shop.open()).catalogue == "1"


def test_a_request_that_is_none_leaves_no_stream() -> None:
    """Garbage is refused, and takes no place."""
    shop = Shop()
    with pytest.raises(InvalidRequest):
        shop.watch.open(b"\xff", SHOP, lambda: None)
    assert shop.watch._count == 0


def test_the_end_of_the_server_ends_the_streams() -> None:
    """Whoever waits is woken and sees that it is over; a new stream is over at once."""
    shop, woken = Shop(), []
    request = decision_pb2.WatchRequest().SerializeToString()
    own = shop.watch.open(request, SHOP, lambda: woken.append(1))
    before = len(woken)
    shop.watch.close()
    assert (own.ended, len(woken)) == (True, before + 1)
    assert shop.open().ended is True


def test_a_store_that_cannot_be_read_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that fails tells nothing and loses nothing."""
    shop = Shop()
    own = shop.open()
    heard(own)
    tag = shop.object()
    with monkeypatch.context() as broken:

        def fail(position: int) -> None:
            raise RecordDamaged("told to")

        broken.setattr(shop.store, "subject_changes", fail)
        shop.poll()
        shop.poll()
    assert heard(own) == []
    shop.poll()
    assert list(only(own).subjects) == [tag]

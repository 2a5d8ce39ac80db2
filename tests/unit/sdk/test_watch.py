"""The stream that says what must go: kept open without a hot loop, closed fast, and never in anybody's way."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maitred import CacheConfig, Client, Config, Subject
from maitred._cache import Cache
from maitred._watch import HURRIED, SILENCE, Watcher
from maitred.testing import FakeTransport

LONG = Config(deadline=5.0)


class Watched:
    """A watcher on a clock that the test moves; its thread waits for real time, and does nothing."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fake = FakeTransport.serving({})
        self.cache = Cache(CacheConfig(), lambda: self.now)
        self.watcher = Watcher(self.cache, self.fake, lambda: self.now)

    def later(self, seconds: float) -> float:
        """Let time pass; gives the seconds until there is more to do."""
        self.now += seconds
        return self.watcher.step()


@pytest.fixture
def watched() -> Any:
    made = Watched()
    yield made
    made.watcher.close()


def test_it_hears_before_start_returns(watched: Watched) -> None:
    """What a transport answers at once is heard; a second start opens nothing."""
    watched.watcher.start()
    watched.watcher.start()
    assert (watched.watcher.connected, watched.fake.watches) == (True, 1)


def test_silence_is_noticed(watched: Watched) -> None:
    """A stream that says nothing for so long is given up, and another is opened; one that speaks is kept."""
    watched.watcher.start()
    assert watched.later(SILENCE - 1) == pytest.approx(1)
    watched.fake.announce(items=["A"])
    watched.later(SILENCE - 1)
    assert (watched.fake.watches, watched.watcher.connected) == (1, True)
    watched.fake.hang()
    watched.later(1)
    assert watched.watcher.connected is False
    watched.later(1)
    assert watched.fake.watches == 2


def test_it_keeps_trying_and_not_too_often(watched: Watched) -> None:
    """At most eight tries in the first minute of an outage; then it goes on, and heals."""
    watched.watcher.start()
    watched.fake.fail()
    watched.fake.break_watches()
    began, before = watched.now, watched.fake.watches
    while watched.now - began < 60:
        watched.later(0.05)
    assert 4 <= watched.fake.watches - before <= 8
    watched.fake.heal()
    while not watched.watcher.connected and watched.now - began < 120:
        watched.later(0.05)
    assert watched.watcher.connected is True


def test_an_answer_of_the_server_hurries_it(watched: Watched) -> None:
    """When something else was answered it tries again before its time, but not all the time."""
    watched.watcher.start()
    watched.fake.fail()
    watched.fake.break_watches()
    for _ in range(600):
        watched.later(0.1)
    tried = watched.fake.watches
    for _ in range(40):
        watched.watcher.hurry()
        watched.later(HURRIED / 20)
    assert 1 <= watched.fake.watches - tried <= 3


def test_what_was_missed_is_asked_for(watched: Watched) -> None:
    """After a break the new stream goes on where the old one ended: nothing is heard twice as everything."""
    watched.watcher.start()
    watched.fake.announce(items=["A"])
    heard: list[Any] = []
    watched.cache.apply = heard.append  # type: ignore[method-assign, assignment]
    watched.fake.break_watches()
    watched.fake.announce(subjects=["anna"])
    watched.fake.announce(groups=["TEA"])
    watched.later(1)
    assert [(one.everything, one.items, one.groups, len(one.tags)) for one in heard] == [
        (False, frozenset(), frozenset({"TEA"}), 1)
    ]


def test_garbage_is_a_break(watched: Watched) -> None:
    """A message that cannot be read ends the stream, and another is opened."""
    watched.watcher.start()
    for stream in list(watched.fake._watches._streams):
        stream.receiver(b"\xff")
    assert watched.watcher.connected is False
    watched.later(1)
    assert (watched.watcher.connected, watched.fake.watches) == (True, 2)


def test_closing_ends_its_thread() -> None:
    """At once, also while it waits."""
    client = Client(transport=FakeTransport.serving({"welcome": ["A"]}, ttl_ms=60_000), config=LONG)
    client.decide("welcome", "s")
    thread = client._watcher._thread
    assert thread is not None
    client.close()
    assert (thread.is_alive(), client.statistics().watching) == (False, False)


def test_a_client_that_is_let_go_ends_its_thread(eventually: Callable[[Callable[[], bool]], None]) -> None:
    """The stream does not keep alive what it is for."""
    client = Client(transport=FakeTransport.serving({"welcome": ["A"]}, ttl_ms=60_000), config=LONG)
    client.decide("welcome", "s")
    thread, gone = client._watcher._thread, weakref.ref(client)
    assert thread is not None
    del client

    def is_gone() -> bool:
        gc.collect()
        return gone() is None and not thread.is_alive()

    eventually(is_gone)


def test_a_client_without_kept_answers_starts_no_thread() -> None:
    """Neither without a cache, nor when it only tells."""
    names = ("maitred-watch",)
    with Client(transport=FakeTransport.serving({"welcome": ["A"]}), config=LONG) as telling:
        telling.record("view", "s", item="A")
        assert [one.name for one in threading.enumerate() if one.name in names] == []
    config = Config(deadline=5.0, cache=CacheConfig(entries=0))
    with Client(transport=FakeTransport.serving({"welcome": ["A"]}), config=config) as asking:
        asking.decide("welcome", "s")
        assert [one.name for one in threading.enumerate() if one.name in names] == []


def test_over_a_real_channel(server: Any, eventually: Callable[[Callable[[], bool]], None]) -> None:
    """What is announced is obeyed, also after the server was away; meanwhile answers stand in."""
    server.fake._ttl_ms = server.fake._stale_ms = 60_000
    with Client(server.address, LONG) as client:
        eventually(lambda: client.decide("welcome", "s").reason == "CACHED" and client.statistics().watching)
        server.fake.announce(subjects=["s"])
        eventually(lambda: client.statistics().cache_drops == {"subject": 1})
        eventually(lambda: client.decide("welcome", "s").reason == "CACHED")
        server.stop()
        eventually(lambda: not client.statistics().watching)
        assert client.decide("welcome", "s", timeout=0.1).reason == "STALE"
        server.start()
        eventually(lambda: client.decide("welcome", "s").reason == "CACHED" and client.statistics().watching)


def test_a_flight_from_before_a_message_is_not_kept() -> None:
    """Whatever was under way when the server said that it must go, is served to who waits and not again."""
    fake = FakeTransport.serving({"welcome": ["A"]}, ttl_ms=60_000)
    with Client(transport=fake, config=LONG) as client:
        client.decide("welcome", "other")
        fake.hang()
        waiting = threading.Thread(target=lambda: client.decide("welcome", "s"))
        waiting.start()
        until = time.monotonic() + 10
        while not client._cache._airborne and time.monotonic() < until:
            time.sleep(0.001)
        fake.announce(subjects=["s"])
        fake.heal()
        waiting.join()
        assert client.decide("welcome", "s").reason == "RULE"
        assert client.decide("welcome", "s").reason == "CACHED"


# What was said and is not acknowledged


def test_what_was_said_before_a_restart_holds(tmp_path: Path) -> None:
    """Objections that an earlier process left in the outbox file filter every answer, until they are taken back."""
    config = Config(deadline=5.0, outbox=tmp_path / "box")
    hanging = FakeTransport.serving({})
    hanging.hang()
    first = Client(transport=hanging, config=config)
    first.not_for_me(Subject("s", aliases=("t",)), item="A")
    first.not_for_me("s", item="B")
    first.take_back("s", item="B")
    first.close()
    fake = FakeTransport.serving({"welcome": ["A", "B"]})
    fake._acknowledge = lambda request: None  # type: ignore[method-assign]
    fake._refused = lambda request: type(first._outbox.objections([]))()  # type: ignore[method-assign]
    with Client(transport=fake, config=config) as client:
        assert [client.decide("welcome", one).items for one in ("s", "t", "other")] == [("B",), ("B",), ("A", "B")]
        client.take_back("s", item="A")
        assert client.decide("welcome", "s").items == ("A", "B")


def test_what_a_subject_said_of_itself_travels_first() -> None:
    """However much happened since, an objection and a consent go with the next decide."""
    fake = FakeTransport.serving({"welcome": ["A"]})
    fake.hang()
    seen: list[bytes] = []
    with Client(transport=fake, config=LONG) as client:
        client.not_for_me("s", item="A")
        client.consent("s", "ads", "denied")
        for number in range(200):
            client.record("view", "s", item=f"I{number}")
        seen.append(client._outbox.pending("s", 1 << 20))
        fake.heal()
    from maitred.v1 import feedback_pb2

    kinds = [one.WhichOneof("kind") for one in feedback_pb2.FeedbackBatch.FromString(seen[0]).events]
    assert kinds == ["not_for_me", "consents", *["event"] * 62]


def test_what_is_acknowledged_filters_no_more(eventually: Callable[[Callable[[], bool]], None]) -> None:
    """From then on it is the server's to leave it out: another device may have taken it back."""
    fake = FakeTransport.serving({"welcome": ["A"]})
    with Client(transport=fake, config=LONG) as client:
        client.not_for_me("s", item="A")
        assert client.flush(10)
        fake.objections.clear()
        assert client.decide("welcome", "s").items == ("A",)
        assert not client._outbox.objections(["s"])

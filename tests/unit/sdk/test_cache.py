"""The cache: bounded, never another subject's answer, never one from before a change of the profile."""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from maitred import CacheConfig, Client, Config, Decision, Reason, Subject
from maitred._cache import Cache, Flight
from maitred._calls import Answer, Ask, ask_one, ask_page
from maitred._index import Index
from maitred.errors import CallFailed
from maitred.testing import FakeTransport


def ask(subject: Any = "s", placement: str = "p", **context: Any) -> Ask:
    return ask_one(placement, subject, context or None, None, None, None)


def answer(name: str, ttl_ms: int = 60_000, stale_ms: int = 0) -> Answer:
    return Answer((Decision(name, (), Reason.RULE),), ttl_ms, stale_ms)


def fetch(cache: Cache, wanted: Ask, name: str, **more: int) -> Flight:
    flight, _ = cache.board(wanted)
    cache.land(flight, answer(name, **more))
    return flight


def found(cache: Cache, wanted: Ask) -> str | None:
    assert wanted.key is not None
    decisions = cache.get(wanted.key)
    return decisions[0].placement if decisions else None


def make(entries: int = 100) -> Cache:
    return Cache(CacheConfig(entries=entries), lambda: 0.0)


def test_the_least_recently_used_goes_first() -> None:
    """A full cache gives up the answer that was not asked for the longest."""
    cache = make(entries=2)
    fetch(cache, ask("a"), "A")
    fetch(cache, ask("b"), "B")
    assert found(cache, ask("a")) == "A"
    fetch(cache, ask("c"), "C")
    assert [found(cache, ask(one)) for one in "abc"] == ["A", None, "C"]
    assert len(cache) == 2


def test_equal_requests_share_one_flight() -> None:
    """While a call is under way, an equal request joins it; another does not."""
    cache = make()
    first, new = cache.board(ask("a"))
    assert new
    assert cache.board(ask("a")) == (first, False)
    assert cache.board(ask("b"))[0] is not first


def test_a_flight_from_before_a_change_is_not_kept() -> None:
    """An answer that was asked for before the subject's traits changed is not kept, however late it lands."""
    cache = make()
    for before in (cache.outdate, lambda id_: None):
        flight, _ = cache.board(ask("a"))
        before("a")
        cache.drop(["a"])
        cache.land(flight, answer("old"))
        assert found(cache, ask("a")) is None
        assert flight.landing is not None


def test_after_feedback_a_new_flight_is_started() -> None:
    """A request after feedback does not join a call that left without it; whichever lands last, the newer is kept."""
    cache = make()
    old, _ = cache.board(ask("a"))
    cache.outdate("a")
    newer, new = cache.board(ask("a"))
    assert new
    cache.land(newer, answer("newer"))
    cache.land(old, answer("old"))
    assert found(cache, ask("a")) == "newer"


def test_aliases_are_changed_too() -> None:
    """What is dropped for an id is dropped wherever that id is an alias."""
    cache = make()
    wanted = ask(Subject("a", aliases=("b",)))
    fetch(cache, wanted, "A")
    cache.drop(["b"])
    assert found(cache, wanted) is None


def test_a_failed_refresh_is_not_repeated_at_once() -> None:
    """After a refresh that failed, the stale answer is served for a while without another try."""
    now = [0.0]
    cache = Cache(CacheConfig(), lambda: now[0])
    wanted = ask("a")
    assert wanted.key is not None
    fetch(cache, wanted, "A", ttl_ms=1_000, stale_ms=60_000)
    now[0] = 2.0
    stale = cache.get_stale(wanted.key)
    assert stale is not None
    assert stale[1]
    flight, _ = cache.board(wanted)
    assert cache.get_stale(wanted.key) == (stale[0], False)
    cache.land(flight, CallFailed("UNAVAILABLE"))
    assert cache.get_stale(wanted.key) == (stale[0], False)
    now[0] = 4.0
    assert cache.get_stale(wanted.key) == (stale[0], True)


IDS = ("a", "b", "ab", "", "1")
SUBJECTS = st.builds(
    Subject,
    st.sampled_from([one for one in IDS if one]),
    st.sampled_from(["", "person", "household"]),
    st.lists(st.sampled_from(["a", "b"]), max_size=1).map(tuple),
)
VALUES = st.one_of(st.sampled_from([0, 1, 0.0, 1.0, True, False, "", "a", "1"]), st.lists(st.sampled_from("ab")))
CONTEXTS = st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)
PLACEMENTS = st.sampled_from(["p", "q", "a"])
ASKS = st.tuples(SUBJECTS, PLACEMENTS, CONTEXTS, st.sampled_from([None, 1, 2]), st.booleans())


def _identity(subject: Subject, placement: str, context: Any, slots: int | None, page: bool) -> str:
    typed = sorted((key, "number" if type(v) in (int, float) else type(v).__name__, v) for key, v in context.items())
    return repr((subject.id, subject.kind, [a.id for a in subject.aliases], placement, typed, slots, page))  # type: ignore[union-attr]


@given(st.lists(st.tuples(st.sampled_from(["ask", "drop", "outdate"]), ASKS), max_size=80))
def test_nobody_is_served_anothers_answer(actions: list[tuple[str, Any]]) -> None:
    """Over any requests and changes, an answer that is kept is served to equal requests of that subject alone, and
    never after a change."""
    cache = make(entries=8)
    valid: dict[str, str] = {}
    for action, (subject, placement, context, slots, page) in actions:
        wanted = (
            ask_page({placement: slots}, subject, context, None, None)
            if page
            else ask_one(placement, subject, context, slots, None, None)
        )
        identity = _identity(subject, placement, context, slots, page)
        if action == "drop":
            cache.drop([subject.id])
            valid = {key: ids for key, ids in valid.items() if subject.id not in ids.split()}
        elif action == "outdate":
            cache.outdate(subject.id)
        else:
            served = found(cache, wanted)
            if served is None:
                fetch(cache, wanted, identity)
                valid[identity] = " ".join(wanted.ids)
            else:
                assert _same(served, identity)
                assert identity in valid or any(_same(served, one) for one in valid)


def _same(served: str, wanted: str) -> bool:
    """Equal but for the way a number is written."""
    return _numbers_alike(served) == _numbers_alike(wanted)


def _numbers_alike(identity: str) -> str:
    return identity.replace("'number', 1.0", "'number', 1").replace("'number', 0.0", "'number', 0")


def test_many_threads_never_meet_anothers_answer() -> None:
    """Eight threads over few subjects: each is served its own subject's answers only."""
    fake = FakeTransport.serving({"p": ["A"]}, ttl_ms=60_000)
    wrong: list[str] = []
    config = Config(deadline=30.0, cache=CacheConfig(entries=5))
    with Client(transport=fake, config=config) as maitred:

        def work(seed: int) -> None:
            for number in range(300):
                id_ = f"s{(number * seed) % 7}"
                decision = maitred.decide("p", id_)
                if decision.subject != id_ or decision.error:
                    wrong.append(id_)
                if number % 50 == 0:
                    maitred.put_traits(id_, {"t": number})

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_concurrent_equal_requests_are_one_call() -> None:
    """Requests that wait for the same answer share one call to the server."""
    fake = FakeTransport.serving({"p": ["A"]})
    fake.hang()
    answers: list[Decision] = []
    with Client(transport=fake, config=Config(deadline=30.0)) as maitred:
        threads = [threading.Thread(target=lambda: answers.append(maitred.decide("p", "s"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        while len(maitred._cache._airborne) < 1 or maitred.statistics().cache_misses < 8:
            threading.Event().wait(0.001)
        fake.heal()
        for thread in threads:
            thread.join()
    assert len(fake.asked) == 1
    assert {one.id for one in answers} == {answers[0].id}


def test_a_stale_answer_that_is_asked_for_already_needs_no_asking() -> None:
    """Stale and due, the caller is to ask; once somebody did, or the server failed a moment ago, it is just served."""
    now = [0.0]
    cache = Cache(CacheConfig(), lambda: now[0])
    wanted = ask("a")
    assert wanted.key is not None
    fetch(cache, wanted, "A", ttl_ms=1_000, stale_ms=60_000)
    seen = [cache.get_known(wanted.key)]
    now[0] = 2.0
    seen.append(cache.get_known(wanted.key))
    flight, _ = cache.board(wanted)
    seen.append(cache.get_known(wanted.key))
    cache.land(flight, CallFailed("UNAVAILABLE"))
    seen.append(cache.get_known(wanted.key))
    now[0] = 100.0
    seen.append(cache.get_known(wanted.key))
    assert [one and one[0].reason for one in seen] == [Reason.CACHED, None, Reason.STALE, Reason.STALE, None]


def test_while_nobody_vouches_only_what_was_just_asked_for_is_served() -> None:
    """Fresh by the clock, but the server is not heard: it is asked for, and stands in for a moment once that failed."""
    cache, wanted = make(), ask("a")
    assert wanted.key is not None
    fetch(cache, wanted, "A")
    cache.distrust()
    assert cache.get_known(wanted.key) is None
    cache.land(cache.board(wanted)[0], CallFailed("UNAVAILABLE"))
    assert cache.get_known(wanted.key) == cache.get_stale(wanted.key)[0]  # type: ignore[index]


NAMES = st.sampled_from(["a", "b", "c"])
KEYS = st.integers(0, 3).map(lambda number: ("key", number))


@given(st.lists(st.tuples(st.booleans(), NAMES, KEYS), max_size=40))
def test_an_index_is_a_dict_of_sets(steps: list[tuple[bool, str, tuple[str, int]]]) -> None:
    """However keys come and go, each name has the keys that a set would have."""
    index: Index[str] = Index()
    plain: dict[str, set[tuple[str, int]]] = {"a": set(), "b": set(), "c": set()}
    for comes, name, key in steps:
        (index.add if comes else index.discard)(name, key)
        (plain[name].add if comes else plain[name].discard)(key)
    assert {name: set(index.of(name)) for name in plain} == plain


def test_kept_answers_share_what_they_have_in_common() -> None:
    """Two subjects' answers hold one copy of a content; one that is longer than 4 KiB is each one's own."""
    fake = FakeTransport.serving({"short": [{"item": "A", "content": "x" * 100}]}, ttl_ms=60_000)
    fake.serve("long", [{"item": "B", "content": "x" * 5_000}])
    with Client(transport=fake) as client:
        shared = [
            client.decide(placement, "s1")[0].raw is client.decide(placement, "s2")[0].raw
            for placement in ("short", "long")
        ]
    assert shared == [True, False]

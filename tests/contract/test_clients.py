"""What both clients do, as one table of cases: each runs over `Client` and over `AsyncClient`.

A step is (verb, arguments, what is expected). Decisions are looked at as dictionaries of the named attributes.
"""

from __future__ import annotations

import asyncio
import datetime
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from maitred import (
    AsyncClient,
    CacheConfig,
    Choice,
    Client,
    Config,
    Consent,
    InvalidArgument,
    Request,
    Subject,
    Trait,
)
from maitred import _base as base
from maitred.testing import Allowed, FakeTransport, Happened, Merged, Objected, Said, Slate

SLATES: dict[str, Slate] = {
    "welcome": ["A", "B", {"item": "C", "variant": "dark", "content": {"text": "See"}}],
    "shelf": [{"item": "D", "content": "plain"}],
    "limited": [{"item": "E", "remaining_showings": 2}, "F"],
    "once": [{"item": "E", "remaining_showings": 1}],
    "grouped": [{"item": "G", "groups": ["TEA"]}, {"item": "H", "groups": ["TEA", "HOT"]}, "A"],
}
LONG = Config(deadline=5.0)
SHORT = Config(deadline=0.02)
NOON = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
NOON_MS = 1_777_636_800_000


class Sync:
    """Drives a `Client`."""

    def __init__(self, fake: FakeTransport, config: Config) -> None:
        self.client = Client(transport=fake, config=config)

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        return getattr(self.client, verb)(*arguments, **named)

    def end(self) -> None:
        self.client.close()


class Async:
    """Drives an `AsyncClient` on a loop of its own."""

    def __init__(self, fake: FakeTransport, config: Config) -> None:
        self.client = AsyncClient(transport=fake, config=config)
        self.runner = asyncio.Runner()

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        result = getattr(self.client, verb)(*arguments, **named)
        return self.runner.run(result) if asyncio.iscoroutine(result) else result

    def end(self) -> None:
        self.runner.run(self.client.close())
        self.runner.close()


class Step(NamedTuple):
    """One thing that is done, and what must be seen. `keep` names a decision for later steps."""

    verb: str
    arguments: dict[str, Any]
    expected: dict[str, Any]
    keep: str = ""


@dataclass
class Case:
    """A behaviour, told by its name."""

    name: str
    steps: list[Step]
    ttl_ms: int = 0
    stale_ms: int = 0
    config: Config = field(default_factory=lambda: LONG)


def decide(placement: str = "welcome", subject: Any = "s", *, keep: str = "", **more: Any) -> Step:
    names = {"reason", "items", "error", "error_message", "reasons", "id", "slots_of"}
    expected = {key: value for key, value in more.items() if key in names}
    arguments = {key: value for key, value in more.items() if key not in names}
    return Step("decide", {"placement": placement, "subject": subject, **arguments}, expected, keep)


def fake(verb: str, *arguments: Any) -> Step:
    return Step(f"fake.{verb}", {"arguments": arguments}, {})


def later(seconds: float) -> Step:
    return Step("later", {"seconds": seconds}, {})


def asked(count: int) -> Step:
    """So many placements were asked of the server so far."""
    return Step("asked", {}, {"count": count})


def told(kind: str, *expected: Any) -> Step:
    """After a flush, this is what the server was told, in this order."""
    return Step("told", {"kind": kind}, {"list": list(expected)})


def do(verb: str, **arguments: Any) -> Step:
    return Step(verb, arguments, {})


CASES = [
    Case("a fresh answer has the server's reason", [decide(reason="RULE", items=("A", "B", "C"), error="")]),
    Case("an answer without time to live is asked for each time", [decide(), decide(reason="RULE"), asked(2)]),
    Case(
        "an answer is served again while it is fresh, with its own choices' reasons",
        [decide(), decide(reason="CACHED", reasons={"RULE"}, items=("A", "B", "C")), asked(1)],
        ttl_ms=60_000,
    ),
    Case("a fresh answer ends with its time to live", [decide(), later(60), decide(reason="RULE")], ttl_ms=60_000),
    Case(
        "subject, kind, aliases, placement, slots and context each make another request",
        [
            decide(),
            decide(subject="other"),
            decide(subject=Subject("s", "household")),
            decide(subject=Subject("s", aliases=("t",))),
            decide("shelf"),
            decide(slots=1, items=("A",)),
            decide(context={"store": "330"}),
            decide(context={"store": "331"}),
            asked(8),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "values of another type make another request",
        [decide(context={"n": n}) for n in (1, True, "1", ["1"])] + [asked(4)],
        ttl_ms=60_000,
    ),
    Case(
        "the order of context keys does not matter, nor how a plain subject is given",
        [
            decide(context={"a": "1", "b": ["x"]}),
            decide(context={"b": ["x"], "a": "1"}, reason="CACHED"),
            asked(1),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "past its time to live an answer is served STALE at once and renewed behind",
        [decide(), later(2), decide(reason="STALE", error=""), asked(2), decide(reason="CACHED"), asked(2)],
        ttl_ms=1_000,
        stale_ms=5_000,
    ),
    Case(
        "past its stale time an answer is asked for again",
        [decide(), later(7), decide(reason="RULE"), asked(2)],
        ttl_ms=1_000,
        stale_ms=5_000,
    ),
    Case(
        "in an outage the last known answer stands in, with the error",
        [decide(keep="first"), later(600), fake("fail", "UNAVAILABLE"), decide(reason="STALE", error="UNAVAILABLE")],
        ttl_ms=1_000,
        stale_ms=5_000,
    ),
    Case(
        "an answer without time to live may stand in, too",
        [
            decide(reason="RULE"),
            fake("fail", "INTERNAL"),
            decide(reason="STALE", error="INTERNAL", items=("A", "B", "C")),
        ],
        stale_ms=1,
    ),
    Case(
        "an answer that must not be stale never stands in",
        [decide(), later(2), fake("fail"), decide(fallback=["Z"], reason="ERROR", items=("Z",))],
        ttl_ms=1_000,
    ),
    Case(
        "the last known answer stands in for a limited time",
        [decide(), later(62), fake("fail"), decide(reason="ERROR", items=())],
        ttl_ms=1_000,
        stale_ms=1_000,
        config=Config(deadline=5.0, cache=CacheConfig(stale_if_error=60)),
    ),
    Case(
        "without a cache every outage is the fallback's",
        [decide(), decide(reason="RULE"), fake("fail"), decide(reason="ERROR")],
        ttl_ms=60_000,
        stale_ms=1_000,
        config=Config(deadline=5.0, cache=CacheConfig(entries=0)),
    ),
    Case(
        "in an outage the caller's fallback is served, in the wanted slots",
        [
            fake("fail", "UNAVAILABLE", "gone"),
            decide(
                fallback=["Y", "Z"], slots=1, reason="ERROR", error="UNAVAILABLE", error_message="gone", items=("Y",)
            ),
            decide(fallback=lambda placement: [f"for {placement}"], items=("for welcome",), reasons={"ERROR"}),
            decide(fallback=[Choice("X"), {"item": "W", "content": {}}], items=("X", "W"), slots_of=(0, 1)),
            decide(items=(), id=""),
        ],
    ),
    Case(
        "a fallback that fails is an empty one",
        [fake("fail"), decide(fallback=lambda placement: 1 / 0, reason="ERROR", items=())],
    ),
    Case(
        "a refusal is no outage: the fallback is served, and what was known is forgotten",
        [
            decide(),
            later(10),
            fake("fail", "NOT_FOUND"),
            decide(fallback=["Z"], reason="ERROR", error="NOT_FOUND", items=("Z",)),
            fake("fail", "UNAVAILABLE"),
            decide(reason="ERROR"),
        ],
        ttl_ms=1_000,
        stale_ms=1_000,
    ),
    Case("an unknown placement is refused", [decide("nowhere", fallback=["Z"], error="NOT_FOUND", items=("Z",))]),
    Case(
        "a server that hangs costs the deadline, then is served like one that is down",
        [fake("hang"), decide(fallback=["Z"], error="DEADLINE_EXCEEDED", items=("Z",))],
        config=SHORT,
    ),
    Case(
        "a call's own timeout wins over the deadline",
        [fake("hang"), decide(timeout=0.01, error="DEADLINE_EXCEEDED")],
        config=Config(deadline=600.0),
    ),
    Case(
        "a choice without showings left is served no more, the others are",
        [
            decide("limited", keep="d"),
            do("expose", decision="d"),
            decide("limited", reason="CACHED", items=("E", "F")),
            do("expose", decision="d", slots=[1]),
            decide("limited", reason="CACHED", items=("E", "F"), keep="d"),
            do("expose", decision="d", slots=[0]),
            decide("limited", reason="CACHED", items=("F",), slots_of=(1,), keep="d"),
            do("expose", decision="d"),
            told("exposures", ((0, 1), 1), ((1,), 2), ((0,), 3), ((1,), 4)),
            asked(1),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "when nothing is left the server is asked",
        [
            decide("once", keep="d"),
            do("expose", decision="d"),
            decide("once", reason="RULE"),
            asked(2),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "what is left stands in without what is used up, and when nothing is left nothing does",
        [
            decide("limited", keep="d"),
            do("expose", decision="d"),
            do("expose", decision="d"),
            decide("once", keep="o"),
            do("expose", decision="o"),
            later(61),
            fake("fail"),
            decide("limited", reason="STALE", items=("F",)),
            decide("once", fallback=["Z"], reason="ERROR", items=("Z",)),
        ],
        ttl_ms=60_000,
        stale_ms=60_000,
    ),
    Case(
        "a showing of one answer is spent in the subject's other answers",
        [
            decide("limited", keep="d"),
            decide("limited", context={"a": "b"}),
            do("expose", decision="d"),
            do("expose", decision="d"),
            decide("limited", context={"a": "b"}, reason="CACHED", items=("F",)),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "what is not for a subject goes from its answers at once, and from nobody else's",
        [
            decide("grouped"),
            decide("grouped", subject="other"),
            do("not_for_me", subject="s", item="A", reason="not my taste"),
            decide("grouped", reason="CACHED", items=("G", "H")),
            do("not_for_me", subject="s", group="HOT"),
            decide("grouped", reason="CACHED", items=("G",), keep="d"),
            do("expose", decision="d"),
            decide("grouped", subject="other", reason="CACHED", items=("G", "H", "A")),
            asked(2),
            told("objections", ("s", "A", "", "not my taste", False), ("s", "", "HOT", "", False)),
            told("exposures", ((0,), 1)),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "what is not for a subject stays away while the server cannot be reached, and after",
        [
            decide("grouped"),
            decide("shelf"),
            fake("hang"),
            do("not_for_me", subject="s", group="TEA"),
            do("not_for_me", subject="s", item="D"),
            later(70),
            decide("grouped", timeout=0.01, reason="STALE", items=("A",)),
            decide("shelf", timeout=0.01, fallback=["Z"], reason="ERROR", items=("Z",)),
            fake("heal"),
            decide("grouped", context={"a": "b"}, reason="RULE", items=("A",)),
            told("objections", ("s", "", "TEA", "", False), ("s", "D", "", "", False)),
            decide("grouped", context={"a": "c"}, reason="RULE", items=("A",)),
        ],
        ttl_ms=60_000,
        stale_ms=60_000,
    ),
    Case(
        "what is not for a subject holds for every id that it was asked for by",
        [
            decide("grouped", subject=Subject("s", aliases=("t",))),
            do("not_for_me", subject="t", item="A"),
            decide("grouped", subject=Subject("s", aliases=("t",)), reason="CACHED", items=("G", "H")),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "an answer of which nothing is left is asked for again",
        [
            decide("shelf"),
            do("not_for_me", subject="s", item="D"),
            decide("shelf", reason="RULE", items=()),
            asked(2),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "what is taken back is asked for again, and stands in until then",
        [
            decide("grouped"),
            fake("hang"),
            do("not_for_me", subject="s", item="A"),
            decide("grouped", reason="CACHED", items=("G", "H")),
            do("take_back", subject="s", item="A"),
            decide("grouped", timeout=0.01, reason="STALE", items=("G", "H", "A")),
            fake("heal"),
            decide("grouped", context={"a": "b"}, reason="RULE", items=("G", "H", "A")),
            told("objections", ("s", "A", "", "", False), ("s", "A", "", "", True)),
        ],
        ttl_ms=60_000,
        stale_ms=60_000,
    ),
    Case(
        "an intensity goes to the server and forgets the subject's answers, also those that would stand in",
        [
            decide(),
            do("set_intensity", subject="s", level="contextual"),
            told("intensities", ("s", "contextual")),
            fake("fail"),
            decide(fallback=["Z"], reason="ERROR", items=("Z",)),
        ],
        ttl_ms=60_000,
        stale_ms=60_000,
    ),
    Case(
        "what the server says must go is asked for again, and nothing else",
        [
            decide("grouped"),
            decide("grouped", subject="other"),
            decide("shelf"),
            fake("announce", {"subjects": ["other"]}),
            decide("grouped", subject="other", reason="RULE"),
            decide("grouped", reason="CACHED"),
            fake("announce", {"groups": ["HOT"]}),
            decide("grouped", reason="RULE"),
            decide("shelf", reason="CACHED"),
            fake("announce", {"items": ["D"]}),
            decide("shelf", reason="RULE"),
            later(6),
            fake("announce", {"everything": True}),
            decide("grouped", reason="RULE"),
            decide("grouped", reason="CACHED"),
            asked(7),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "what must go does not stand in",
        [
            decide(),
            fake("announce", {"items": ["A"]}),
            fake("fail"),
            decide(fallback=["Z"], reason="ERROR", items=("Z",)),
        ],
        ttl_ms=60_000,
        stale_ms=60_000,
    ),
    Case(
        "a moment after an item was stopped an answer with it is served and not kept",
        [
            decide("shelf"),
            fake("announce", {"items": ["D"]}),
            decide("shelf", reason="RULE"),
            decide("shelf", reason="RULE"),
            later(6),
            decide("shelf", reason="RULE"),
            decide("shelf", reason="CACHED"),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "while the server is not heard nothing is served without asking it, or trying to",
        [
            decide(),
            decide("shelf"),
            fake("fail"),
            fake("break_watches"),
            decide(reason="STALE", error="UNAVAILABLE"),
            decide(reason="STALE", error=""),
            later(2),
            decide(reason="STALE", error="UNAVAILABLE"),
            later(60),
            decide(reason="ERROR"),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "a server that does not watch leaves answers to their time to live",
        [
            fake("fail", "UNIMPLEMENTED"),
            decide(reason="ERROR"),
            fake("heal"),
            decide(),
            decide(reason="CACHED"),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "when a server will watch no more, what nobody can vouch for goes, and answers are kept as they say",
        [decide(), fake("break_watches", "UNIMPLEMENTED"), decide(reason="RULE"), decide(reason="CACHED")],
        ttl_ms=60_000,
    ),
    Case(
        "a client that does not watch opens no stream",
        [decide(), decide(reason="CACHED"), Step("watches", {}, {"count": 0})],
        ttl_ms=60_000,
        config=Config(deadline=5.0, cache=CacheConfig(watch=False)),
    ),
    Case(
        "new traits forget the subject's answers, and only these",
        [
            decide(),
            decide(subject=Subject("s", "household")),
            decide(subject="other"),
            do("put_traits", subject="s", traits={"vegan": True}),
            decide(reason="RULE"),
            decide(subject=Subject("s", "household"), reason="RULE"),
            decide(subject="other", reason="CACHED"),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "other feedback leaves a fresh answer in place",
        [decide(), do("record", type="view", subject="s", item="A"), decide(reason="CACHED")],
        ttl_ms=60_000,
    ),
    Case(
        "a decision as of a time is neither kept nor served again",
        [decide(at=NOON), decide(at=NOON_MS), decide(reason="RULE"), asked(3), decide(reason="CACHED")],
        ttl_ms=60_000,
    ),
    Case(
        "showings of one decision are numbered, over all copies of it",
        [
            decide(keep="d"),
            do("expose", decision="d"),
            decide(keep="d", reason="CACHED"),
            do("expose", decision="d", slots=[1]),
            told("exposures", ((0, 1, 2), 1), ((1,), 2)),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "with a server's decision it is an outcome, of the variant that was chosen",
        [
            decide(keep="d"),
            do("record", type="purchase", subject="s", item="C", value=2.5, decision="d", at=NOON, touchpoint="till-4"),
            told("outcomes", ("purchase", "s", "C", "dark", 2.5, True, 1, {}, "till-4", NOON_MS)),
            told("events"),
        ],
    ),
    Case(
        "without one it is an event",
        [
            do(
                "record",
                type="purchase",
                subject="s",
                item="C",
                value=2,
                quantity=3,
                attributes={"week": 7, "tags": ["x"], "gift": True, "paid": NOON},
                at=NOON_MS,
            ),
            told(
                "events",
                (
                    "purchase",
                    "s",
                    "C",
                    "",
                    2.0,
                    False,
                    3,
                    {"week": 7.0, "tags": ["x"], "gift": True, "paid": NOON_MS},
                    "kiosk",
                    NOON_MS,
                ),
            ),
        ],
        config=Config(deadline=5.0, touchpoint="kiosk"),
    ),
    Case(
        "with the caller's own fallback it is an event, and exposing that is nothing",
        [
            fake("fail"),
            decide(fallback=["Z"], keep="d"),
            do("expose", decision="d"),
            do("record", type="purchase", subject="s", item="Z", decision="d", at=NOON),
            fake("heal"),
            told("exposures"),
            told("events", ("purchase", "s", "Z", "", 0.0, False, 1, {}, "", NOON_MS)),
        ],
    ),
    Case(
        "consents go with their sources and times, and forget the subject's answers",
        [
            decide(),
            do("put_consents", subject="s", consents={"ads": "denied", "mail": "granted"}, source="web"),
            do("consent", subject="s", purpose="ads", state="revoked"),
            do("put_consents", subject="s", consents=[Consent("x", "granted", "till", NOON)], source="web"),
            told(
                "consents",
                ("ads", "denied", "web"),
                ("mail", "granted", "web"),
                ("ads", "revoked", ""),
                ("x", "granted", "till"),
            ),
            decide(reason="RULE"),
            asked(2),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "a merge names both subjects, and forgets the answers of both and of no other",
        [
            decide(subject="s"),
            decide(subject="v"),
            decide(subject="x"),
            do("merge", subject="s", other=Subject("v", "session")),
            told("merges", ("s", "v")),
            decide(subject="s", reason="RULE"),
            decide(subject="v", reason="RULE"),
            decide(subject="x", reason="CACHED"),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "the end of a session comes after what was recorded before, and forgets its answers",
        [
            decide(subject=Subject("v", "session")),
            do("record", type="view", subject=Subject("v", "session"), item="A"),
            Step("end_session", {"subject": "v"}, {"result": True}),
            told("ended", "v"),
            decide(subject=Subject("v", "session"), reason="RULE"),
        ],
        ttl_ms=60_000,
    ),
    Case(
        "the end of a session is no error when the server cannot be reached",
        [fake("fail", "UNAVAILABLE"), Step("end_session", {"subject": "v", "timeout": 0.2}, {"result": False})],
    ),
    Case(
        "traits go with their sources and purposes",
        [
            do("put_traits", subject="s", traits={"vegan": True, "old": None}, source="explicit", purpose="ads"),
            do(
                "put_traits", subject="s", traits=[Trait("size", 4, source="inferred", observed_at=NOON)], purpose="ads"
            ),
            told("traits", ("vegan", True, "ads"), ("old", None, "ads"), ("size", 4.0, "ads")),
        ],
    ),
    Case(
        "feedback on its way travels with the next decide for its subject",
        [
            fake("hang"),
            do("record", type="view", subject="s", item="A"),
            do("record", type="view", subject="s", item="B"),
            do("record", type="view", subject="other", item="B"),
            decide(timeout=0.01),
            fake("heal"),
            decide(),
            Step("pending", {}, {"count": 2}),
        ],
    ),
]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The cache's clock: one number that the test moves."""
    now = [1000.0]
    monkeypatch.setattr(base, "clock", lambda: now[0])
    return now


@pytest.fixture(params=[Sync, Async])
def client_of(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes a driven client of one kind."""
    made: list[Any] = []

    def make(fake: FakeTransport, config: Config = LONG) -> Any:
        made.append(request.param(fake, config))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, client_of: Callable[..., Any], clock: list[float]) -> None:
    """Both clients do what the case's name says."""
    transport = FakeTransport.serving(SLATES, ttl_ms=case.ttl_ms, stale_ms=case.stale_ms)
    driven = client_of(transport, case.config)
    kept: dict[str, Any] = {}
    for number, step in enumerate(case.steps):
        seen = _take(step, driven, transport, clock, kept)
        assert {key: seen[key] for key in step.expected} == step.expected, f"step {number}: {step}"
    transport.heal()


def _take(step: Step, driven: Any, transport: FakeTransport, clock: list[float], kept: dict[str, Any]) -> Any:
    if step.verb == "decide":
        decision = driven.call("decide", **step.arguments)
        kept[step.keep] = decision
        return _seen(decision)
    if step.verb == "asked":
        _until(lambda: len(transport.asked) >= step.expected["count"])
        _until(lambda: not driven.client._cache._airborne)  # what is renewed behind has landed
        return {"count": len(transport.asked)}
    if step.verb == "watches":
        return {"count": transport.watches}
    if step.verb == "pending":
        return {"count": transport.asked[-1].pending}
    if step.verb == "told":
        assert driven.call("flush", 10)
        return {"list": [_plain(one) for one in getattr(transport, step.arguments["kind"])]}
    if step.verb == "later":
        clock[0] += step.arguments["seconds"]
    elif step.verb.startswith("fake."):
        _script(transport, step)
    else:
        given = {key: kept[value] if key == "decision" else value for key, value in step.arguments.items()}
        return {"result": driven.call(step.verb, **given)}
    return {}


def _script(transport: FakeTransport, step: Step) -> None:
    """Tell the transport what to do; a mapping is named arguments."""
    verb, arguments = getattr(transport, step.verb.removeprefix("fake.")), step.arguments["arguments"]
    named = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
    verb(*([] if named else arguments), **named)


def _seen(decision: Any) -> dict[str, Any]:
    names = ("reason", "items", "error", "error_message", "id")
    return {
        **{name: getattr(decision, name) for name in names},
        "reasons": {choice.reason for choice in decision},
        "slots_of": tuple(choice.slot for choice in decision),
    }


def _plain(one: Any) -> Any:
    if isinstance(one, Happened):
        values = (one.type, one.subject, one.item, one.variant, one.value, bool(one.decision_id))
        return (*values, one.quantity, one.attributes, one.touchpoint, one.occurred_at_ms)
    if isinstance(one, str):
        return one
    if isinstance(one, Said):
        return (one.purpose, one.state, one.source)
    if isinstance(one, Allowed):
        return (one.subject, one.intensity)
    if isinstance(one, Objected):
        return (one.subject, one.item, one.group, one.reason, one.withdrawn)
    if isinstance(one, Merged):
        return (one.subject, one.other)
    if hasattr(one, "showing"):
        return (one.slots, one.showing)
    return (one.name, one.value, one.purpose)


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)


TOO_LONG = "é" * 129
MISUSE: list[tuple[str, dict[str, Any], str]] = [
    ("decide", {"placement": ""}, "placement"),
    ("decide", {"placement": 5}, "placement"),
    ("decide", {"placement": "x" * 129}, "placement"),
    ("decide", {"placement": "a\nb"}, "placement"),
    ("decide", {"subject": ""}, "subject"),
    ("decide", {"subject": None}, "subject"),
    ("decide", {"subject": TOO_LONG}, "subject"),
    ("decide", {"subject": "\ud800"}, "subject"),
    ("decide", {"context": {"a": math.nan}}, "context['a']"),
    ("decide", {"context": {"a": math.inf}}, "context['a']"),
    ("decide", {"context": {"a": 10**400}}, "context['a']"),
    ("decide", {"context": {"a": datetime.datetime(2026, 1, 1)}}, "context['a']"),
    ("decide", {"context": {"a": object()}}, "context['a']"),
    ("decide", {"context": {"a": None}}, "context['a']"),
    ("decide", {"context": {"a": {"b": 1}}}, "context['a']"),
    ("decide", {"context": {"a": [1]}}, "context['a']"),
    ("decide", {"context": {"a": ["x"] * 65}}, "context['a']"),
    ("decide", {"context": {"a": "x" * 1025}}, "context['a']"),
    ("decide", {"context": {str(n): n for n in range(65)}}, "context"),
    ("decide", {"context": {1: "a", "b": "c"}}, "context key"),
    ("decide", {"context": {str(n): ["x" * 256] * 8 for n in range(64)}}, "context"),
    ("decide", {"context": ["a"]}, "context"),
    ("decide", {"slots": 0}, "slots"),
    ("decide", {"slots": 51}, "slots"),
    ("decide", {"slots": True}, "slots"),
    ("decide", {"slots": 2.0}, "slots"),
    ("decide", {"at": datetime.datetime(2026, 1, 1)}, "at"),
    ("decide", {"at": 10**15}, "at"),
    ("decide", {"timeout": 0}, "timeout"),
    ("decide", {"timeout": math.nan}, "timeout"),
    ("decide", {"fallback": "A"}, "fallback"),
    ("decide", {"fallback": [5]}, "fallback"),
    ("decide", {"fallback": [{"items": "A"}]}, "fallback"),
    ("decide", {"fallback": [{"item": "A", "content": object()}]}, "fallback content"),
    ("decide_page", {"placements": []}, "placements"),
    ("decide_page", {"placements": "welcome"}, "placements"),
    ("decide_page", {"placements": [f"p{n}" for n in range(17)]}, "placements"),
    ("decide_page", {"placements": ["a", "a"]}, "placements"),
    ("decide_page", {"placements": {"a": 51}}, "slots"),
    ("decide_page", {"placements": ["a"], "fallback": ["A"]}, "fallback"),
    ("decide_many", {"requests": ["welcome"]}, "requests"),
    ("decide_many", {"requests": [Request("welcome", "")]}, "subject"),
    ("record", {"type": ""}, "type"),
    ("record", {"value": math.nan}, "value"),
    ("record", {"value": "1"}, "value"),
    ("record", {"value": True}, "value"),
    ("record", {"subject": ""}, "subject"),
    ("record", {"subject": 5}, "subject"),
    ("record", {"item": None}, "item"),
    ("record", {"item": "x" * 129}, "item"),
    ("record", {"quantity": 0}, "quantity"),
    ("record", {"attributes": {str(n): n for n in range(33)}}, "attributes"),
    ("record", {"attributes": {str(n): ["x" * 256] * 16 for n in range(32)}}, "attributes"),
    ("record", {"at": datetime.datetime(2026, 1, 1)}, "at"),
    ("record", {"touchpoint": "a\x00"}, "touchpoint"),
    ("put_consents", {"consents": {}}, "consents"),
    ("put_consents", {"consents": {"ads": "allowed"}}, "consents['ads']"),
    ("put_consents", {"consents": {"": "granted"}}, "consent purpose"),
    ("put_consents", {"consents": {str(n): "granted" for n in range(33)}}, "consents"),
    ("consent", {"state": ""}, "consents['ads']"),
    ("put_consents", {"consents": {"not-for-me:item:A": "denied"}}, "consent purpose"),
    ("put_consents", {"consents": {"intensity:any": "granted"}}, "consent purpose"),
    ("put_traits", {"traits": {"a": 1}, "purpose": "intensity:any"}, "purpose"),
    ("set_intensity", {"level": "some"}, "level"),
    ("set_intensity", {"level": ""}, "level"),
    ("not_for_me", {}, "item"),
    ("not_for_me", {"item": "A", "group": "G"}, "item"),
    ("not_for_me", {"item": "x" * 129}, "item"),
    ("not_for_me", {"group": "a\nb"}, "group"),
    ("not_for_me", {"item": "A", "reason": "x" * 1025}, "reason"),
    ("not_for_me", {"item": "A", "subject": ""}, "subject"),
    ("take_back", {}, "item"),
    ("merge", {"other": ""}, "subject"),
    ("end_session", {"subject": Subject("s", "person")}, "subject"),
    ("end_session", {"timeout": 0}, "timeout"),
    ("put_traits", {"traits": {}}, "traits"),
    ("put_traits", {"traits": {"a": math.nan}}, "traits['a']"),
    ("put_traits", {"traits": {str(n): n for n in range(65)}}, "traits"),
    ("put_traits", {"traits": [{"name": "a"}]}, "traits"),
    ("put_traits", {"traits": {"a": 1}, "source": "guessed"}, "source"),
    ("flush", {"timeout": -1}, "timeout"),
]
RIGHT: dict[str, dict[str, Any]] = {
    "decide": {"placement": "welcome", "subject": "s"},
    "decide_page": {"placements": ["welcome"], "subject": "s"},
    "decide_many": {},
    "record": {"type": "view", "subject": "s", "item": "A"},
    "put_traits": {"subject": "s"},
    "put_consents": {"subject": "s"},
    "consent": {"subject": "s", "purpose": "ads"},
    "set_intensity": {"subject": "s"},
    "not_for_me": {"subject": "s"},
    "take_back": {"subject": "s"},
    "merge": {"subject": "s"},
    "end_session": {"subject": "s"},
    "flush": {},
}


@pytest.mark.parametrize(
    ("verb", "wrong", "argument"),
    MISUSE,
    ids=[f"{verb}-{argument}-{n}" for n, (verb, _, argument) in enumerate(MISUSE)],
)
def test_misuse(verb: str, wrong: dict[str, Any], argument: str, client_of: Callable[..., Any]) -> None:
    """A wrong argument raises InvalidArgument that names it, and nothing is sent or recorded."""
    transport = FakeTransport.serving(SLATES)
    driven = client_of(transport)
    with pytest.raises(InvalidArgument) as raised:
        driven.call(verb, **{**RIGHT[verb], **wrong})
    assert raised.value.argument == argument
    assert transport.asked == []
    assert driven.client.statistics().recorded == 0


def test_misuse_of_a_decision(client_of: Callable[..., Any]) -> None:
    """Slots that were not decided, and an outcome without an item or with an event's fields, are misuse."""
    driven = client_of(FakeTransport.serving(SLATES))
    decision = driven.call("decide", "shelf", "s")
    for slots in ([1], [], [-1]):
        with pytest.raises(InvalidArgument, match="slots"):
            decision.expose(slots)
    for wrong in ({}, {"item": "D", "quantity": 2}, {"item": "D", "attributes": {"a": 1}}):
        with pytest.raises(InvalidArgument):
            driven.call("record", "purchase", "s", decision=decision, **wrong)


def test_a_page(client_of: Callable[..., Any]) -> None:
    """A page is one request with one decision for each placement, in order, kept as a whole."""
    transport = FakeTransport.serving(SLATES, ttl_ms=60_000)
    driven = client_of(transport)
    page = driven.call("decide_page", {"shelf": None, "welcome": 2}, "s")
    assert [(name, one.items) for name, one in page.items()] == [("shelf", ("D",)), ("welcome", ("A", "B"))]
    again = driven.call("decide_page", {"shelf": None, "welcome": 2}, "s")
    assert {one.reason for one in again.values()} == {"CACHED"}
    assert len(transport.asked) == 2


def test_a_pages_fallbacks(client_of: Callable[..., Any]) -> None:
    """In an outage each placement of a page has its own fallback."""
    transport = FakeTransport.serving(SLATES)
    transport.fail()
    driven = client_of(transport)
    page = driven.call("decide_page", ["shelf", "welcome"], "s", fallback={"welcome": ["Z"]})
    assert [one.items for one in page.values()] == [(), ("Z",)]
    page = driven.call("decide_page", ["shelf", "welcome"], "s", fallback=lambda placement: [placement])
    assert [one.items for one in page.values()] == [("shelf",), ("welcome",)]


def test_many(client_of: Callable[..., Any]) -> None:
    """Many requests are answered in their order, each on its own: one that is refused spoils no other."""
    transport = FakeTransport.serving(SLATES, ttl_ms=60_000)
    driven = client_of(transport)
    driven.call("decide", "shelf", "s1")
    requests = [Request("shelf", f"s{n}") for n in range(600)] + [Request("nowhere", "s", fallback=["Z"])]
    decisions = driven.call("decide_many", requests)
    assert [one.reason for one in decisions] == ["RULE", "CACHED", *["RULE"] * 598, "ERROR"]
    assert (decisions[-1].error, decisions[-1].items) == ("NOT_FOUND", ("Z",))
    assert sorted(one.subject for one in transport.asked) == sorted(["s", *(f"s{n}" for n in range(600))])
    assert driven.call("decide_many", []) == []


def test_many_in_an_outage(client_of: Callable[..., Any]) -> None:
    """When the batch cannot be asked, each request has its own fallback."""
    transport = FakeTransport.serving(SLATES)
    transport.fail("UNAVAILABLE")
    requests = [Request("shelf", "a", fallback=["Y"]), Request("shelf", "b", fallback=["Z"])]
    decisions = client_of(transport).call("decide_many", requests)
    assert [(one.items, one.error) for one in decisions] == [(("Y",), "UNAVAILABLE"), (("Z",), "UNAVAILABLE")]


def test_after_close(client_of: Callable[..., Any]) -> None:
    """A closed client raises nothing: what is recorded is counted as dropped."""
    driven = client_of(FakeTransport.serving(SLATES))
    driven.call("close")
    driven.call("record", "view", "s", item="A")
    assert driven.client.statistics().outbox.dropped == {"event": 1}


def test_statistics(client_of: Callable[..., Any]) -> None:
    """Everything that was done is counted."""
    transport = FakeTransport.serving(SLATES, ttl_ms=60_000)
    driven = client_of(transport)
    driven.call("decide", "welcome", "s").expose()
    driven.call("decide", "welcome", "s")
    driven.call("decide", "nowhere", "s")
    driven.call("record", "view", "s", item="A")
    assert driven.call("flush", 10)
    statistics = driven.client.statistics()
    assert statistics.decisions == {"RULE": 1, "CACHED": 1, "ERROR": 1}
    assert (statistics.cache_hits, statistics.cache_misses, statistics.cache_entries) == (1, 2, 1)
    assert (statistics.recorded, statistics.sent, statistics.acknowledged, statistics.pending) == (2, 2, 2, 0)
    assert statistics.errors == {"NOT_FOUND": 1}


def test_a_warning_is_logged_once_and_names_nobody(client_of: Callable[..., Any], caplog: Any) -> None:
    """A refusal is logged once for its kind, without the subject's id."""
    driven = client_of(FakeTransport.serving(SLATES))
    for _ in range(3):
        driven.call("decide", "nowhere", "secret-subject")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "secret-subject" not in caplog.text
    assert "NOT_FOUND" in caplog.text

"""`export` and `erase`, over both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from maitred import AsyncClient, CallFailed, Client, Config, InvalidArgument, Subject
from maitred.testing import FakeTransport

CONFIG = Config(deadline=5.0)


class Driven:
    """A client of either kind, called alike."""

    def __init__(self, kind: type[Client] | type[AsyncClient], fake: FakeTransport) -> None:
        self.client = kind(transport=fake, config=CONFIG)
        self._runner = asyncio.Runner()

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        result = getattr(self.client, verb)(*arguments, **named)
        return self._runner.run(result) if asyncio.iscoroutine(result) else result

    def end(self) -> None:
        self.call("close")
        self._runner.close()


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def driven(request: pytest.FixtureRequest) -> Iterator[Callable[[FakeTransport], Driven]]:
    made: list[Driven] = []

    def make(fake: FakeTransport) -> Driven:
        made.append(Driven(request.param, fake))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def fake() -> FakeTransport:
    return FakeTransport.serving({"welcome": ["A", "B"]}, ttl_ms=60_000)


def test_an_export_is_what_the_server_keeps(driven: Callable[[FakeTransport], Driven], fake: FakeTransport) -> None:
    """`export` gives the server's JSON as a dict; of whom nothing is kept it raises NOT_FOUND."""
    fake.exports["anna"] = {"history": [{"words": "visit."}]}
    client = driven(fake)
    assert client.call("export", "anna") == {"history": [{"words": "visit."}]}
    with pytest.raises(CallFailed) as failed:
        client.call("export", "bert")
    assert failed.value.code == "NOT_FOUND"


def test_erasing_drops_what_is_kept_here(driven: Callable[[FakeTransport], Driven], fake: FakeTransport) -> None:
    """Answers kept for the subject are asked for again; those of others, and their feedback, stay."""
    fake.exports["anna"] = {}
    client = driven(fake)
    for subject in ("anna", "bert"):
        client.call("decide", "welcome", subject)
    erasure = client.call("erase", "anna")
    assert (fake.erased, erasure.existed, len(erasure.id)) == (["anna"], True, 32)
    reasons = [client.call("decide", "welcome", subject).reason for subject in ("anna", "bert")]
    assert reasons == ["RULE", "CACHED"]


def test_feedback_that_waits_is_dropped(driven: Callable[[FakeTransport], Driven], fake: FakeTransport) -> None:
    """What the outbox still had of the subject when it was erased is never sent; what is recorded after it is."""
    client = driven(fake)
    fake.hang()
    for n in range(600):  # more than is under way at once
        client.call("record", "view", "other", item=f"I{n}")
    client.call("record", "view", "anna", item="BEFORE")
    client.call("record", "view", Subject("anna", kind="household"), item="HOUSE")
    client.client._forget("anna", client.client._outbox.mark())
    client.call("record", "view", "anna", item="AFTER")
    fake.heal()
    assert client.call("flush", 20)
    assert [one.item for one in fake.events if one.subject == "anna"] == ["HOUSE", "AFTER"]
    statistics = client.client.statistics().outbox
    assert (statistics.recorded, statistics.acknowledged, statistics.dropped) == (603, 602, {"event": 1})


def test_a_failure_is_raised(driven: Callable[[FakeTransport], Driven], fake: FakeTransport) -> None:
    """The caller must know: both verbs raise, within their time, and what is kept here stays."""
    client = driven(fake)
    client.call("decide", "welcome", "anna")
    fake.fail("UNAVAILABLE", "down")
    for verb in ("erase", "export"):
        with pytest.raises(CallFailed, match="UNAVAILABLE: down"):
            client.call(verb, "anna")
    fake.heal()
    fake.hang()
    with pytest.raises(CallFailed, match="DEADLINE_EXCEEDED"):
        client.call("erase", "anna", timeout=0.01)
    fake.heal()
    assert client.call("decide", "welcome", "anna").reason == "CACHED"


@pytest.mark.parametrize("verb", ["erase", "export"])
def test_misuse(verb: str, driven: Callable[[FakeTransport], Driven], fake: FakeTransport) -> None:
    """A wrong subject or timeout raises InvalidArgument, and nothing is sent."""
    client = driven(fake)
    for arguments, named, wrong in ((("",), {}, "subject"), (("anna",), {"timeout": -1}, "timeout")):
        with pytest.raises(InvalidArgument) as raised:
            client.call(verb, *arguments, **named)
        assert raised.value.argument == wrong
    assert fake.erased == []

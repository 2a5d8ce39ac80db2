"""The nouns: content that cannot break its reader, fallbacks, and what is kept out of logs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred import Choice, Config, Decision, InvalidArgument, OutboxConfig, Reason, Subject

BROKEN = b'{"a": '


@pytest.mark.parametrize(
    ("raw", "content_type", "content"),
    [
        (b'{"a": [1]}', "application/json", {"a": [1]}),
        (b'{"a": 1}', "Application/JSON; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "application/ld+json", {"a": 1}),
        (b"", "application/json", None),
        (BROKEN, "application/json", BROKEN),
        (b"\xff", "application/json", b"\xff"),
        (b"[" * 100_000, "application/json", b"[" * 100_000),
        ("caf\u00e9".encode(), "text/plain", "caf\u00e9"),
        (b"\xff", "text/html", b"\xff"),
        (b"\x89PNG", "image/png", b"\x89PNG"),
        (b"x", "", b"x"),
    ],
)
def test_content(raw: bytes, content_type: str, content: Any) -> None:
    """Content is parsed by its type; what is not what its type says is given as bytes, never as an exception."""
    assert Choice("A", raw=raw, content_type=content_type).content == content


@given(st.binary(max_size=64), st.sampled_from(["application/json", "text/plain", "x", "a/b+json"]))
def test_no_content_raises(raw: bytes, content_type: str) -> None:
    """No bytes under any type raise."""
    Choice("A", raw=raw, content_type=content_type).content  # noqa: B018


def test_content_is_each_readers_own() -> None:
    """Changing what `content` gave changes nobody else's."""
    choice = Choice("A", raw=json.dumps({"a": 1}).encode(), content_type="application/json")
    choice.content["a"] = 2
    assert choice.content == {"a": 1}


@pytest.mark.parametrize("content", [{"a": 1}, "text", b"bytes", None, [1, 2]])
def test_a_choice_of_ones_own_gives_its_content_back(content: Any) -> None:
    """`Choice.of` keeps content of any kind as it was given."""
    assert Choice.of("A", content).content == content


def test_a_decision_is_a_sequence_of_choices() -> None:
    """A decision can be iterated, indexed, sliced and counted; an empty one is false."""
    decision = Decision("p", (Choice("A"), Choice("B")), Reason.RULE)
    assert ([one.item for one in decision], decision[1].item, len(decision[:1]), len(decision)) == (
        ["A", "B"],
        "B",
        1,
        2,
    )
    assert not Decision("p", (), Reason.ERROR)


def test_reasons_read_as_words() -> None:
    """A reason prints, compares and serializes as its name."""
    assert (f"{Reason.STALE}", Reason.STALE == "STALE", json.dumps(Reason.STALE)) == ("STALE", True, '"STALE"')


def test_ids_and_secrets_stay_out_of_texts() -> None:
    """Printing a subject, a decision or a configuration shows neither a subject's id nor a secret."""
    subject = Subject("secret", aliases=("secret",))
    decision = Decision("p", (), Reason.RULE, subject=subject, receipt=b"secret")
    assert "secret" not in repr([subject, decision, Config(api_key="secret")])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Subject(""),
        lambda: Subject("x" * 257),
        lambda: Subject("a", "cat"),  # type: ignore[arg-type]
        lambda: Subject("a", aliases=("b",) * 9),
        lambda: Subject("a", aliases=("",)),
        lambda: Subject("a", aliases="bc"),  # type: ignore[arg-type]
        lambda: Config(deadline=0),
        lambda: Config(deadline=float("nan")),
        lambda: Config(channels=0),
        lambda: Config(api_key="a\nb"),
        lambda: OutboxConfig(events=0),
        lambda: OutboxConfig(linger=-1),
    ],
)
def test_wrong_values_are_refused_when_they_are_made(make: Any) -> None:
    """A wrong subject or setting raises InvalidArgument at once."""
    with pytest.raises(InvalidArgument):
        make()

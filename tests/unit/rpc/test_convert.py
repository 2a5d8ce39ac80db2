"""The quick look at a request's names and values takes and refuses exactly what the close look does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred.v1 import types_pb2
from maitred_server.errors import InvalidRequest
from maitred_server.model import Value
from maitred_server.rpc import convert


def is_name(text: str) -> bool:
    """As the documentation has it: 1 to 128 bytes, without control characters of ASCII."""
    return 1 <= len(text.encode()) <= 128 and not any(char < " " or char == "\x7f" for char in text)


@given(st.text(st.characters(codec="utf-8"), max_size=140) | st.text("aé\x00\x7f\u200b", max_size=40))
def test_a_name_is_what_the_documentation_says(text: str) -> None:
    """Every text is taken as it is or refused, by its bytes and its control characters."""
    try:
        taken = convert.name(text, "field") == text
    except InvalidRequest:
        taken = False
    assert taken == is_name(text)


@pytest.mark.parametrize("text", ["\u200b", "\u00a0", "\u2028", "é" * 64, "e\u0301"])
def test_unusual_names_are_names(text: str) -> None:
    """What does not print is no control character of ASCII, and is taken."""
    assert convert.name(text, "field") == text


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (types_pb2.Value(text="till"), "till"),
        (types_pb2.Value(text=""), ""),
        (types_pb2.Value(text="é" * 512), "é" * 512),
        (types_pb2.Value(number=2.5), 2.5),
        (types_pb2.Value(flag=False), False),
        (types_pb2.Value(texts=types_pb2.TextList(texts=["a", "b"])), ("a", "b")),
        (types_pb2.Value(time_ms=7), 7),
    ],
)
def test_values_of_a_context_are_typed(wire: types_pb2.Value, value: Value) -> None:
    """Every kind of value crosses the wire as itself, the empty text too."""
    assert convert.values({"key": wire}, 64, "context") == {"key": value}


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (types_pb2.Value(), "context[key] has no value; set text, number, flag, texts or time_ms"),
        (types_pb2.Value(text="é" * 513), "context[key] is longer than 1024 bytes"),
        (types_pb2.Value(number=float("nan")), "context[key] must be a finite number"),
    ],
)
def test_a_bad_value_is_named(wire: types_pb2.Value, message: str) -> None:
    """The refusal says which key, and what would be right."""
    with pytest.raises(InvalidRequest) as caught:
        convert.values({"key": wire}, 64, "context")
    assert (caught.value.field, caught.value.message) == ("context[key]", message)

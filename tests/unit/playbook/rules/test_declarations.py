"""What rules see of raw values."""

from __future__ import annotations

import pytest
from maitred_server.model import Value
from maitred_server.playbook.rules import RESERVED, TypeName, typed

CASES: list[tuple[TypeName, Value, object]] = [
    ("text", "a", "a"),
    ("text", 1.0, None),
    ("number", 1.5, 1.5),
    ("number", True, None),
    ("number", 7, None),
    ("number", float("nan"), None),
    ("number", float("inf"), float("inf")),
    ("whole", 3.0, 3),
    ("whole", 3.5, None),
    ("whole", 2.0**63, None),
    ("whole", -(2.0**63), -(2**63)),
    ("whole", float("nan"), None),
    ("flag", True, True),
    ("flag", 1.0, None),
    ("texts", ("a", "b"), ("a", "b")),
    ("texts", "a", None),
    ("time", 1_760_000_000_000, 1_760_000_000_000),
    ("time", 1.5, None),
    ("time", True, None),
    ("time", 253_402_300_800_000, None),
    ("time", -62_135_596_800_001, None),
]


@pytest.mark.parametrize(("declared", "raw", "expected"), CASES)
def test_types(declared: TypeName, raw: Value, expected: object) -> None:
    """A value is seen with its declared type; of another type it is left out."""
    found = typed({"x": raw, "undeclared": raw}, {"x": declared})
    assert found == ({} if expected is None else {"x": expected})
    assert [type(value) for value in found.values()] == ([] if expected is None else [type(expected)])


def test_a_zero_has_no_sign() -> None:
    """-0.0 is 0.0, so that columns and single values cannot differ in it."""
    assert str(typed({"x": -0.0}, {"x": "number"})["x"]) == "0.0"


def test_reserved() -> None:
    """What is built in cannot be declared."""
    assert {"subject": {"segments", "kind"}, "context": set(), "item": {"id", "groups"}} == RESERVED

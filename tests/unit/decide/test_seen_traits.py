"""What rules see of stored traits: the compiled reader against the traits as they are decoded for everything else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from maitred_server.model import Trait, TraitSource
from maitred_server.playbook.rules.declarations import FIRST_MS, LAST_MS, TypeName, typed
from maitred_server.store import traits

DECLARED: dict[str, TypeName] = {
    "name": "text",
    "größe": "number",
    "age": "whole",
    "loyal": "flag",
    "likes": "texts",
    "joined": "time",
}
PURPOSES = {name: "marketing" if name in ("age", "likes") else "service" for name in DECLARED}
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=True),
    st.integers(-(2**60), 2**60).map(float),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([0, 127, 128, -1, -32, -33, -129, FIRST_MS - 1, FIRST_MS, LAST_MS, LAST_MS + 1]),
    st.sampled_from([2.0**63, -(2.0**63), -0.0, 0.5]),
    st.text(max_size=40),
    st.text(st.characters(codec="utf-8"), max_size=300),
    st.lists(st.text(max_size=5), max_size=20).map(tuple),
)
KEPT = st.lists(
    st.tuples(
        st.builds(
            Trait,
            st.sampled_from([*DECLARED, "undeclared", "größer"]),
            VALUES,
            st.sampled_from(TraitSource),
            st.sampled_from(["service", "marketing", "größe"]),
            st.integers(-(2**40), 2**42),
        ),
        st.integers(0, 2**40),
    ),
    max_size=20,
).map(msgspec.msgpack.encode)
ALLOWED = st.frozensets(st.sampled_from(["service", "marketing", "größe"]))
ONLY = st.sampled_from([0, int(TraitSource.EXPLICIT)])

Seen = dict[str, object]


def compiled(stored: bytes, purposes: frozenset[str], only: int) -> Seen | None:
    subject = pytest.importorskip("maitred_server.compiled.subject", reason="nothing was compiled here")
    found: Seen | None = subject.Types(DECLARED, PURPOSES).traits(stored, purposes, only)
    return found


def expected(stored: bytes, purposes: frozenset[str], only: int) -> Seen:
    kept = traits.visible(stored).values()
    raw: dict[str, Any] = {one.name: one.value for one in kept if one.purpose in purposes and only in (0, one.source)}
    return typed(raw, {name: kind for name, kind in DECLARED.items() if PURPOSES[name] in purposes})


def exact(seen: Seen | None) -> list[tuple[str, str]] | None:
    """So that 1, 1.0, True, 0.0 and -0.0 are not the same."""
    return None if seen is None else sorted((name, repr(value)) for name, value in seen.items())


@given(KEPT, ALLOWED, ONLY)
def test_traits_are_seen_as_they_are_decoded(stored: bytes, purposes: frozenset[str], only: int) -> None:
    """Every stored value is seen, or left out, as decoding all of them would have it."""
    assert exact(compiled(stored, purposes, only)) == exact(expected(stored, purposes, only))


@given(KEPT, st.data())
@example(b"", None)
@example(b"\xdd\xff\xff\xff\xff", None)
@example(b"\x91\x92\x95\xdb\xff\xff\xff\xff", None)
def test_other_bytes_are_never_taken_for_traits(stored: bytes, data: st.DataObject | None) -> None:
    """Bytes that were changed or cut are read as decoding them has it, or not at all; nothing is read beyond them."""
    if data is not None and stored:
        at = data.draw(st.integers(0, len(stored) - 1))
        stored = data.draw(
            st.sampled_from([stored[:at], stored[:at] + data.draw(st.binary(max_size=3)) + stored[at + 1 :]])
        )
    purposes = frozenset(["service", "marketing"])
    found = compiled(stored, purposes, 0)
    try:
        told = exact(expected(stored, purposes, 0))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        told = None
    assert exact(found) in (None, told)


@given(st.dictionaries(st.sampled_from([*DECLARED, "undeclared"]), VALUES.filter(lambda value: value is not None)))
def test_a_context_is_seen_as_declared(raw: dict[str, Any]) -> None:
    """Values of a request have the declared types, or are absent, as the Python code has it."""
    subject = pytest.importorskip("maitred_server.compiled.subject", reason="nothing was compiled here")
    assert exact(subject.Types(DECLARED, {}).typed(raw)) == exact(typed(raw, DECLARED))

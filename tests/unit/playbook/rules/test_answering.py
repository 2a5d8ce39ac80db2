"""Tables of bits: the compiled look-up against the Python one."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.playbook.rules.answering import Answering, AnyTable, Tables
from maitred_server.playbook.rules.closures import Evaluate, Frame
from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.tables import Cuts, Names, Texts, byte_tables

FIELDS = ("text", "number", "names")
NUMBERS = st.one_of(
    st.floats(allow_nan=True),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, 1.0, 1.5, 2**53, 2**53 + 1, float(2**53), -(2**53) - 1]),
)
SOLID = NUMBERS.filter(lambda value: value == value)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.sampled_from(["a", "b", "c", True, False]),
    "number": NUMBERS,
    "names": st.lists(st.sampled_from("abcdefghijklmnop")).map(tuple),
}
SEGMENTS = 11


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    """Tables of random bits: up to 130 formulas, up to three clauses of each."""
    size, chance = draw(st.integers(1, 130)), random.Random(draw(st.integers(0, 10**6)))
    clauses = chance.getrandbits(size * draw(st.integers(1, 3))) if draw(st.booleans()) else 0

    def bits() -> int:
        return chance.getrandbits(4 * size) & ((1 << size) - 1 | clauses << size)

    def texts() -> AnyTable:
        return Texts({value: bits() for value in ("a", "b", True, False, None) if chance.random() < 0.7}, bits())

    def cuts() -> AnyTable:
        at = sorted(draw(st.sets(SOLID, max_size=6)))
        return Cuts(at, [bits() for _ in range(2 * len(at) + 1)], bits(), bits())

    def names() -> AnyTable:
        found = chance.sample("abcdefghijkl", chance.randrange(1, 12))
        effects = [(bits(), bits()) for _ in found]
        return Names({name: 1 << at for at, name in enumerate(found)}, byte_tables(effects), bits())

    made = {"text": texts, "number": cuts, "names": names}
    fields = [[(name, make()) for name, make in made.items() if draw(st.booleans())] for _ in range(2)]
    computed: list[tuple[Evaluate, AnyTable]] = [(_of_frame(at), made[name]()) for at, name in enumerate(FIELDS)]
    segments = byte_tables([(bits(), bits()) for _ in range(SEGMENTS)]) if draw(st.booleans()) else []
    return Tables(size, bits(), clauses, *fields, computed[: draw(st.integers(0, 3))], segments)


def _of_frame(at: int) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        if isinstance(frame[at], Failure):
            raise frame[at]
        return frame[at]

    return evaluate


values = st.fixed_dictionaries({}, optional=VALUES)
frames = st.tuples(*(st.one_of(VALUES[name], st.none(), st.builds(Failure)) for name in FIELDS)).map(list)


@given(tables(), values, values, frames, st.lists(st.integers(0, (1 << SEGMENTS) - 1), min_size=1, max_size=3))
def test_both_look_up_the_same(of: Tables, subject: Any, context: Any, frame: Frame, segments: list[int]) -> None:
    """Whatever the tables hold and the values are, what fails is the same, to a bit; asked again too."""
    rules = pytest.importorskip("maitred_server.compiled.rules", reason="nothing was compiled here")
    one, other = rules.Answering(of), Answering(of)
    found = [one.failing(subject, context, frame, bits) for bits in segments * 2]
    assert found == [other.failing(subject, context, frame, bits) for bits in segments * 2]


def test_many_sets_of_segments_are_not_kept_for_good() -> None:
    """What was looked up for a set of segments is kept for a bounded number of them, and stays right."""
    rules = pytest.importorskip("maitred_server.compiled.rules", reason="nothing was compiled here")
    of = Tables(SEGMENTS, 0, 0, [], [], [], byte_tables([(1 << at, 0) for at in range(SEGMENTS)]))
    answering = rules.Answering(of)
    assert [answering.failing({}, {}, [], bits) for bits in range(1 << SEGMENTS)] == list(range(1 << SEGMENTS))

"""Which rows failing rules leave open: as Python code says it, and as compiled code does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.playbook.rules.bits import unpack
from maitred_server.playbook.rules.guards import Guards

SIZES = st.sampled_from([0, 1, 7, 8, 63, 64, 65, 130, 1_000])


@st.composite
def cases(draw: Any) -> tuple[dict[int, int], int, int, int, int]:
    """What formulas guard, how many rows there are, those open when nothing fails, what fails, and what else closes."""
    size = draw(SIZES)
    rows = st.integers(0, (1 << size) - 1)
    some = st.builds(lambda first, last: (1 << last) - (1 << first) & (1 << size) - 1, *(st.integers(0, size + 1),) * 2)
    guarded = draw(st.dictionaries(st.integers(0, 40), rows | some | st.just(0), max_size=6))
    whole = draw(st.just((1 << size) - 1) | rows)
    return guarded, size, whole, draw(st.integers(0, (1 << 50) - 1)), draw(st.just(0) | rows)


@given(cases())
def test_compiled_guards_leave_the_same_rows(case: tuple[dict[int, int], int, int, int, int]) -> None:
    """As bits, and as flags; none at all when every row is open."""
    compiled = pytest.importorskip("maitred_server.compiled.filters")
    guarded, size, whole, failing, closed = case
    plain, twin = Guards(guarded, size, whole), compiled.Guards(guarded, size, whole)
    assert twin.bits(failing) == plain.bits(failing)
    expected, found = plain.open(failing, closed), twin.open(failing, closed)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert (found.dtype, found.tolist()) == (expected.dtype, expected.tolist())


@given(cases())
def test_guards_close_what_failing_formulas_guard(case: tuple[dict[int, int], int, int, int, int]) -> None:
    """One formula after the other, in the plainest words."""
    guarded, size, whole, failing, closed = case
    left = whole & ~closed
    for number, rows in guarded.items():
        if failing >> number & 1:
            left &= ~rows
    found = Guards(guarded, size, whole).open(failing, closed)
    assert left == (1 << size) - 1 if found is None else found.tolist() == unpack(left, size).tolist()

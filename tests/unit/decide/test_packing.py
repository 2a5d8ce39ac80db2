"""The compiled packer writes the same receipts, byte for byte."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from maitred_server.decide.answer import Decision
from maitred_server.decide.choice import Choice
from maitred_server.decide.packing import pack_plainly
from maitred_server.decide.receipt import Receipt
from maitred_server.model import Kind, Reason

compiled = pytest.importorskip("maitred_server.compiled.receipts", reason="nothing was compiled here")
PACKER = compiled.Packer((Decision, Choice))

SIZES = (0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536)  # at which lengths are written in another way
TEXTS = st.text(max_size=40) | st.sampled_from(SIZES).map("é".__mul__) | st.sampled_from(SIZES).map("x".__mul__)
BYTES = st.binary(max_size=40) | st.sampled_from(SIZES).map(bytes)
EDGES = [edge + more for bits in (5, 7, 8, 15, 16, 31, 32, 63) for edge in (2**bits, -(2**bits)) for more in (-1, 0, 1)]
WHOLE = st.integers(0, 2**64 - 1) | st.sampled_from([edge for edge in EDGES if -(2**63) <= edge < 2**64])
LISTS = st.lists(st.text(max_size=9), max_size=40).map(tuple)
VALUES = st.booleans() | st.floats(allow_nan=False) | WHOLE | TEXTS | LISTS
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple)
CHOICES = st.builds(
    Choice,
    slot=st.integers(0, 300),
    action=st.just(0),
    item=TEXTS,
    variant=TEXTS,
    reason=st.sampled_from(Reason),
    propensity=st.none() | st.floats(),
    probability=st.floats(),
    priority=st.floats(),
    stretch=st.booleans(),
    features=BYTES,
)
DECISIONS = st.builds(
    Decision,
    decision_id=TEXTS,
    placement=TEXTS,
    slate=st.lists(CHOICES, max_size=18),
    reason=st.sampled_from(Reason),
    policy=TEXTS,
    ttl_ms=st.just(0),
    stale_ms=st.just(0),
    channel=TEXTS,
    space=TEXTS,
)
BEFORE = st.tuples(BYTES, st.sampled_from(Kind), WHOLE, WHOLE, WHOLE, TEXTS, TEXTS, PAIRS)
BEHIND = st.tuples(
    st.dictionaries(TEXTS, TEXTS, max_size=20),
    LISTS | st.sampled_from(SIZES).map(("segment",).__mul__),
    st.booleans(),
    LISTS,
    BYTES,
    WHOLE,
    st.dictionaries(TEXTS, VALUES, max_size=20),
    st.booleans(),
)
PAGES = st.lists(st.tuples(DECISIONS, WHOLE), max_size=2) | st.sampled_from([0, 15, 16]).flatmap(
    lambda size: st.lists(st.tuples(DECISIONS, WHOLE), min_size=size, max_size=size)
)


@given(BEFORE, PAGES, BEHIND)
@example((b"", Kind.PERSON, 0, 0, 0, "", "", ()), [], ({}, (), False, (), b"", 0, {}, True))
def test_receipts_are_the_same_bytes(
    before: tuple[Any, ...], page: list[tuple[Decision, int]], behind: tuple[Any, ...]
) -> None:
    """Of any answer, and twice the same from one packer."""
    decisions, wanted = [one for one, _ in page], [slots for _, slots in page]
    expected = pack_plainly(before, decisions, wanted, behind)
    assert [PACKER.pack(before, decisions, wanted, behind) for _ in range(2)] == [expected] * 2


def test_all_fields_of_a_receipt_are_packed() -> None:
    """A field that is added to receipts must be added to what is packed."""
    before = (b"k", Kind.PERSON, 1, 2, 3, "4", "5", ())
    behind: tuple[Any, ...] = ({}, (), False, (), b"", 0, {}, False)
    packed = msgspec.msgpack.decode(PACKER.pack(before, [], [], behind))
    assert len(packed) == len(Receipt.__struct_fields__)


@pytest.mark.parametrize("pack", [PACKER.pack, pack_plainly])
def test_each_decision_has_its_number_of_slots(pack: Any) -> None:
    """One more or less is a defect, and not sealed."""
    with pytest.raises(ValueError, match="each decision|zip"):
        pack((), [], [3], ())


def test_what_no_receipt_holds_is_refused() -> None:
    """Anything else than texts, bytes, numbers, lists and maps is a defect, and not sealed."""
    with pytest.raises(TypeError, match="holds no complex"):
        PACKER.pack((1j,), [], [], ())

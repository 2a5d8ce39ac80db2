from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from maitred_server.playbook.rules.named import Named


@given(count=st.integers(0, 70), data=st.data())
def test_bits_give_their_names_in_order(count: int, data: st.DataObject) -> None:
    """Whatever bits are set, of however many names."""
    names = [f"segment-{number}" for number in range(count)]
    chosen = data.draw(st.sets(st.integers(0, count - 1))) if count else set()
    assert Named(names).of(sum(1 << at for at in chosen)) == tuple(names[at] for at in sorted(chosen))

"""Resend windows against a plain set of what was received."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from maitred_server.store.seen import WINDOW, Window

SEQUENCES = st.lists(st.one_of(st.integers(1, 40), st.integers(1, 4_000)), max_size=60)


def after(sequences: list[int]) -> Window:
    window = Window()
    for sequence in sequences:
        if not window.has(sequence):
            window = window.plus(sequence)
    return window


def taken(sequences: list[int]) -> set[int]:
    """What a client's events are taken for, by the rule in words."""
    received: set[int] = set()
    for sequence in sequences:
        if sequence >= max(received, default=0) - WINDOW:
            received.add(sequence)
    return received


@given(SEQUENCES)
def test_a_window_knows_what_was_received(sequences: list[int]) -> None:
    """In the window it answers as a set would, below it everything counts as received, above it nothing."""
    window, received = after(sequences), taken(sequences)
    highest = max(received, default=0)
    expected = [n in received or n < highest - WINDOW for n in range(1, highest + 50)]
    assert expected == [window.has(n) for n in range(1, highest + 50)]


@given(SEQUENCES)
def test_settled_through_is_the_last_before_a_hole(sequences: list[int]) -> None:
    """Every sequence up to it is received, and the next one is not."""
    window = after(sequences)
    through = window.settled_through()
    assert all(window.has(n) for n in range(1, through + 1))
    assert not window.has(through + 1)


@given(SEQUENCES)
def test_a_stored_window_is_the_same(sequences: list[int]) -> None:
    """What is read back is what was written."""
    window = after(sequences)
    assert window == Window.decode(window.encode())


def test_the_window_holds_exactly_1024_below_the_highest() -> None:
    """The lowest of the window can still be new, the one below it never."""
    window = after([5_000])
    assert [window.has(5_000 - WINDOW), window.has(5_000 - WINDOW - 1)] == [False, True]

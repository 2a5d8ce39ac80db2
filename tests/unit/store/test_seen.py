"""Resend windows against a plain set of what was received."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from maitred_server.store.seen import WINDOW, Receiving, Window

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


@given(SEQUENCES, SEQUENCES)
def test_receiving_in_runs_leaves_the_same_window(before: list[int], sequences: list[int]) -> None:
    """Runs of rising numbers are put in together: the window and every answer are those of one by one."""
    window, receiving = after(before), Receiving(after(before))
    expected = []
    for sequence in [one + step for one in sequences for step in range(3)]:
        expected.append((sequence, not window.has(sequence)))
        window = window if window.has(sequence) else window.plus(sequence)
    assert [(sequence, receiving.receive(sequence)) for sequence, _ in expected] == expected
    assert receiving.now() == window


def test_a_run_longer_than_the_window_fills_it() -> None:
    """After 3,000 events in order all of them are received, and the next one is not."""
    receiving = Receiving(Window())
    assert all(receiving.receive(sequence) for sequence in range(1, 3_001))
    assert [receiving.now().has(sequence) for sequence in (1, 2_000, 3_000, 3_001)] == [True, True, True, False]

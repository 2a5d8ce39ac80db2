"""What kept answers have in common is held once, and not for ever."""

from __future__ import annotations

from maitred._held import MOST_NAMES, held_name


def test_equal_names_are_one_object_for_a_while() -> None:
    """Two equal names of two answers are one; after so many others the first is let go."""
    first = held_name("".join(["MI", "LK"]))
    assert held_name("".join(["MIL", "K"])) is first
    for number in range(MOST_NAMES):
        held_name(f"other {number}")
    assert held_name("".join(["M", "ILK"])) is not first

from __future__ import annotations

import numpy as np
from maitred_server.policy.told import TOLD_WIDTH, collisions, place, told


def columns(**said: object) -> list[float]:
    return told({f"subject.{name}": value for name, value in said.items()}, [f"subject.{name}" for name in said])


def test_each_value_is_one_column_with_a_sign() -> None:
    """One text sets one column to 1 or -1, two texts of a list at most two, nothing sets nothing."""
    column, sign = place("subject.colour", "red")
    expected = [0.0] * TOLD_WIDTH
    expected[column] = sign
    assert columns(colour="red") == expected
    assert columns(colour=("red", "blue")) == (np.array(expected) + columns(colour="blue")).tolist()
    assert columns(colour=None) == [0.0] * TOLD_WIDTH


def test_numbers_go_by_value_or_by_powers_of_two() -> None:
    """Small whole numbers are values of their own; others are alike within a power of two. No number is one too."""
    assert columns(age=18.0) == columns(age=18)
    assert columns(income=40_000.0) == columns(income=50_000.0)
    assert columns(income=float("nan")) == columns(income=float("inf"))


def test_collisions_are_told() -> None:
    """Of many values those that share a column are told together, and each value once."""
    values = [("subject.n", str(number)) for number in range(40)]
    found = collisions([*values, *values])
    assert all(len({place(*pair)[0] for pair in together}) == 1 for together in found)
    shared = sum(len(together) for together in found)
    alone = TOLD_WIDTH - len(found)
    assert shared + alone >= len(values)

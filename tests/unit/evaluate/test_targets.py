"""Policies that a log itself can tell of."""

from __future__ import annotations

from typing import Any

import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.build import build
from maitred_server.evaluate.log import Target
from maitred_server.evaluate.table import Table
from maitred_server.evaluate.targets import target

COLUMNS: dict[str, list[Any]] = {
    "action": ["a", "b", "a"],
    "probability": [0.5, 0.25, 0.5],
    "reward": [1, 0, 0],
    "candidates": ["a|b", "a|b|c", "b|a"],
    "target_probability": [0.2, "0.9", 1],
    "whole": ["0.2|0.8", "0|0.9|0.1", "0.5|0.5"],
    "score": ["3|1", "1|1|0.5", "-2|-1"],
    "target_a": [0.2, 0.0, 0.5],
    "target_b": [0.8, 0.9, 0.5],
    "target_c": [0.0, 0.1, 0.0],
}


def told(spec: str, **more: list[Any]) -> Target:
    table = Table(COLUMNS | more, (1, 2, 3), "row")
    return target(spec, build(table), table)


def shares(found: Target) -> list[float] | None:
    return None if found.whole is None else found.whole.tolist()


def test_uniform_is_even_over_the_candidates() -> None:
    """One over the number of candidates, each row by its own."""
    found = told("uniform")
    assert found.logged.tolist() == [1 / 2, 1 / 3, 1 / 2]
    assert shares(found) == [1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2]


def test_logged_is_the_log_itself() -> None:
    """All weights are 1; what it would do with other candidates is not known."""
    found = told("logged")
    assert (found.logged.tolist(), shares(found)) == ([0.5, 0.25, 0.5], None)


def test_a_column_may_tell_the_logged_actions_probability_alone() -> None:
    """Numbers, also written as texts."""
    assert (told("column:target_probability").logged.tolist(), told("column:target_probability").whole) == (
        [0.2, 0.9, 1],
        None,
    )


@pytest.mark.parametrize("spec", ["column:whole", "column:target_*"])
def test_a_column_of_lists_or_a_column_an_action_tells_it_all(spec: str) -> None:
    """Aligned with the candidates, in their order."""
    found = told(spec)
    assert shares(found) == [0.2, 0.8, 0.0, 0.9, 0.1, 0.5, 0.5]
    assert found.logged.tolist() == [0.2, 0.9, 0.5]
    assert found.name == spec


def test_greedy_takes_the_highest_score_and_of_equals_the_first() -> None:
    """One candidate is certain, the others are out."""
    assert shares(told("greedy:score")) == [1, 0, 1, 0, 0, 0, 1]


def test_always_is_one_action() -> None:
    """Certain wherever it is a candidate, which must be everywhere."""
    assert told("always:a").logged.tolist() == [1, 0, 1]
    with pytest.raises(InvalidRequest, match="`c` is not a candidate of every row"):
        told("always:c")
    with pytest.raises(InvalidRequest, match="no row of the log has action `d`"):
        told("always:d")
    with pytest.raises(InvalidRequest, match="fills one slot"):
        told("always:a", decision=["d", "d", "e"])


@pytest.mark.parametrize(
    ("spec", "more", "said"),
    [
        ("habit", {}, "no policy `habit`; it is one of uniform, logged"),
        ("uniform:x", {}, "no policy `uniform:x`"),
        ("column", {}, "no policy `column`"),
        ("column:targt_probability", {}, "did you mean `target_probability`"),
        (
            "column:target_probability",
            {"target_probability": [0.2, 1.2, 1]},
            "row 2, `target_probability`: must be a prob",
        ),
        (
            "column:target_probability",
            {"target_probability": [0.2, None, 1]},
            "row 2, `target_probability`: must be a pr",
        ),
        ("column:whole", {"whole": ["0.2|0.8", "0|0.9", "0.5|0.5"]}, "row 2, `whole`: must have a number for each"),
        (
            "column:whole",
            {"whole": ["0.2|0.8", "0|0.5|0.1", "0.5|0.5"]},
            "row 2, `whole`: the probabilities of the row's",
        ),
        ("column:whole", {"whole": ["0.2|0.8", "0|x|0.1", "0.5|0.5"]}, "row 2, `whole`: must be a probability"),
        ("greedy:score", {"score": ["3|1", "1||0.5", "-2|-1"]}, "row 2, `score`: every candidate needs a score"),
        ("column:new_*", {}, "no column named `new_` and an action"),
        ("column:target_*", {"target_d": [0, 0.1, 0]}, "no row of the log has the action of column `target_d`"),
    ],
)
def test_what_is_wrong_is_told(spec: str, more: dict[str, list[Any]], said: str) -> None:
    """The row, the column, and what would be right."""
    with pytest.raises(InvalidRequest) as caught:
        told(spec, **more)
    assert said in caught.value.message

"""What holds for every policy; a new one is covered by being in `POLICIES`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from maitred_server.decide.filling import draw
from maitred_server.model import Reason
from maitred_server.policy import POLICIES, Policy
from maitred_server.policy.base import CLOSED, Own, Situation


def situation(own: dict[int, int] | None = None) -> Situation:
    """Four candidates; `own`: the subject's own counts by row, None: a stranger."""
    return Situation(
        size=4,
        popularity=np.array([5.0, 9.0, 9.0, 0.0]),
        scaled=np.array([0.5, 0.9, 0.9, 0.0]),
        order=np.array([np.inf, 1.0, 0.0, np.inf]),
        own=None if own is None else Own(np.array([*own], np.intp), np.array([*own.values()], np.uint32)),
        context={},
        now=0,
    )


every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))


@every_policy
def test_probabilities_are_a_distribution_over_open_rows(policy: Policy) -> None:
    """Probabilities sum to 1 and a closed row has none."""
    priority = policy.score(situation({2: 2})).priority.copy()
    priority[1] = CLOSED
    probabilities = policy.probabilities(priority)
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert probabilities[1] == 0.0
    assert (probabilities >= 0).all()


@every_policy
def test_choices_come_as_often_as_their_probability_says(policy: Policy) -> None:
    """Over 20,000 draws each row's frequency is its probability, and each choice reports that probability."""
    priority = policy.score(situation({3: 1})).priority
    probabilities = policy.probabilities(priority)
    chosen = Counter(policy.choose(priority, draw(7, step)) for step in range(20_000))
    assert chosen[None] == 0
    for (row, probability), count in ((found, count) for found, count in chosen.items() if found is not None):
        assert probability == pytest.approx(probabilities[row])
        assert abs(count / 20_000 - probability) < 5 * (probability * (1 - probability) / 20_000) ** 0.5 + 1e-12


@every_policy
def test_nothing_is_chosen_where_nothing_is_open(policy: Policy) -> None:
    """When every row is closed there is no choice, whatever is drawn."""
    assert [policy.choose(np.full(4, CLOSED), drawn) for drawn in (0.0, 0.5, 0.999)] == [None, None, None]


@every_policy
def test_scoring_changes_nothing_it_was_given(policy: Policy) -> None:
    """The slate closes rows in what a policy returns; the published columns must not feel it."""
    given = situation({0: 1})
    before = (given.popularity.copy(), given.order.copy(), given.scaled.copy())
    policy.score(given).priority[:] = CLOSED
    assert (given.popularity == before[0]).all()
    assert (given.order == before[1]).all()
    assert (given.scaled == before[2]).all()


def order_of(name: str, own: dict[int, int] | None) -> list[tuple[int, Reason]]:
    """Fill all slots greedily and tell rows with reasons."""
    scores = POLICIES[name].score(situation(own))
    priority, found = scores.priority, []
    while (chosen := POLICIES[name].choose(priority, 0.0)) is not None:
        row, _ = chosen
        found.append((row, scores.reason(row)))
        priority[row] = CLOSED
    return found


def test_fixed_serves_the_written_order_and_nothing_else() -> None:
    """`fixed` serves rows 2 and 1, as their places say, and stops there."""
    assert order_of("fixed", None) == [(2, Reason.RULE), (1, Reason.RULE)]


def test_popular_ranks_by_everybodys_counts() -> None:
    """`popular` ranks by count; of equals the first in the catalogue comes first."""
    assert [row for row, _ in order_of("popular", {3: 5})] == [1, 2, 0, 3]


def test_habit_ranks_by_the_subjects_own_counts_then_by_popularity() -> None:
    """`habit` puts what this subject chose first and says so; the rest is what is popular, and says that."""
    habit, popular = Reason.HABIT, Reason.POPULAR
    assert order_of("habit", {3: 2, 0: 1}) == [(3, habit), (0, habit), (1, popular), (2, popular)]


def test_habit_of_a_stranger_is_popularity() -> None:
    """Of a subject of whom nothing is known `habit` serves what is popular."""
    assert order_of("habit", None) == order_of("popular", None)


def test_uniform_explores_every_open_row_alike() -> None:
    """`uniform` gives each of four rows a quarter and calls it exploration."""
    scores = POLICIES["uniform"].score(situation())
    assert POLICIES["uniform"].probabilities(scores.priority).tolist() == [0.25] * 4
    assert scores.reason(0) is Reason.EXPLORED

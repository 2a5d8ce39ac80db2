from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.policy.base import CLOSED
from maitred_server.policy.epsilon import Epsilon
from maitred_server.policy.exploring import Budgeted
from maitred_server.policy.inverse_gap import InverseGap
from maitred_server.policy.thompson import Thompson

priorities = st.lists(st.floats(-1, 1) | st.just(CLOSED), min_size=1, max_size=8).filter(lambda one: max(one) > CLOSED)
INNER = (Epsilon(0.3), InverseGap(20.0), Thompson(np.full(8, 0.2), 7))


@given(priorities, st.sampled_from(INNER), st.floats(0, 1), st.just(0.0) | st.floats(0.01, 2))
def test_probabilities_are_the_mixtures(priority: list[float], inner: Epsilon, share: float, scale: float) -> None:
    """They add up to 1, leave what is closed at 0, and are the share's part of the policy and the rest for the best."""
    values = np.array(priority)
    if isinstance(inner, Thompson):
        inner = Thompson(np.full(len(values), 0.2), 7)  # type: ignore[assignment]
    found = Budgeted(inner, share, scale).probabilities(values)
    assert found.sum() == pytest.approx(1.0)
    assert not found[values == CLOSED].any()
    best = int(values.argmax())
    expected = share * inner.probabilities(values / (scale or max(abs(values[best]), 1e-9)))
    expected[best] += 1.0 - share
    assert found.tolist() == pytest.approx(expected.tolist())


def test_choices_come_as_often_as_said() -> None:
    """Over evenly spaced draws each row is chosen with the probability that is reported with it."""
    policy, priority = Budgeted(InverseGap(5.0), 0.5), np.array([0.2, CLOSED, 0.3, 0.1])
    chosen = [policy.choose(priority, (step + 0.5) / 1000) for step in range(1000)]
    counts = np.bincount([one[0] for one in chosen if one], minlength=4) / 1000
    assert counts.tolist() == pytest.approx(policy.probabilities(priority).tolist(), abs=0.002)
    assert {one for one in chosen if one} == {(row, policy.probabilities(priority)[row]) for row in (0, 2, 3)}


@given(st.floats(0.01, 1000))
def test_what_success_is_worth_changes_nothing(worth: float) -> None:
    """Without a scale of its own a placement is tried alike, whatever its priorities are measured in."""
    policy, priority = Budgeted(InverseGap(20.0), 0.4), np.array([0.5, 0.3, 0.1])
    assert policy.probabilities(priority * worth).tolist() == pytest.approx(policy.probabilities(priority).tolist())


def test_without_a_budget_the_best_is_certain() -> None:
    """A share of 0 takes the best with probability 1, whatever the draw; nothing open gives nothing."""
    policy = Budgeted(Epsilon(1.0), 0.0)
    assert policy.choose(np.array([0.1, 0.7, CLOSED]), 0.01) == (1, 1.0)
    assert policy.choose(np.array([CLOSED]), 0.5) is None

"""Budgets: what is understood, and what breaks them."""

from __future__ import annotations

import pytest
from harness.loads import measured_of, plan_of, play
from maitred_server.errors import InvalidRequest
from maitred_server.load.budget import broken, parse
from maitred_server.load.measured import Measured, StepResult


def step() -> StepResult:
    """100 calls in 2 s that took 1, 2 ... 98 ms; two failed."""
    measured = Measured(plan_of(50.0, ramp=False), deadline_s=1.0)
    play(measured, [float(ms) for ms in range(1, 99)], failed=["UNAVAILABLE", "UNAVAILABLE"])
    return measured.steps[0]


@pytest.mark.parametrize(
    "text",
    ["p99>200ms", "p50>0.06s", "max>98.1ms", "mean>50ms", "errors>2", "errors>2.1%", "rate<49", "p99.9 >= 99000us"],
)
def test_a_budget_holds(text: str) -> None:
    """Within its limit there is nothing to say."""
    assert broken(parse(text), step()) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p50>25ms", "p50 was 49.02 ms, 96% over 25 ms"),
        ("max>10ms", "max was 98.05 ms, 9.8 times 10 ms"),
        ("mean>40ms", "mean was 49.5"),
        ("errors>0", "errors was 2"),
        ("errors>=2%", "errors was 2.000%, 0% over 2.000%"),
        ("rate<98", "rate was 49/s, 50% under 98/s"),
    ],
)
def test_a_broken_budget_says_by_how_much(text: str, told: str) -> None:
    """The sentence names the budget, what was measured, and how far it is from the limit."""
    sentence = broken(parse(text), step())
    assert sentence.startswith(f"budget '{text}' is broken: {told}")


def test_nothing_answered_breaks_a_latency_budget() -> None:
    """Without an answer there is no latency that could hold."""
    measured = measured_of(plan_of(50.0, ramp=False), [])
    assert broken(parse("p99>5ms"), measured.steps[0]) == "budget 'p99>5ms' cannot hold: nothing was answered"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p99>5", "needs a time with its unit"),
        ("errors>5ms", "needs a count or a share"),
        ("rate<5%", "needs a number of calls"),
        ("p100>5ms", "not understood"),
        ("p99=5ms", "not understood"),
        ("latency>5ms", "not understood"),
    ],
)
def test_a_wrong_budget_says_what_is_right(text: str, told: str) -> None:
    """A budget that is not understood is refused, with examples."""
    with pytest.raises(InvalidRequest) as refused:
        parse(text)
    assert told in refused.value.message
    assert "'p99>5ms'" in refused.value.message

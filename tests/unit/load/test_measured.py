"""From what the processes count to what was measured."""

from __future__ import annotations

import pytest
from harness.loads import measured_of, plan_of
from maitred_server.load import told
from maitred_server.load.asked import Plan, Step
from maitred_server.load.measured import Measured
from maitred_server.load.tally import Tally
from maitred_server.load.told import Done, Go


def test_latency_counts_from_the_intended_second() -> None:
    """A call that is answered in a later second is a latency of its own second and an answer of the later one."""
    go = Go(0, 100.0, Step(1.0, 3.0))
    tally = Tally(go)
    tally.sent(100.5, 100.5)
    tally.answered(100.5, 102.25)
    first, third = tally.take()
    assert (first.second, first.sent, first.came, third.second, third.sent, third.came) == (0, 1, 0, 2, 0, 1)
    measured = Measured(Plan((go.step,)), 1.0)
    measured.begin(go.step, 0.0)
    for interval in (first, third):
        measured.add(interval)
    measured.end()
    assert [row.latency_us.get("p50", 0.0) for row in measured.rows] == pytest.approx([1_750_000, 0.0], rel=0.001)


def test_processes_add_up() -> None:
    """Intervals of several processes, told in pieces and over the pipe, are one step."""
    measured = Measured(plan_of(10.0, ramp=False), 1.0)
    measured.begin(measured.plan.steps[0], 0.0)
    for process in range(3):
        tally = Tally(Go(0, 0.0, measured.plan.steps[0]))
        for number in range(10):
            tally.sent(number / 10, number / 10)
            tally.answered(number / 10, number / 10 + 0.001 * (process + 1))
            for interval in tally.take():
                message = told.read_told(told.encode(interval))
                assert isinstance(message, told.Interval)
                measured.add(message)
    measured.end()
    count = measured.steps[0].count
    assert (count.wanted, count.answered, count.in_time, count.latency.figures()["max"]) == (30, 30, 30, 3001)
    assert [(row.at_s, row.sent) for row in measured.rows] == [(0.0, 30)]


def test_a_load_that_ends_by_count_has_its_own_length() -> None:
    """The rate is over the seconds that the sending took, not over those it might have taken."""
    step = Step(10.0, 3600.0, calls=10)
    measured = Measured(Plan((step,)), 1.0)
    measured.begin(step, 0.0)
    tally = Tally(Go(0, 0.0, step))
    for number in range(10):
        tally.sent(number / 10, number / 10)
        tally.answered(number / 10, number / 10 + 0.001)
    for interval in tally.take():
        measured.add(interval)
    measured.add(Done(0, 1.0))
    measured.end()
    assert (measured.steps[0].seconds, measured.steps[0].answered_rate) == (1.0, 10.0)


def test_old_seconds_keep_their_figures_only() -> None:
    """While a load runs, what is settled is closed, and the last seconds can be looked at."""
    measured = Measured(plan_of(10.0, seconds=30.0, ramp=False), deadline_s=1.0)
    step = measured.plan.steps[0]
    measured.begin(step, 0.0)
    for second in range(20):
        tally = Tally(Go(0, 0.0, step))
        tally.sent(float(second), float(second))
        tally.answered(float(second), second + 0.002)
        for interval in tally.take():
            measured.add(interval)
    assert len(measured.rows) == 16 - 1
    assert measured.latest is not None
    assert [row.at_s for row in measured.recent(3)] == [16.0, 17.0, 18.0]


def test_steps_follow_each_other() -> None:
    """Seconds of a later step stand after those of an earlier one."""
    measured = measured_of(plan_of(10.0, 20.0), [1.0] * 19, [2.0] * 39)
    assert [(row.step, row.at_s, row.rate) for row in measured.rows] == [
        (0, 0.0, 10.0),
        (0, 1.0, 10.0),
        (1, 2.1, 20.0),
        (1, 3.1, 20.0),
    ]

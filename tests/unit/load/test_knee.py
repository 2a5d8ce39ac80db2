"""Where the knee of a ramp is, and what is said of it."""

from __future__ import annotations

from harness.loads import measured_of, plan_of, play
from maitred_server.load import knee
from maitred_server.load.measured import Measured
from maitred_server.load.notes import main_step, notes

FAST, SLOW = [1.0] * 100, [1.0] * 90 + [30.0] * 10


def test_the_knee_is_the_highest_step_that_keeps_up() -> None:
    """A step beyond the limit does not hide a later one that keeps up; two in a row after the knee end the ramp."""
    plan = plan_of(*range(50, 350, 50))
    measured, found = Measured(plan, 1.0), []
    for latencies in (FAST, SLOW, FAST, SLOW, SLOW):
        play(measured, latencies)
        at = knee.find(plan, measured.steps)
        found.append((at.step.rate if at else None, knee.is_past(plan, measured.steps)))
    assert found == [(50, False), (50, False), (150, False), (150, False), (150, True)]


def test_the_limit_is_five_times_the_first_step_and_a_millisecond_at_least() -> None:
    """Without --knee-p99 the first step sets the limit; a very fast one does not make it absurd."""
    assert knee.limit_us(plan_of(50.0), measured_of(plan_of(50.0), [2.0] * 50).steps) == 5 * 2_000
    assert knee.limit_us(plan_of(50.0), measured_of(plan_of(50.0), [0.1] * 50).steps) == 1_000
    assert knee.limit_us(plan_of(50.0, knee_p99_us=7.0), []) == 7.0


def test_a_step_that_answers_too_little_does_not_keep_up() -> None:
    """Fast answers to fewer than 98 of 100 calls are no keeping up."""
    measured = Measured(plan_of(50.0, 60.0), 1.0)
    play(measured, FAST, unanswered=2)
    play(measured, FAST, unanswered=3)
    assert [knee.keeps_up(step, 5_000) for step in measured.steps] == [True, False]


def test_answers_after_the_end_of_a_step_are_not_in_time() -> None:
    """What queued up and was answered later does not count as answered in time."""
    measured = measured_of(plan_of(50.0), [*FAST, *[2_500.0] * 10])
    step = measured.steps[0]
    assert (step.count.answered, step.count.in_time) == (110, 100)
    assert knee.why_not(step, 5_000_000) == "only 90.9% were answered in time"


def test_failures_are_a_reason_too() -> None:
    """What was seen after the knee names the failures and the status that most of them had."""
    measured = Measured(plan_of(50.0, 100.0), 1.0)
    play(measured, FAST)
    play(measured, SLOW, failed=["UNAVAILABLE"] * 3 + ["INTERNAL"])
    told = "p99 was 30.02 ms, 4 calls failed, most with UNAVAILABLE"
    assert knee.why_not(measured.steps[1], 5_000) == told


def test_the_knee_is_told_in_words() -> None:
    """Where it is, and what was seen after it; the load is judged by the knee's step."""
    measured = Measured(plan_of(50.0, 100.0, 150.0), 1.0)
    play(measured, FAST)
    play(measured, SLOW)
    play(measured, SLOW, late_ms=20.0)
    assert notes(measured) == [
        "The knee is at 50 calls/s: 50/s were answered, p99 1.00 ms (the limit is 5.00 ms).",
        "After it, at 100/s: p99 was 30.02 ms.",
        "After it, at 150/s: p99 was 30.02 ms; there the generator was late itself, so the knee may be its own: use "
        "more --processes or another machine.",
    ]
    assert main_step(measured).number == 0


def test_a_ramp_without_a_knee_says_so() -> None:
    """When the first step is too much, and when none was, that is what is said."""
    measured = measured_of(plan_of(50.0, 100.0, knee_p99_us=500.0), FAST, FAST)
    assert notes(measured) == ["No knee: already at 50/s p99 was 1.00 ms; the limit is 0.50 ms."]
    assert "It is the last step of the ramp" in notes(measured_of(plan_of(50.0, 100.0), FAST, FAST))[1]

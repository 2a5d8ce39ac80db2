"""What a load measured, made up."""

from __future__ import annotations

from collections.abc import Sequence

from maitred_server.load.asked import Plan, Step
from maitred_server.load.measured import Measured
from maitred_server.load.tally import Tally
from maitred_server.load.told import Done, Go


def plan_of(*rates: float, seconds: float = 2.0, ramp: bool = True, knee_p99_us: float = 0.0) -> Plan:
    return Plan(steps=tuple(Step(rate, seconds) for rate in rates), ramp=ramp, knee_p99_us=knee_p99_us)


def play(
    measured: Measured,
    latencies_ms: Sequence[float],
    late_ms: float = 0.0,
    failed: Sequence[str] = (),
    unanswered: int = 0,
) -> None:
    """Play the next step: answered calls over nine tenths of it, failed ones, and some that nothing came of."""
    number = len(measured.steps)
    step = measured.plan.steps[number]
    go = Go(number, 0.0, step)
    tally = Tally(go)
    for place, ms in enumerate(latencies_ms):
        at = place * 0.9 * step.seconds / (len(latencies_ms) + 1)
        tally.sent(at, at + late_ms / 1000)
        tally.answered(at, at + ms / 1000)
    for _ in range(unanswered):
        tally.sent(0.0, late_ms / 1000)
    for status in failed:
        tally.failed(0.5, status, f"words of {status}")
    measured.begin(step, number * (step.seconds + 0.1))
    for interval in tally.take():
        measured.add(interval)
    measured.add(Done(number, step.seconds))
    measured.end()


def measured_of(plan: Plan, *latencies_ms: Sequence[float]) -> Measured:
    """A whole load, step by step."""
    measured = Measured(plan, deadline_s=1.0)
    for one in latencies_ms:
        play(measured, one)
    return measured

"""Where a ramp finds the knee: the highest rate that the server still keeps up with."""

from __future__ import annotations

from collections.abc import Sequence

from maitred_server.load.asked import Plan
from maitred_server.load.measured import StepResult

ANSWERED = 0.98
TIMES = 5.0
LEAST_US = 1_000.0
STEPS_AFTER = 2


def limit_us(plan: Plan, steps: Sequence[StepResult]) -> float:
    """What p99 may be at most: as asked, else five times that of the first step, at least 1 ms."""
    return plan.knee_p99_us or max(LEAST_US, TIMES * steps[0].p99_us)


def keeps_up(step: StepResult, limit: float) -> bool:
    """Whether at least 98% of what was wanted was answered in time, with p99 within the limit."""
    return bool(step.count.in_time) and step.answered_share >= ANSWERED and step.p99_us <= limit


def find(plan: Plan, steps: Sequence[StepResult]) -> StepResult | None:
    """The highest step that keeps up; None when none does."""
    holding = [step for step in steps if keeps_up(step, limit_us(plan, steps))]
    return holding[-1] if holding else None


def is_past(plan: Plan, steps: Sequence[StepResult]) -> bool:
    """Whether enough was seen after the knee."""
    at = find(plan, steps)
    return len(steps) - (at.number + 1 if at else 0) >= STEPS_AFTER


def why_not(step: StepResult, limit: float) -> str:
    """In words what a step after the knee failed by."""
    seen = []
    if step.answered_share < ANSWERED:
        seen.append(f"only {step.answered_share:.1%} were answered in time")
    if step.p99_us > limit:
        seen.append(f"p99 was {step.p99_us / 1000:,.2f} ms")
    if failed := step.count.failed.most_common(1):
        seen.append(f"{step.count.failures:,} calls failed, most with {failed[0][0]}")
    return ", ".join(seen) or "it kept up"

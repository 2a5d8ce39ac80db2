"""What must be said of a load beside its figures, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from maitred_server.load import knee
from maitred_server.load.measured import Measured, StepResult
from maitred_server.load.tally import NOT_SENT

LATE_US = 1_000.0
LATE_SHARE = 0.1  # of the latency itself


def main_step(measured: Measured) -> StepResult:
    """The step that stands for the load: the only one, or the knee's; with no knee the first."""
    return knee.find(measured.plan, measured.steps) or measured.steps[0] if measured.plan.ramp else measured.steps[0]


def is_late(step: StepResult) -> bool:
    """Whether the generator fell behind by so much that it shows in the latencies."""
    return step.count.late.percentile(99) > max(LATE_US, LATE_SHARE * step.p99_us)


def notes(measured: Measured) -> list[str]:
    """Everything that a reader of the figures should know."""
    step = main_step(measured)
    return [
        *_knee(measured),
        *_late(step),
        *_failures(step, measured.words),
        *_feedback(step, measured.words),
        *_end(measured),
    ]


def _knee(measured: Measured) -> Iterator[str]:
    if not measured.plan.ramp:
        return
    limit = knee.limit_us(measured.plan, measured.steps)
    found = knee.find(measured.plan, measured.steps)
    if found is None:
        first = measured.steps[0]
        yield f"No knee: already at {first.step.rate:,.0f}/s {knee.why_not(first, limit)}; {_limit(limit)}."
        return
    yield (
        f"The knee is at {found.step.rate:,.0f} calls/s: {found.answered_rate:,.0f}/s were answered, p99 "
        f"{found.p99_us / 1000:,.2f} ms ({_limit(limit)})."
    )
    after = measured.steps[found.number + 1 :]
    if not after:
        yield "It is the last step of the ramp: the server may take more; ramp further."
    for step in after:
        late = (
            "; there the generator was late itself, so the knee may be its own: use more --processes or another machine"
        )
        yield f"After it, at {step.step.rate:,.0f}/s: {knee.why_not(step, limit)}{late if is_late(step) else ''}."


def _limit(us: float) -> str:
    return f"the limit is {us / 1000:,.2f} ms"


def _late(step: StepResult) -> Iterator[str]:
    if is_late(step):
        late = f"The generator itself was late by p99 {step.count.late.percentile(99) / 1000:,.2f} ms"
        yield (f"{late}: these latencies are an upper bound; use more --processes.")


def _failures(step: StepResult, words: dict[str, str]) -> Iterator[str]:
    count = step.count
    for status, number in count.failed.most_common():
        if status == NOT_SENT:
            yield f"{number:,} calls were not sent: too many were under way, or the generator was too late."
        else:
            yield f"{number:,} calls ended with {status}: {words.get(status, '')}".rstrip(": ")
    if count.failures:
        yield "The latencies are of answered calls only."


def _feedback(step: StepResult, words: dict[str, str]) -> Iterator[str]:
    count = step.count
    for status, number in count.refused.most_common():
        yield f"{number:,} events of feedback were refused with {status}: {words.get(f'feedback {status}', '')}"
    for status, number in count.feedback_failed.most_common():
        yield f"{number:,} events of feedback failed with {status}: {words.get(f'feedback {status}', '')}"
    if count.dropped:
        yield f"{count.dropped:,} events of feedback were not sent: they came faster than they were acknowledged."


def _end(measured: Measured) -> Iterator[str]:
    if measured.interrupted:
        yield "Stopped by Ctrl-C: the figures are of what was measured until then."

"""What was measured, put together from what the processes tell."""

from __future__ import annotations

import msgspec

from maitred_server.load.asked import Plan, Step
from maitred_server.load.tally import NOT_SENT, Second
from maitred_server.load.told import Done, Interval

SETTLED_S = 3.0  # beyond the deadline: nothing more comes of a second


class Count(Second):
    """Counts of a second or of a step, over all processes."""

    def add(self, interval: Interval) -> None:
        """Add what a process tells."""
        fed = interval.fed
        self.sent += interval.sent
        self.came += interval.came
        self.in_time += interval.in_time
        self.accepted += fed.accepted
        self.duplicates += fed.duplicates
        self.dropped += fed.dropped
        self.failed.update(interval.failed)
        self.refused.update(fed.refused)
        self.feedback_failed.update(fed.failed)
        self.latency.add(interval.latency)
        self.late.add(interval.late)
        self.acknowledged.add(fed.latency)

    @property
    def wanted(self) -> int:
        """Calls that were meant to be sent."""
        return self.sent + self.failed[NOT_SENT]

    @property
    def answered(self) -> int:
        """Calls that ended with OK, whenever."""
        return self.latency.count

    @property
    def failures(self) -> int:
        """Calls that did not, and those that could not be sent."""
        return self.failed.total()

    @property
    def feedback_failures(self) -> int:
        """Events that were refused, failed or dropped."""
        return self.refused.total() + self.feedback_failed.total() + self.dropped


class Row(msgspec.Struct, frozen=True):
    """One second of a step. Latencies in microseconds, of the calls that were meant for this second."""

    at_s: float  # since the load began
    step: int
    rate: float  # that was wanted
    sent: int
    came: int  # answers that came in this second
    failed: int
    latency_us: dict[str, float]  # empty: nothing was answered
    late_p99_us: float
    acknowledged: int  # events of feedback
    acknowledged_p99_us: float


class StepResult:
    """One step: what was wanted and what came of it."""

    def __init__(self, number: int, step: Step, begin_s: float) -> None:
        self.number, self.step, self.begin_s = number, step, begin_s
        self.seconds = step.seconds  # that it really took
        self.count = Count()

    @property
    def answered_rate(self) -> float:
        """Answers a second that came before the step's end."""
        return self.count.in_time / self.seconds

    @property
    def answered_share(self) -> float:
        """How many of the wanted calls were answered before the step's end."""
        return self.count.in_time / self.count.wanted if self.count.wanted else 0.0

    @property
    def p99_us(self) -> float:
        """99 of 100 answers took at most so long."""
        return self.count.latency.percentile(99)


class Measured:
    """A whole load, while it runs and after it."""

    def __init__(self, plan: Plan, deadline_s: float) -> None:
        self.plan, self._settled_s = plan, deadline_s + SETTLED_S
        self.steps: list[StepResult] = []
        self.rows: list[Row] = []
        self.words: dict[str, str] = {}
        self.interrupted = False
        self._open: dict[tuple[int, int], Count] = {}
        self._sent_for = 0.0

    def begin(self, step: Step, begin_s: float) -> StepResult:
        """A step begins, so long after the load's begin."""
        self.steps.append(StepResult(len(self.steps), step, begin_s))
        self._sent_for = 0.0
        return self.steps[-1]

    def add(self, told: Interval | Done) -> None:
        """Take in what a process tells of the newest step."""
        if isinstance(told, Done):
            self._sent_for = max(self._sent_for, told.seconds)
            return
        self.steps[told.step].count.add(told)
        self._open.setdefault((told.step, told.second), Count()).add(told)
        self.words = told.words | self.words
        self._close(told.second - self._settled_s)

    def end(self) -> None:
        """The newest step has ended and nothing of it is under way."""
        newest = self.steps[-1]
        if newest.step.calls or self.interrupted:
            newest.seconds = max(0.001, min(self._sent_for, newest.step.seconds))
        self._close(newest.step.seconds)

    @property
    def latest(self) -> Row | None:
        """The newest second that has passed, as far as it is known."""
        rows = self.recent(1)
        return rows[-1] if rows else None

    def recent(self, number: int) -> list[Row]:
        """The newest seconds that have passed, oldest first."""
        newest = max(self._open, default=None)
        passed = [place for place in sorted(self._open) if place != newest]
        known = [_row(self.steps[place[0]], place[1], self._open[place]) for place in passed[-number:]]
        return [*self.rows[-number:], *known][-number:]

    def _close(self, before: float) -> None:
        """Of seconds of which nothing more comes only their figures are kept."""
        newest = self.steps[-1]
        for place in sorted(place for place in self._open if place[0] < newest.number or place[1] < before):
            self.rows.append(_row(self.steps[place[0]], place[1], self._open.pop(place)))
        if before >= newest.step.seconds:
            self._open.clear()  # answers that came after the end: in the step's count, of no second


def _row(step: StepResult, second: int, count: Count) -> Row:
    return Row(
        at_s=step.begin_s + second,
        step=step.number,
        rate=step.step.rate,
        sent=count.sent,
        came=count.came,
        failed=count.failures,
        latency_us=count.latency.figures() if count.answered else {},
        late_p99_us=count.late.percentile(99),
        acknowledged=count.accepted,
        acknowledged_p99_us=count.acknowledged.percentile(99),
    )

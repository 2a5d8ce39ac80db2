"""Looking on while a load runs: a live view in a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from maitred_server.load.measured import Measured, Row, StepResult
from maitred_server.load.summary import milliseconds

_BARS = "▁▂▃▄▅▆▇█"
SPARKS = 60
LINE_EVERY_S = 3.0
SHOWN = ("p50", "p90", "p99", "p99.9", "max")


class Lines:
    """A line every few seconds, for logs."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock, self._next = say, clock, clock() + LINE_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def see(self, measured: Measured) -> None:
        """Say a line when it is time."""
        if self._clock() >= self._next and measured.latest:
            self._next = self._clock() + LINE_EVERY_S
            self._say(line(measured.latest))


class Screen:
    """The live view."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._seen = -1.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def see(self, measured: Measured) -> None:
        """Draw again when there is something new."""
        latest = measured.latest
        if latest and latest.at_s != self._seen:
            self._seen = latest.at_s
            self._live.update(view(measured), refresh=True)


def line(row: Row) -> str:
    """One second in one line."""
    latency = (
        " ".join(f"{name} {milliseconds(row.latency_us[name])}" for name in SHOWN) if row.latency_us else "no answer"
    )
    failed = f", {row.failed:,} failed" if row.failed else ""
    return f"{row.at_s:7.0f} s  wanted {row.rate:,.0f}/s, answered {row.came:,}/s{failed}; ms: {latency}"


def view(measured: Measured) -> Table:
    """The last second beside the whole step, with a sparkline of p99."""
    step, rows = measured.steps[-1], measured.recent(SPARKS)
    table = Table(title=_title(measured), show_header=True, min_width=72)
    for name in ("", "last second", "this step" if measured.plan.ramp else "overall"):
        table.add_column(name, justify="right" if name else "left")
    last = rows[-1]
    table.add_row("wanted/s", f"{last.rate:,.0f}", f"{step.step.rate:,.0f}")
    table.add_row("sent", f"{last.sent:,}", f"{step.count.sent:,}")
    table.add_row("answered", f"{last.came:,}", f"{step.count.came:,}")
    for name in SHOWN:
        now = milliseconds(last.latency_us[name]) if last.latency_us else "-"
        table.add_row(f"{name} ms", now, milliseconds(step.count.latency.figures()[name]))
    table.add_row("statuses", "", _statuses(step))
    table.add_row("p99", sparkline([row.latency_us.get("p99", 0.0) for row in rows]), "")
    return table


def _title(measured: Measured) -> Text:
    step = measured.steps[-1]
    of = f"step {step.number + 1} of {len(measured.plan.steps)}" if measured.plan.ramp else "load"
    return Text(f"{of}, Ctrl-C ends it with a report")


def _statuses(step: StepResult) -> str:
    told = [f"OK {step.count.answered:,}", *(f"{name} {number:,}" for name, number in step.count.failed.most_common(4))]
    return ", ".join(told)


def sparkline(values: list[float]) -> str:
    """A bar a value, as high as its share of the highest."""
    highest = max(values, default=0.0) or 1.0
    return "".join(_BARS[min(len(_BARS) - 1, int(value / highest * len(_BARS)))] for value in values)

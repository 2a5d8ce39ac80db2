"""The figures as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape
from rich.table import Table


def tables(figures: dict[str, Any]) -> Iterator[Table]:
    """The steps of a ramp, the step that stands for the load, and its feedback."""
    if figures["knee"]:
        yield _steps(figures)
    yield _result(figures)
    if figures["setup"]["asked"]["mix"]["expose"]:
        yield _feedback(figures["result"]["feedback"])


def milliseconds(us: float) -> str:
    """A latency as it is shown: three significant figures up to a second."""
    ms = us / 1000
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


def _result(figures: dict[str, Any]) -> Table:
    result = figures["result"]
    title = f"at {result['rate']:,.0f} calls/s" if figures["knee"] else "load"
    table = Table(title=title, show_header=False)
    batch = figures["setup"]["asked"]["batch"]
    for name, text in _figures(result, batch):
        table.add_row(name, text)
    return table


def _figures(result: dict[str, Any], batch: int) -> Iterator[tuple[str, str]]:
    yield "seconds", f"{result['seconds']:,.1f}"
    yield "calls wanted / sent / answered", f"{result['wanted']:,} / {result['sent']:,} / {result['answered']:,}"
    yield "wanted / answered a second", f"{result['rate']:,.0f} / {result['answered_per_s']:,.0f}"
    if batch > 1:
        yield "decisions a second", f"{batch * result['answered_per_s']:,.0f}"
    for status, number in result["failed"].items():
        yield escape(status), f"{number:,}"
    for name, us in result["latency_us"].items():
        yield f"latency {name}, ms", milliseconds(us)
    yield "generator late p99, ms", milliseconds(result["generator_late_us"]["p99"])


def _feedback(feedback: dict[str, Any]) -> Table:
    table = Table(title="feedback", show_header=False)
    refused = sum(feedback["refused"].values()) + sum(feedback["failed"].values()) + feedback["dropped"]
    table.add_row("events acknowledged", f"{feedback['accepted'] + feedback['duplicates']:,}")
    table.add_row("events refused, failed or dropped", f"{refused:,}")
    table.add_row("Record calls", f"{feedback['calls']:,}")
    for name, us in feedback["acknowledged_us"].items():
        table.add_row(f"acknowledged {name}, ms", milliseconds(us))
    return table


def _steps(figures: dict[str, Any]) -> Table:
    table = Table(title="steps")
    for name in ("wanted/s", "answered/s", "p50 ms", "p99 ms", "max ms", "failed", "late p99 ms", ""):
        table.add_column(name, justify="right")
    for number, step in enumerate(figures["steps"]):
        knee = "knee" if number == figures["knee"]["step"] else "" if step["keeps_up"] else "over"
        latency = step["latency_us"]
        table.add_row(
            f"{step['rate']:,.0f}",
            f"{step['answered_per_s']:,.0f}",
            *(milliseconds(latency[name]) for name in ("p50", "p99", "max")),
            f"{sum(step['failed'].values()):,}",
            milliseconds(step["generator_late_us"]["p99"]),
            knee,
        )
    return table

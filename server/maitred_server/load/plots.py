"""The charts of a load's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maitred_server.load import charts
from maitred_server.load.charts import Chart, Hint, Line
from maitred_server.load.knee import find
from maitred_server.load.measured import Measured, Row, StepResult
from maitred_server.load.notes import main_step
from maitred_server.load.summary import milliseconds

SHOWN = (("max", "max"), ("p999", "p99.9"), ("p99", "p99"), ("p90", "p90"), ("p50", "p50"))  # class, name
MOST_POINTS = 400
SHORTEST_S = 0.2  # a shorter piece of a second has no rate


def latency_over_time(measured: Measured) -> str:
    """Percentiles of each second."""
    groups = grouped(measured.rows)
    lines = [Line(kind, name, [(group[0].at_s, highest(group, name)) for group in groups]) for kind, name in SHOWN]
    chart = Chart(
        "Latency over time",
        "Percentiles of each second in milliseconds, on a logarithmic scale",
        lines,
        "seconds since the load began",
        "ms, log scale",
        [Hint(group[0].at_s, _said(group)) for group in groups],
        _step_marks(measured),
    )
    return charts.draw(chart, charts.seconds, charts.milliseconds)


def rates_over_time(measured: Measured) -> str:
    """What was wanted, answered and failed in each second."""
    groups = [group for group in grouped(measured.rows) if length_s(measured, group[-1]) >= SHORTEST_S]
    series = (
        ("wanted", lambda row: row.rate),
        ("answered", lambda row: row.came / length_s(measured, row)),
        ("failed", lambda row: row.failed / length_s(measured, row)),
    )
    lines = [Line(name, name, [(group[0].at_s, _mean(group, value)) for group in groups]) for name, value in series]
    chart = Chart(
        "Rate over time",
        "Calls a second: wanted, answered and failed",
        lines,
        "seconds since the load began",
        "calls/s",
        [Hint(group[0].at_s, _rates_said(measured, group)) for group in groups],
        height=260,
    )
    return charts.draw(chart, charts.seconds, charts.rates_from_zero)


def latency_by_percentile(measured: Measured) -> str:
    """The whole distribution, each nine as wide as the one before."""
    lines, hints = [], []
    for kind, name, step in compared(measured):
        points = step.count.latency.distribution()
        lines.append(Line(kind, name, [(one_in, us / 1000) for one_in, us in points]))
        if step is main_step(measured):
            hints = [Hint(x, f"{100 - 100 / x:.6g}% within {milliseconds(us)} ms") for x, us in points]
    chart = Chart(
        "Latency by percentile",
        "Latency in milliseconds at each percentile, both on logarithmic scales",
        lines,
        "percentile, log scale: each further nine is as wide as the one before",
        "ms, log scale",
        hints,
    )
    return charts.draw(chart, charts.percentiles, charts.milliseconds)


def latency_by_rate(measured: Measured, limit_us: float) -> str:
    """Where the knee is: percentiles of each step of a ramp over its rate."""
    answered = [step for step in measured.steps if step.count.answered]
    figures = [(step.step.rate, step.count.latency.figures()) for step in answered]
    lines = [Line(kind, name, [(rate, one[name] / 1000) for rate, one in figures]) for kind, name in SHOWN]
    knee = find(measured.plan, measured.steps)
    chart = Chart(
        "Latency by rate",
        "Percentiles of each step in milliseconds over its rate",
        lines,
        "calls/s wanted",
        "ms, log scale",
        [Hint(rate, f"{rate:,.0f} calls/s\n{_percentiles(one)}") for rate, one in figures],
        [(knee.step.rate, "knee")] if knee else [],
        [(limit_us / 1000, f"limit of p99: {milliseconds(limit_us)} ms")],
    )
    return charts.draw(chart, charts.rates, charts.milliseconds)


def grouped(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Seconds, or so many of them together that a chart has room for all; never across steps."""
    size = -(-len(rows) // MOST_POINTS) or 1
    groups: list[list[Row]] = []
    for row in rows:
        if groups and len(groups[-1]) < size and groups[-1][-1].step == row.step:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [*groups]


def length_s(measured: Measured, row: Row) -> float:
    """How much of a second the load went on for."""
    step = measured.steps[row.step]
    return min(1.0, step.begin_s + step.seconds - row.at_s)


def highest(group: Sequence[Row], name: str) -> float | None:
    """The highest of some seconds' percentiles, in milliseconds."""
    values = [row.latency_us[name] / 1000 for row in group if row.latency_us]
    return max(values, default=None)


def _mean(group: Sequence[Row], value: Any) -> float:
    return float(sum(map(value, group)) / len(group))


def compared(measured: Measured) -> list[tuple[str, str, StepResult]]:
    """The steps whose distributions are shown: of a ramp the first, the knee's and the last."""
    main = main_step(measured)
    if not measured.plan.ramp:
        return [("p99", "calls", main)]
    steps = {measured.steps[-1].number: "max", measured.steps[0].number: "p50", main.number: "p99"}
    return [
        (kind, f"{measured.steps[number].step.rate:,.0f}/s", measured.steps[number])
        for number, kind in sorted(steps.items())
    ]


def _step_marks(measured: Measured) -> list[tuple[float, str]]:
    if not measured.plan.ramp:
        return []
    return [(step.begin_s, f"{step.step.rate:,.0f}/s") for step in measured.steps]


def _percentiles(latency_us: dict[str, float]) -> str:
    return "\n".join(f"{name} {milliseconds(latency_us[name])} ms" for _, name in SHOWN)


def _said(group: Sequence[Row]) -> str:
    row = max(group, key=lambda one: one.latency_us.get("p99", 0.0))
    return f"second {row.at_s:.0f}\n{_percentiles(row.latency_us) if row.latency_us else 'no answer'}"


def _rates_said(measured: Measured, group: Sequence[Row]) -> str:
    row = group[0]
    came = row.came / length_s(measured, row)
    return f"second {row.at_s:.0f}\nwanted {row.rate:,.0f}/s\nanswered {came:,.0f}/s\nfailed {row.failed:,}"

"""Line charts as inline SVG: one drawing for light and dark, as colours are the page's custom properties.

Every chart has a title and a description for those who do not see it, and says its figures where it is pointed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from maitred_server.load import scales
from maitred_server.load.scales import Axis

WIDTH = 920
LEFT, RIGHT, TOP, BOTTOM = 64, 104, 42, 44
LABEL = 17  # pixels between the names at the ends of lines
MARKS = 12  # named vertical lines that fit


class Line(NamedTuple):
    """One series; `kind` is also its class. A point without a value (None) is a gap."""

    kind: str
    name: str
    points: Sequence[tuple[float, float | None]]


class Hint(NamedTuple):
    """What is said when a place of the x axis is pointed at."""

    x: float
    text: str


class Chart(NamedTuple):
    """What is drawn. `marks`: named vertical lines; `limits`: named horizontal ones."""

    title: str
    description: str
    lines: Sequence[Line]
    x_name: str
    y_name: str
    hints: Sequence[Hint] = ()
    marks: Sequence[tuple[float, str]] = ()
    limits: Sequence[tuple[float, str]] = ()
    height: int = 340


Scaled = Callable[[float, float, float, float], Axis]  # low, high, start, end


def draw(chart: Chart, x_scale: Scaled, y_scale: Scaled) -> str:
    """The chart as SVG; empty when there is no point to draw."""
    xs = [x for line in chart.lines for x, y in line.points if y is not None]
    ys = [y for line in chart.lines for _, y in line.points if y is not None] + [y for y, _ in chart.limits]
    if not xs:
        return ""
    x = x_scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y = y_scale(min(ys), max(ys), chart.height - BOTTOM, TOP)
    body = [
        *_grid(chart, x, y),
        *_marks(chart, x, y),
        *(f'<polyline class="line {line.kind}" points="{run}"/>' for line in chart.lines for run in _runs(line, x, y)),
        *(_text(x.start + 6, y(at) - 5, text, "start", "tick over") for at, text in chart.limits),
        *_names(chart, y),
        *_hints(chart, x, y),
    ]
    label = f"{escape(chart.title)}. {escape(chart.description)}"
    svg = f'<svg viewBox="0 0 {WIDTH} {chart.height}" role="img" aria-label="{label}">{"".join(body)}</svg>'
    return f'<div class="scroll">{svg}</div>'


def _grid(chart: Chart, x: Axis, y: Axis) -> Iterator[str]:
    for at, text in y.ticks:
        yield f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{y(at):.1f}" y2="{y(at):.1f}"/>'
        yield _text(x.start - 8, y(at) + 4, text, "end")
    yield f'<line class="axis" x1="{x.start}" x2="{x.end}" y1="{y.start}" y2="{y.start}"/>'
    for at, text in x.ticks:
        yield f'<line class="axis" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{y.start}" y2="{y.start + 4}"/>'
        yield _text(x(at), y.start + 18, text, "middle")
    yield _text((x.start + x.end) / 2, chart.height - 6, chart.x_name, "middle")
    yield _text(8, 14, chart.y_name, "start")


def _marks(chart: Chart, x: Axis, y: Axis) -> Iterator[str]:
    every = -(-len(chart.marks) // MARKS)
    for number, (at, text) in enumerate(chart.marks):
        yield f'<line class="mark" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{y.end}" y2="{y.start}"/>'
        if number % every == 0:
            yield _text(x(at) + 4, y.end - 4, text, "start")
    for at, _ in chart.limits:
        yield f'<line class="mark limit" x1="{x.start}" x2="{x.end}" y1="{y(at):.1f}" y2="{y(at):.1f}"/>'


def _runs(line: Line, x: Axis, y: Axis) -> Iterator[str]:
    """The line's points as far as they follow each other without a gap; a lone point is drawn as a short stroke."""
    run: list[str] = []
    for at, value in [*line.points, (0.0, None)]:
        if value is not None:
            run.append(f"{x(at):.1f},{y(value):.1f}")
        elif run:
            yield " ".join(run if len(run) > 1 else [run[0], _beside(run[0])])
            run = []


def _beside(point: str) -> str:
    x, _, y = point.partition(",")
    return f"{float(x) + 3:.1f},{y}"


def _names(chart: Chart, y: Axis) -> Iterator[str]:
    """Names at the lines' ends, pushed apart where lines end close together."""
    ends = [(y(_last(line)), line) for line in chart.lines if any(value is not None for _, value in line.points)]
    ends.sort(key=lambda end: end[0])
    for place, (_, line) in zip(_apart([at for at, _ in ends], y.end, y.start), ends, strict=True):
        yield f'<circle class="dot {line.kind}" cx="{WIDTH - RIGHT + 14}" cy="{place:.1f}" r="5"/>'
        yield _text(WIDTH - RIGHT + 25, place + 4, line.name, "start", "figure")


def _last(line: Line) -> float:
    return next(value for _, value in reversed(line.points) if value is not None)


def _apart(places: Sequence[float], top: float, bottom: float) -> list[float]:
    """Rising places moved as little as needed to be a label's height apart and within bounds."""
    down: list[float] = []
    for place in places:
        down.append(max(place, down[-1] + LABEL if down else top))
    up: list[float] = []
    for place in reversed(down):
        up.append(min(place, up[-1] - LABEL if up else bottom))
    return up[::-1]


def _hints(chart: Chart, x: Axis, y: Axis) -> Iterator[str]:
    """Invisible strips, each around its place, that say the figures of it."""
    places = [x(hint.x) for hint in chart.hints]
    edges = [x.start, *((a + b) / 2 for a, b in pairwise(places)), x.end]
    for hint, left, right in zip(chart.hints, edges, edges[1:], strict=False):
        box = f'x="{left:.1f}" width="{max(0.5, right - left):.1f}" y="{y.end}" height="{y.start - y.end}"'
        yield f'<rect class="hint" {box}><title>{escape(hint.text)}</title></rect>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def milliseconds(low: float, high: float, start: float, end: float) -> Axis:
    """A logarithmic axis of values in milliseconds."""
    return scales.logarithmic(low, high, start, end, lambda value: f"{value:,.10g}")


def seconds(low: float, high: float, start: float, end: float) -> Axis:
    """A linear axis of seconds."""
    return scales.linear(low, high, start, end, lambda value: f"{value:g}")


def rates(low: float, high: float, start: float, end: float) -> Axis:
    """A linear axis of calls a second."""
    return scales.linear(low, high, start, end, lambda value: f"{value:,.10g}")


def rates_from_zero(low: float, high: float, start: float, end: float) -> Axis:
    """A linear axis of calls a second that begins at 0."""
    return scales.from_zero(high, start, end, lambda value: f"{value:,.10g}")


def percentiles(low: float, high: float, start: float, end: float) -> Axis:
    """An axis of 1 / (1 - share), with a tick for each further nine."""
    ticks = [(1.0, "0%"), (2.0, "50%"), *((10.0**nines, _nines(nines)) for nines in range(1, 9))]
    return Axis(1.0, high, start, end, True, [tick for tick in ticks if tick[0] <= high])


def _nines(number: int) -> str:
    return f"{100 - 10.0 ** (2 - number):.{max(0, number - 2)}f}%"

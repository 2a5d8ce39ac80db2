"""Three small charts as inline SVG: lines with bands, a histogram over a log axis, and horizontal bars.

Colours come from the page's custom properties (`--habit`, `--ink` ...), so light and dark need no second drawing. Every
chart has a title and a description for those who do not see it, and every mark says its figure when pointed at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 920


@dataclass(frozen=True)
class Scale:
    """Maps `low`..`high` linearly onto pixels `start`..`end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / ((self.high - self.low) or 1) * (self.end - self.start)


@dataclass(frozen=True)
class Point:
    """A value with its interval at a place on the x axis; `label` is said when it is pointed at."""

    x: float
    value: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Line:
    """One series; `name` is also its colour's custom property."""

    name: str
    points: Sequence[Point]


def lines(title: str, description: str, series: Sequence[Line], ticks: Sequence[tuple[float, str]]) -> str:
    """Lines with bands over an x axis with `ticks` (place, text); y runs from 0 in percent."""
    height, left, right, top, bottom = 360, 46, 96, 12, 30
    points = [point for line in series for point in line.points]
    x = Scale(min(point.x for point in points), max(point.x for point in points), left, WIDTH - right)
    highest = _ceiling(max(point.high for point in points))
    y = Scale(0, highest, height - bottom, top)
    body = [
        *_grid_of_shares(highest, y, left, WIDTH - right),
        *(_text(x(at), height - 8, text, "middle") for at, text in ticks),
        *(_band(line, x, y) for line in series),
        *(_line(line, x, y) for line in series),
        *_names_at_the_end(series, y, WIDTH - right + 10),
        *(_dot(line.name, point, x, y) for line in series for point in line.points),
    ]
    return _svg(title, description, height, body)


def histogram(title: str, description: str, counts: Sequence[tuple[float, int]], marks: dict[str, float]) -> str:
    """Bars of the share of calls over milliseconds on a log axis; `marks` are named vertical lines."""
    height, left, right, top, bottom = 300, 46, 24, 34, 46
    total = sum(count for _, count in counts)
    low, high = _log_range(counts, total)
    bins = _log_bins(counts, low, high, 56)
    x = Scale(math.log(low), math.log(high), left, WIDTH - right)
    highest = _ceiling(max(count for _, _, count in bins) / total)
    y = Scale(0, highest, height - bottom, top)
    body = [
        *_grid_of_shares(highest, y, left, WIDTH - right),
        *(_bar(x(math.log(a)), x(math.log(b)), y, count / total, _said(a, b, count)) for a, b, count in bins if count),
        *(_text(x(math.log(at)), height - 24, _ms(at), "middle") for at in _log_ticks(low, high)),
        _text((left + WIDTH - right) / 2, height - 6, "milliseconds, log scale", "middle"),
        *_marks({name: x(math.log(at)) for name, at in marks.items() if low <= at <= high}, marks, top, y(0)),
    ]
    return _svg(title, description, height, body)


def bars(title: str, description: str, counts: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars with names on the left and figures at their end."""
    row, left, right = 34, 110, 150
    total = sum(count for _, count in counts) or 1
    x = Scale(0, max(count for _, count in counts) or 1, left, WIDTH - right)
    body: list[str] = []
    for number, (name, count) in enumerate(counts):
        top = number * row + 6
        body.append(_text(left - 12, top + 15, name, "end"))
        body.append(
            f'<path class="bar" d="{_rounded(left, top, max(2.0, x(count) - left), 22)}">'
            f"<title>{escape(name)}: {count:,}</title></path>"
        )
        body.append(_text(x(count) + 10, top + 15, f"{count:,} ({count / total:.1%})", "start", "figure"))
    return _svg(title, description, len(counts) * row + 8, body)


def _svg(title: str, description: str, height: float, body: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}. {escape(description)}">'
        f"{''.join(body)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _grid_of_shares(highest: float, y: Scale, left: float, right: float) -> Iterable[str]:
    step = _step(highest)
    for number in range(round(highest / step) + 1):
        share = number * step
        kind = "axis" if number == 0 else "grid"
        yield f'<line class="{kind}" x1="{left}" x2="{right}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>'
        yield _text(left - 8, y(share) + 4, f"{share:.0%}", "end")


def _step(highest: float) -> float:
    """The finest of 1%, 2%, 5%, 10% and 20% that makes at most six grid lines."""
    return next((step for step in (0.01, 0.02, 0.05, 0.1) if highest / step <= 6.01), 0.2)


def _ceiling(share: float) -> float:
    """The next multiple of the grid's step at or above."""
    step = _step(share)
    return math.ceil(share / step - 1e-9) * step or step


def _band(line: Line, x: Scale, y: Scale) -> str:
    there = [f"{x(point.x):.1f},{y(point.high):.1f}" for point in line.points]
    back = [f"{x(point.x):.1f},{y(point.low):.1f}" for point in reversed(line.points)]
    return f'<polygon class="band {line.name}" points="{" ".join(there + back)}"/>'


def _line(line: Line, x: Scale, y: Scale) -> str:
    points = " ".join(f"{x(point.x):.1f},{y(point.value):.1f}" for point in line.points)
    return f'<polyline class="line {line.name}" points="{points}"/>'


def _dot(name: str, point: Point, x: Scale, y: Scale) -> str:
    at = f'cx="{x(point.x):.1f}" cy="{y(point.value):.1f}"'
    return f'<circle class="dot {name}" {at} r="3.2"><title>{escape(point.label)}</title></circle>'


def _names_at_the_end(series: Sequence[Line], y: Scale, x: float) -> Iterable[str]:
    """Direct labels, pushed apart when two lines end close together."""
    above = -math.inf
    for line in sorted(series, key=lambda one: -one.points[-1].value):
        place = max(y(line.points[-1].value), above + 17)
        above = place
        yield f'<circle class="dot {line.name}" cx="{x + 5}" cy="{place:.1f}" r="5"/>'
        yield _text(x + 16, place + 4, line.name, "start", "figure")


def _bar(start: float, end: float, y: Scale, share: float, said: str) -> str:
    top, width = y(share), max(1.0, end - start - 1.5)
    return (
        f'<rect class="bar" x="{start:.1f}" y="{top:.1f}" width="{width:.1f}" height="{y(0) - top:.1f}">'
        f"<title>{escape(said)}</title></rect>"
    )


def _rounded(x: float, y: float, width: float, height: float, radius: float = 4) -> str:
    radius = min(radius, width)
    flat, upright = width - radius, height - 2 * radius
    corners = f"q{radius} 0 {radius} {radius}v{upright}q0 {radius} -{radius} {radius}"
    return f"M{x} {y}h{flat:.1f}{corners}h-{flat:.1f}z"


def _marks(places: dict[str, float], values: dict[str, float], top: float, bottom: float) -> Iterable[str]:
    """Named lines; the first name stands left of its line and the others right, so that near ones stay readable."""
    for number, (name, x) in enumerate(places.items()):
        anchor, shift = ("start", 6) if number else ("end", -6)
        yield f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 24}" y2="{bottom:.1f}"/>'
        yield _text(x + shift, top - 14, f"{name} {_ms(values[name])} ms", anchor, "figure")


def _log_range(counts: Sequence[tuple[float, int]], total: int) -> tuple[float, float]:
    """From the fastest call to the 99.95th percentile, a little widened."""
    seen, high = 0, counts[-1][0]
    for at, count in counts:
        seen += count
        if seen >= 0.9995 * total:
            high = at
            break
    return counts[0][0] * 0.95, high * 1.1


def _log_bins(
    counts: Sequence[tuple[float, int]], low: float, high: float, number: int
) -> list[tuple[float, float, int]]:
    ratio = math.log(high / low) / number
    filled = [0] * number
    for at, count in counts:
        filled[min(number - 1, int(math.log(at / low) / ratio))] += count
    edge: Callable[[int], float] = lambda place: low * math.exp(ratio * place)  # noqa: E731
    return [(edge(place), edge(place + 1), count) for place, count in enumerate(filled)]


def _log_ticks(low: float, high: float) -> list[float]:
    candidates = [base * 10.0**power for power in range(-3, 5) for base in (1, 2, 5)]
    return [tick for tick in candidates if low <= tick <= high]


def _ms(value: float) -> str:
    return f"{value:.3g}"


def _said(low: float, high: float, count: int) -> str:
    return f"{count:,} decisions took {_ms(low)} to {_ms(high)} ms"

"""Charts as inline SVG: bars with whiskers, bars of parts, lines over a log axis. Colours are the page's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from maitred_tools.demo.charts import WIDTH, Scale

LEFT: Final = 360
RIGHT: Final = 110
ROW: Final = 30
AXIS: Final = 26
COLOURS: Final = 14  # classes c0 ... of the page


class Bar(NamedTuple):
    """A figure with the least and the most of its readings."""

    name: str
    value: float
    least: float
    most: float


class Point(NamedTuple):
    """A figure at a place above 0."""

    x: float
    value: float


def bars(title: str, rows: Sequence[Bar], unit: str, mark: float | None = None) -> str:
    """Horizontal bars with whiskers; `mark`: a value to stand out."""
    x = Scale(0, _ceiling(max([row.most for row in rows] + [mark or 0])), LEFT, WIDTH - RIGHT)
    bottom = len(rows) * ROW + 4
    body = [*_grid(x, bottom, unit), *(part for at, row in enumerate(rows) for part in _bar(row, at * ROW + 6, x))]
    if mark is not None:
        body.append(f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="0" y2="{bottom}"/>')
    return _svg(title, "; ".join(f"{row.name} {_short(row.value)}" for row in rows), bottom + AXIS + 16, body)


def _bar(row: Bar, top: float, x: Scale) -> Iterable[str]:
    said = f"{row.name}: {_short(row.value)} ({_short(row.least)} to {_short(row.most)})"
    width = max(1.0, x(row.value) - LEFT)
    low, high, middle = x(row.least), x(row.most), top + 9
    yield _text(LEFT - 10, top + 14, row.name, "end")
    yield f'<rect class="c0" x="{LEFT}" y="{top}" width="{width:.1f}" height="18" rx="3">{_said(said)}</rect>'
    whisker = f"M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"
    yield f'<path class="whisker" d="{whisker}"/>'
    yield _text(max(high, x(row.value)) + 8, top + 14, _short(row.value), "start", "figure")


def stacked(title: str, rows: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """Horizontal bars made of named parts, with a legend."""
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    x = Scale(0, _ceiling(max(sum(row.values()) for row in rows.values())), LEFT, WIDTH - RIGHT)
    bottom = len(rows) * ROW + 4
    body = [*_grid(x, bottom, unit)]
    for at, (name, row) in enumerate(rows.items()):
        body += _parts(name, row, parts, at * ROW + 6, x)
    legend = bottom + AXIS + 26
    body += _legend(parts, legend)
    lines = math.ceil(len(parts) / 6)
    return _svg(
        title, "; ".join(f"{name} {_short(sum(row.values()))}" for name, row in rows.items()), legend + 20 * lines, body
    )


def _parts(name: str, row: Mapping[str, float], parts: Sequence[str], top: float, x: Scale) -> Iterable[str]:
    yield _text(LEFT - 10, top + 14, name, "end")
    begin = 0.0
    for part, value in row.items():
        left, width = x(begin), x(begin + value) - x(begin)
        place = f'x="{left:.1f}" y="{top}" width="{max(0.0, width - 0.8):.1f}" height="18"'
        yield f'<rect class="{_colour(parts.index(part))}" {place}>{_said(f"{part}: {_short(value)}")}</rect>'
        begin += value
    yield _text(x(begin) + 8, top + 14, _short(begin), "start", "figure")


def _legend(parts: Sequence[str], top: float) -> Iterable[str]:
    for number, part in enumerate(parts):
        left, line = 20 + number % 6 * 148, top + number // 6 * 20
        yield f'<rect class="{_colour(number)}" x="{left}" y="{line - 10}" width="11" height="11" rx="2"/>'
        yield _text(left + 17, line, part, "start")


def lines(title: str, series: Mapping[str, Sequence[Point]], unit: str, over: str) -> str:
    """Lines from 0 over a log axis; `over` names it."""
    height, left, right, top, bottom = 300, 70, 230, 14, 46
    points = [point for line in series.values() for point in line]
    y = Scale(0, _ceiling(max(point.value for point in points)), height - bottom, top)
    x = Scale(
        math.log(min(point.x for point in points)), math.log(max(point.x for point in points)), left, WIDTH - right
    )
    body = [
        f'<line class="grid" x1="{left}" x2="{WIDTH - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        + _text(left - 8, y(tick) + 4, _short(tick), "end")
        for tick in _ticks(y.high)
    ]
    body += [_text(x(math.log(at)), height - 26, _number(at), "middle") for at in sorted({one.x for one in points})]
    body.append(_text((left + WIDTH - right) / 2, height - 6, f"{over}; figures in {unit}", "middle"))
    above = -math.inf
    for number, (name, line) in sorted(enumerate(series.items()), key=lambda one: -one[1][1][-1].value):
        above = max(y(line[-1].value), above + 17)
        body += _line(number, name, [(x(math.log(one.x)), y(one.value), one) for one in line], above)
    return _svg(
        title, "; ".join(f"{name} ends at {_short(line[-1].value)}" for name, line in series.items()), height, body
    )


def _line(number: int, name: str, placed: Sequence[tuple[float, float, Point]], label: float) -> Iterable[str]:
    colour, at = _colour(number), " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in placed)
    yield f'<polyline class="line s{number % COLOURS}" points="{at}"/>'
    for x, y, point in placed:
        said = _said(f"{name}: {_short(point.value)} at {_number(point.x)}")
        yield f'<circle class="dot {colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.6">{said}</circle>'
    yield _text(placed[-1][0] + 12, label + 4, f"{name} {_short(placed[-1][2].value)}", "start", "figure")


def _grid(x: Scale, bottom: float, unit: str) -> Iterable[str]:
    for tick in _ticks(x.high):
        yield f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="0" y2="{bottom}"/>'
        yield _text(x(tick), bottom + 16, _short(tick), "middle")
    yield _text((LEFT + WIDTH - RIGHT) / 2, bottom + 34, unit, "middle")


def _ticks(highest: float) -> list[float]:
    step = _step(highest)
    return [number * step for number in range(round(highest / step) + 1)]


def _step(highest: float) -> float:
    """1, 2 or 5 times a power of ten, so that there are at most six steps."""
    power = 10.0 ** math.floor(math.log10(highest / 6))
    return next(power * base for base in (1, 2, 5, 10) if highest / (power * base) <= 6.01)


def _ceiling(value: float) -> float:
    value = value or 1.0
    return math.ceil(value / _step(value) - 1e-9) * _step(value)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _number(value: float) -> str:
    return f"{value / 1e6:g} million" if value >= 1e6 else f"{value:,.0f}"


def _colour(number: int) -> str:
    return f"c{number % COLOURS}"


def _said(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, description: str, height: float, body: Iterable[str]) -> str:
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}. {escape(description)}">'
        f"{''.join(body)}</svg></figure>"
    )

"""The page and its charts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from harness.loads import measured_of, plan_of, play
from maitred_server.load import charts, scales
from maitred_server.load.asked import Asked, Mix, Placement, Plan, Subjects, Wire
from maitred_server.load.charts import Chart, Line
from maitred_server.load.figures import Setup, figures
from maitred_server.load.measured import Measured
from maitred_server.load.page import render

HOSTILE = '<script>alert("x")</script>'


class _Balanced(HTMLParser):
    """Fails when elements are not closed in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta",):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None: ...


def page(measured: Measured, plan: Plan, placement: str = "home") -> str:
    asked = Asked((Placement(placement),), Subjects(), mix=Mix(expose=0.5))
    setup = Setup("127.0.0.1:7400", "2030-01-01T00:00:00+00:00", "1", plan, asked, Wire("127.0.0.1:7400", key="SECRET"))
    return render(figures(setup, measured, [("p99>5ms", ""), ("errors>0", "it is broken")]), measured)


@pytest.mark.parametrize("ramp", [True, False])
def test_a_page_is_whole_and_alone(ramp: bool) -> None:
    """Its elements are closed, nothing is fetched from anywhere, no script runs, no key is told; budgets are there."""
    plan = plan_of(50.0, 100.0, ramp=ramp)
    measured = measured_of(plan, [1.0] * 90, [3.0] * 180) if ramp else measured_of(plan, [1.0] * 90)
    text = page(measured, plan, HOSTILE)
    parser = _Balanced()
    parser.feed(text)
    parser.close()
    assert (parser.open, parser.links, "<script" in text, "SECRET" in text) == ([], [], False, False)
    assert "prefers-color-scheme: dark" in text
    assert "it is broken" in text
    assert "budget p99&gt;5ms holds" in text
    assert ("<b>knee</b>" in text) == ramp


def test_a_page_of_nothing_is_a_page() -> None:
    """When nothing was answered the page says so instead of failing."""
    plan = plan_of(50.0, 100.0)
    measured = Measured(plan, 1.0)
    play(measured, [], failed=["UNAVAILABLE"] * 3)
    text = page(measured, plan)
    assert "UNAVAILABLE" in text
    assert "No knee" in text


def test_every_number_of_a_chart_is_within_it() -> None:
    """No point, tick or name lies outside of the drawing, even with gaps and one-point lines."""
    lines = [
        Line("p50", "p50", [(0.0, 1.0), (1.0, None), (2.0, 3.0)]),
        Line("max", "max", [(0.0, 900.0), (1.0, 2.0), (2.0, 3.01)]),
    ]
    svg = charts.draw(Chart("t", "d", lines, "x", "y"), charts.seconds, charts.milliseconds)
    pairs = [
        (float(x), float(y))
        for run in re.findall(r'points="([^"]+)"', svg)
        for x, y in re.findall(r"([\d.]+),([\d.]+)", run)
    ]
    assert len(pairs) == 2 + 2 + 3
    assert all(charts.LEFT <= x <= charts.WIDTH and 0 <= y <= 340 for x, y in pairs)
    assert charts.draw(Chart("t", "d", [], "x", "y"), charts.seconds, charts.milliseconds) == ""


def test_names_at_the_ends_of_lines_do_not_overlap() -> None:
    """Names are a label's height apart, whether lines end together at the top, the bottom or between."""
    for ends in ([100.0, 100.0, 100.0], [290.0, 295.0, 296.0], [40.0, 41.0, 200.0]):
        apart = charts._apart(ends, 42.0, 296.0)
        assert all(b - a >= charts.LABEL - 1e-9 for a, b in pairwise(apart))
        assert 42.0 <= apart[0] <= apart[-1] <= 296.0


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.6, 8.0, ["0.5", "1", "2", "5", "10"]),
        (0.6, 900.0, ["0.1", "1", "10", "100", "1,000"]),
        (1.0, 1.0, ["1", "2"]),
    ],
)
def test_log_axes_have_few_round_ticks(low: float, high: float, ticks: list[str]) -> None:
    """Whole decades, or 1, 2 and 5 of them when there are few; the data lies between the ends."""
    axis = charts.milliseconds(low, high, 0.0, 100.0)
    assert [text for _, text in axis.ticks] == ticks
    assert axis.low <= low <= high <= axis.high
    assert axis(axis.low) == 0.0
    assert axis(axis.high) == pytest.approx(100.0)


def test_linear_axes_have_few_round_ticks() -> None:
    """At most six steps of 1, 2, 2.5 or 5, from 0 to the first at or above the highest value."""
    axis = scales.from_zero(1_280.0, 100.0, 0.0, lambda value: f"{value:g}")
    assert [text for _, text in axis.ticks] == ["0", "250", "500", "750", "1000", "1250", "1500"]
    assert axis(0.0) == 100.0


def test_percentile_axes_have_a_tick_a_nine() -> None:
    """90%, 99% and 99.9% are equally far apart."""
    axis = charts.percentiles(1.0, 20_000.0, 0.0, 100.0)
    assert [text for _, text in axis.ticks] == ["0%", "50%", "90%", "99%", "99.9%", "99.99%"]
    at = [axis(10.0**nines) for nines in (1, 2, 3)]
    assert at[1] - at[0] == pytest.approx(at[2] - at[1])

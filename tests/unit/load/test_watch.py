"""Looking on."""

from __future__ import annotations

import io

from harness.loads import measured_of, plan_of
from maitred_server.load.latency import Latency
from maitred_server.load.summary import milliseconds
from maitred_server.load.watch import Lines, Screen, sparkline
from rich.console import Console


def test_a_line_comes_every_three_seconds() -> None:
    """Where there is no terminal a line tells of the newest second, now and then, by the clock."""
    measured, times = measured_of(plan_of(10.0, ramp=False), [1.0] * 18), iter([0.0, 2.9, 3.1, 3.1, 5.0])
    said: list[str] = []
    lines = Lines(said.append, lambda: next(times))
    for _ in range(3):
        lines.see(measured)
    assert said == ["      1 s  wanted 10/s, answered 7/s; ms: p50 1.00 p90 1.00 p99 1.00 p99.9 1.00 max 1.00"]


def test_the_screen_shows_the_last_second_and_all() -> None:
    """The live view has rates, percentiles and statuses."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    with Screen(console) as screen:
        screen.see(measured_of(plan_of(10.0, ramp=False), [1.0] * 18))
    shown = text.getvalue()
    assert [word in shown for word in ("wanted/s", "p99.9 ms", "OK 18", "overall")] == [True] * 4


def test_a_sparkline_has_a_bar_a_value() -> None:
    """Bars are as high as their share of the highest; nothing measured is flat."""
    assert sparkline([0.0, 1.0, 4.0, 8.0]) == "▁▂▅█"
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_latencies_have_three_figures() -> None:
    """Milliseconds are shown as precisely as they are kept."""
    assert [milliseconds(us) for us in (52, 1_234, 12_345, 123_456, 5_000_000)] == [
        "0.05",
        "1.23",
        "12.3",
        "123",
        "5,000",
    ]


def test_a_distribution_is_written_as_others_read_it() -> None:
    """The .hgrm text has HdrHistogram's columns, in milliseconds, up to the whole."""
    latency = Latency()
    for ms in range(1, 101):
        latency.record(ms / 1000)
    lines = latency.hgrm().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    rows = [line.split() for line in lines[2:] if line[:1] != "#"]
    assert [float(rows[-1][0]), float(rows[-1][1]), int(rows[-1][2])] == [100.031, 1.0, 100]
    assert lines[-2].startswith("#[Max     =      100.031, TotalCount     =      100.000]")

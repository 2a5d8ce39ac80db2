"""The visits cut into stretches of time, for the chart of the hit rate over the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from maitred_tools.demo.charts import Line, Point
from maitred_tools.demo.groceries import LOCAL_OFFSET_MS, Ints
from maitred_tools.demo.tally import POLICIES, Columns

_DAY_MS = 86_400_000


def edges(at_ms: Ints) -> Ints:
    """Limits of equal windows over all visits: at least two, of about a week (two weeks beyond twenty weeks)."""
    first, last = int(at_ms.min()), int(at_ms.max())
    weeks = (last - first) / (7 * _DAY_MS)
    windows = max(2, round(weeks if weeks <= 20 else weeks / 2))
    return np.linspace(first, last + 1, windows + 1).astype(np.int64)


def lines(columns: Columns) -> list[Line]:
    """One line for each policy that served anybody: the hit rate in each window, with its interval."""
    limits = edges(columns.at_ms)
    every = (Line(policy, _points(columns.of(policy), policy, limits)) for policy in POLICIES)
    return [line for line in every if line.points]


def _points(columns: Columns, policy: str, limits: Ints) -> list[Point]:
    points = []
    for start, end in zip(limits[:-1].tolist(), limits[1:].tolist(), strict=True):
        found = columns.where((columns.at_ms >= start) & (columns.at_ms < end)).precision()
        if found.visits:
            label = (
                f"{policy}, {day(start)} to {day(end - 1)}: {found.value:.1%} ({found.low:.1%} to {found.high:.1%}), "
                f"{found.visits:,} visits of {found.households:,} households"
            )
            points.append(Point((start + end) / 2, found.value, found.low, found.high, label))
    return points


def ticks(columns: Columns) -> list[tuple[float, str]]:
    """The months that begin between the first and the last point; just these two when that is under two months."""
    limits = edges(columns.at_ms)
    first, last = float(limits[:2].mean()), float(limits[-2:].mean())
    months = [(at, _local(at).strftime("%b")) for at in _months(first, last)]
    return months if len(months) > 1 else [(first, day(first)), (last, day(last))]


def day(at_ms: float) -> str:
    """The local date, as in "3 Apr 2017"."""
    return f"{_local(at_ms):%-d %b %Y}"


def _months(first: float, last: float) -> list[float]:
    month, starts = _local(first).replace(day=1, hour=0, minute=0, second=0, microsecond=0), []
    while (at := month.timestamp() * 1000 - LOCAL_OFFSET_MS) <= last:
        starts.append(at)
        month = (month + timedelta(days=32)).replace(day=1)
    return [at for at in starts if at >= first]


def _local(at_ms: float) -> datetime:
    """The wall clock of the shops, carried as if it were UTC."""
    return datetime.fromtimestamp((at_ms + LOCAL_OFFSET_MS) / 1000, tz=UTC)

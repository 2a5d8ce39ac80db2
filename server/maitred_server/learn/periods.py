"""Days become weeks, and weeks months, as they grow old: what fades slowly need not be told apart by the day.

A week is seven days and a month four weeks, counted from the beginning of time, so that each is whole in the next. The
day that stands for a period is in its middle.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

WEEK: Final = 7
MONTH: Final = 28
DAYS_APART: Final = 14  # so long days are kept apart, at least
WEEKS_APART: Final = 84


def period(day: int, today: int) -> int:
    """The day that stands for a day. Once a day is in a period it stays there, or in the one around it."""
    month, week = day // MONTH * MONTH, day // WEEK * WEEK
    if today - (month + MONTH - 1) > WEEKS_APART:
        return month + MONTH // 2
    return week + WEEK // 2 if today - (week + WEEK - 1) > DAYS_APART else day


def rolled(days: Iterable[int], today: int) -> dict[int, int]:
    """The days that another one stands for by now."""
    return {day: to for day in days if (to := period(day, today)) != day}

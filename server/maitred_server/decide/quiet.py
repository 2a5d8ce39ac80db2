"""Quiet hours: times of day, where the subject is, at which nothing is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from maitred_server.decide.view import View
from maitred_server.playbook.control import QuietHours
from maitred_server.policy.base import Bools

MINUTE_MS: Final = 60_000
DAY_MINUTES: Final = 1_440
STEP_MS: Final = 15 * MINUTE_MS  # clocks are put forward and back at quarters of an hour


class LocalTime(NamedTuple):
    """The time of day in a zone."""

    minute: int  # since midnight
    zone: str

    def __str__(self) -> str:
        return f"{clock(self.minute)} in {self.zone}"


class Quiet(NamedTuple):
    """Quiet hours that reach a placement."""

    hours: QuietHours
    rows: Bools  # bool[m]: what they are about

    def is_now(self, view: View, now: int, channel: str) -> bool:
        """Whether they hold at a moment (ms), for what is shown through a channel."""
        channels = self.hours.scope.channels
        return (not channels or channel in channels) and is_within(self.hours, self.local_time(view, now).minute)

    def local_time(self, view: View, now: int) -> LocalTime:
        """In the subject's zone, as far as it may be seen and is one; else in that of the quiet hours."""
        for source in self.hours.zone_from:
            root, _, name = source.partition(".")
            zone = (view.subject if root == "subject" else view.context).get(name)
            if isinstance(zone, str) and (offset := offset_ms(zone, now // STEP_MS)) is not None:
                return LocalTime(_minute(now + offset), zone)
        return LocalTime(_minute(now + (offset_ms(self.hours.zone, now // STEP_MS) or 0)), self.hours.zone)


def is_within(hours: QuietHours, minute: int) -> bool:
    """Whether a minute of the day is in quiet hours, which may go over midnight."""
    if hours.begin <= hours.end:
        return hours.begin <= minute < hours.end
    return minute >= hours.begin or minute < hours.end


def _minute(local_ms: int) -> int:
    return local_ms // MINUTE_MS % DAY_MINUTES


@lru_cache(maxsize=4_096)
def offset_ms(zone: str, step: int) -> int | None:
    """How far a zone's clocks were ahead of UTC in a quarter of an hour since 1970; None: there is no such zone."""
    try:
        offset = datetime.fromtimestamp(step * STEP_MS / 1_000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    except (KeyError, ValueError, OSError):  # names that are folders or paths are tried as files
        return None
    return None if offset is None else int(offset.total_seconds() * 1_000)


def clock(minute: int) -> str:
    """A minute of the day as people write it."""
    return f"{minute // 60:02}:{minute % 60:02}"

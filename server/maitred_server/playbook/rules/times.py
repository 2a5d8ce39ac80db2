"""Moments and durations as CEL has them. Both are integers, nanoseconds; moments since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from maitred_server.playbook.rules.errors import Failure

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
FIRST: Final = -62_135_596_800 * SECOND  # 0001-01-01T00:00:00Z
LAST: Final = 253_402_300_800 * SECOND - 1  # 9999-12-31T23:59:59.999999999Z
LONGEST: Final = 315_576_000_001 * SECOND - 1  # ten thousand years
_CYCLE: Final = 146_097 * 86_400  # the calendar repeats after 400 years
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = 2**63
_UNITS: Final = {"h": 3600 * SECOND, "m": 60 * SECOND, "s": SECOND, "ms": MILLISECOND, "us": 1000, "ns": 1}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|ns)", re.ASCII)
_DURATION: Final = re.compile(rf"([+-]?)((?:{_PART.pattern})+|0)", re.ASCII)
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_OFFSET: Final = re.compile(r"([+-]?)(\d{1,4}):(\d{1,4})", re.ASCII)


class Civil(NamedTuple):
    """A moment on a calendar and a clock; month and weekday from 1, Monday is 1."""

    year: int
    month: int
    day: int
    weekday: int
    yearday: int
    hour: int
    minute: int
    second: int


def moment(ns: int) -> int:
    """A moment in the range of moments. Raises Failure."""
    if FIRST <= ns <= LAST:
        return ns
    raise Failure("a moment before year 1 or after year 9999")


def difference(ns: int) -> int:
    """What lies between two moments: at most 292 years. Raises Failure."""
    if -_INT64 <= ns < _INT64:
        return ns
    raise Failure("a duration of more than 292 years")


def parse_moment(text: str) -> int:
    """RFC 3339. Raises Failure."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise Failure(f"`{text}` is no moment; write it like 2030-12-31T23:59:00Z")
    day, clock, fraction, zone = found.groups()
    zone = "+00:00" if zone in "Zz" else zone
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{zone}")
    except ValueError:
        raise Failure(f"`{text}` is no moment: there is no such day or time") from None
    return moment(_ns(whole - _EPOCH) + int((fraction or "").ljust(9, "0")))


def _ns(span: timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * SECOND + span.microseconds * 1000


def parse_duration(text: str) -> int:
    """Numbers with units, like `1h30m`. Raises Failure."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Failure(f"`{text}` is no duration; write it like 36h, 90m or 1h30m (units: h, m, s, ms, us, ns)")
    ns = sum(Fraction(part) * _UNITS[unit] for part, unit in _PART.findall(found[2]))
    if Fraction(ns).denominator != 1 or ns > LONGEST:
        raise Failure(f"`{text}` is no whole number of nanoseconds below ten thousand years")
    return int(-ns if found[1] == "-" else ns)


@lru_cache(maxsize=64)
def civil(ns: int, zone: str = "UTC") -> Civil:
    """A moment in a time zone: an IANA name, or an offset such as +02:00; "" is UTC. Raises Failure.

    The last few are kept: the rules of one decision ask many times for the same.
    """
    found = _zone(zone)
    if found is None:
        raise Failure("an unknown time zone")
    where, shift = found
    seconds, cycles = ns // SECOND + shift, 0
    if not -62_000_000_000 < seconds < 253_000_000_000:  # the zone may lead out of Python's years
        cycles = -1 if seconds < 0 else 1
        seconds -= cycles * _CYCLE
    local = (_EPOCH + timedelta(seconds=seconds)).astimezone(where)
    year, month, day, hour, minute, second, weekday, yearday, _ = local.timetuple()
    return Civil(year + 400 * cycles, month, day, weekday + 1, yearday, hour, minute, second)


@lru_cache(maxsize=1024)
def _zone(name: str) -> tuple[tzinfo, int] | None:
    """The zone, and seconds to add before."""
    if name == "":
        return UTC, 0
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        seconds = int(offset[2]) * 3600 + int(offset[3]) * 60
        return UTC, -seconds if offset[1] == "-" else seconds
    try:
        return ZoneInfo(name), 0
    except (OSError, ValueError, KeyError):  # what a name that is none, or no file of zones, raises
        return None


def seconds_of(ns: int) -> int:
    """Whole seconds of a duration, towards zero."""
    return towards_zero(ns, SECOND)


def towards_zero(value: int, by: int) -> int:
    """A quotient without its fraction, as CEL and C divide."""
    quotient = abs(value) // abs(by)
    return quotient if (value < 0) == (by < 0) else -quotient

"""Checks of single fields: those of the wire, made quick for values that come again and again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TypeVar

from maitred_server.errors import InvalidRequest
from maitred_server.importing.rows import Defaults, Plain, RawTime, Row, ValuePart
from maitred_server.model import Kind, Value
from maitred_server.rpc import convert

KINDS = {kind.name.lower(): kind for kind in Kind}
DAY_MS = 86_400_000
SHORTEST_MS = 11  # digits: fewer are a year, a date or seconds

name = lru_cache(maxsize=65_536)(convert.name)
T = TypeVar("T")


def optional(text: str, field: str) -> str:
    """A name that may be missing."""
    return name(text, field) if text else ""


def one_of(known: Mapping[str, T], text: str, field: str) -> T:
    """What a word stands for."""
    found = known.get(text)
    if found is None:
        found = known.get(text.lower())
    if found is None:
        raise InvalidRequest(f"{field} must be one of {', '.join(known)}", field)
    return found


def kind(text: str, defaults: Defaults) -> Kind:
    """The kind of a subject by its name."""
    return one_of(KINDS, text, "kind") if text else defaults.kind


def moment(raw: RawTime, field: str, zone: tzinfo = UTC) -> int:
    """Milliseconds since the epoch of a number of them, or of ISO 8601; `zone`: of what names none."""
    if isinstance(raw, str):
        raw = _parsed(raw, field, zone)
    if raw is None:
        raise InvalidRequest(f"{field} is missing", field)
    return convert.moment(raw, field)


def _parsed(text: str, field: str, zone: tzinfo) -> int:
    if len(text) >= SHORTEST_MS and text.isdecimal():
        return int(text[:18])
    try:
        return in_ms(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{field} must be ISO 8601 or milliseconds since 1970", field) from None


def in_ms(when: datetime, zone: tzinfo) -> int:
    """Milliseconds since the epoch. Raises OverflowError."""
    if when.tzinfo is None:
        when = when.replace(tzinfo=zone)
    return round(when.timestamp() * 1000)


def occurred(raw: RawTime, now: int) -> int:
    """When something happened: after 1970, and at most a day from now."""
    at = moment(raw, "time")
    if at <= 0:
        raise InvalidRequest("time must be after 1970", "time")
    return not_ahead(at, now, "time")


def not_ahead(at: int, now: int, field: str) -> int:
    """A time that is not more than a day in the future."""
    if at > now + DAY_MS:
        raise InvalidRequest(f"{field} is more than a day in the future", field)
    return at


def value(plain: Plain | ValuePart | None, field: str) -> Value | None:
    """An attribute's or a trait's value as it is kept; None: there is none."""
    if isinstance(plain, ValuePart):
        return _of_part(plain, field)
    return None if plain is None else convert.plain_value(plain, field)


def _of_part(part: ValuePart, field: str) -> Value | None:
    if isinstance(part.time, int | str):
        return moment(part.time, f"{field}.time")
    if isinstance(part.value, bool | float | str | list):
        return convert.plain_value(part.value, f"{field}.value")
    if part.value is None:
        return None
    raise InvalidRequest(f"{field} has neither value nor time", field)


def told_by(row: Row, defaults: Defaults) -> tuple[str, str, str]:
    """Source, touchpoint and purpose."""
    return (
        optional(row.source, "source") or defaults.source,
        optional(row.touchpoint, "touchpoint") or defaults.touchpoint,
        optional(row.purpose, "purpose") or defaults.purpose,
    )

"""Refuses wrong arguments before anything is sent. Limits are those of the wire's own comments."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from numbers import Real

from .errors import InvalidArgument

MAX_SUBJECT_BYTES = 256
MAX_NAME_BYTES = 128
MAX_TEXT_BYTES = 1024
MAX_TEXTS = 64
MAX_CONTEXT_KEYS = 64
MAX_PLACEMENTS = 16
MAX_SLOTS = 50
MAX_ALIASES = 8
MAX_ATTRIBUTES = 32
MAX_TRAITS = 64
MAX_CONSENTS = 32
MAX_OVERRIDES = 101
MAX_QUANTITY = 2**32 - 1
MOST_NAMES = 4_096
_GOOD_NAMES: set[str] = set()  # names that were checked: the same few come again and again
RESERVED_PURPOSES = ("not-for-me:", "intensity:")

_FIRST_MS = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LAST_MS = int(datetime(2201, 1, 1, tzinfo=UTC).timestamp() * 1000) - 1


def text(argument: str, value: object, most: int, *, empty: bool = False) -> str:
    """A text of at most `most` bytes in UTF-8."""
    if not isinstance(value, str):
        raise InvalidArgument(argument, f"must be a text, not {type(value).__name__}")
    if not value and not empty:
        raise InvalidArgument(argument, "must not be empty")
    if len(value) * 4 > most and _utf8_size(argument, value) > most:
        raise InvalidArgument(argument, f"is longer than {most} bytes")
    if not value.isascii():
        _utf8_size(argument, value)
    return value


def name(argument: str, value: object, *, empty: bool = False) -> str:
    """A name: a text of at most 128 bytes without control characters."""
    if value.__class__ is str and value in _GOOD_NAMES:
        return value
    checked = text(argument, value, MAX_NAME_BYTES, empty=empty)
    if not checked.isprintable() and any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in checked):
        raise InvalidArgument(argument, "must not contain control characters")
    if checked and len(_GOOD_NAMES) < MOST_NAMES:
        _GOOD_NAMES.add(checked)
    return checked


def purpose(argument: str, value: object, *, empty: bool = False) -> str:
    """A name of a purpose: some are the server's own."""
    checked = name(argument, value, empty=empty)
    if checked.startswith(RESERVED_PURPOSES):
        raise InvalidArgument(argument, f"must not begin with {' or '.join(RESERVED_PURPOSES)}")
    return checked


def subject_id(argument: str, value: object) -> str:
    """A subject's id: 1 to 256 bytes."""
    return text(argument, value, MAX_SUBJECT_BYTES)


def number(argument: str, value: object) -> float:
    """A finite number."""
    if value.__class__ is float and math.isfinite(value):
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidArgument(argument, f"must be a number, not {type(value).__name__}")
    try:
        checked = float(value)
    except OverflowError:
        checked = math.inf
    if not math.isfinite(checked):
        raise InvalidArgument(argument, "must be finite")
    return checked


def whole(argument: str, value: object, least: int, most: int) -> int:
    """A whole number in a range, both ends included."""
    if isinstance(value, bool):
        raise InvalidArgument(argument, "must be a whole number, not bool")
    try:
        checked = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArgument(argument, f"must be a whole number, not {type(value).__name__}") from None
    if not least <= checked <= most:
        raise InvalidArgument(argument, f"must be from {least} to {most}")
    return checked


def moment(argument: str, value: object) -> int:
    """A time as milliseconds since the epoch, from an aware datetime or from such milliseconds."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidArgument(argument, "is a datetime without a time zone")
        value = round(value.timestamp() * 1000)
    return whole(argument, value, _FIRST_MS, _LAST_MS)


def mapping(argument: str, value: object, most: int) -> Mapping[str, object]:
    """A mapping by name, of at most `most` keys."""
    if not isinstance(value, Mapping):
        raise InvalidArgument(argument, f"must be a mapping, not {type(value).__name__}")
    if len(value) > most:
        raise InvalidArgument(argument, f"has more than {most} keys")
    for key in value:
        name(f"{argument} key", key)
    return value


def overrides(value: object) -> dict[str, str]:
    """Arms by layer; "" is no arm."""
    arms = mapping("overrides", value, MAX_OVERRIDES)
    return {layer: name(f"overrides[{layer!r}]", arm, empty=True) for layer, arm in arms.items()}


def sequence(argument: str, value: object, most: int) -> Sequence[object]:
    """A list or tuple of at most `most` things."""
    if not isinstance(value, (list, tuple)):
        raise InvalidArgument(argument, f"must be a list, not {type(value).__name__}")
    if len(value) > most:
        raise InvalidArgument(argument, f"has more than {most} members")
    return value


def seconds(argument: str, value: object) -> float:
    """A span of time, above 0."""
    checked = number(argument, value)
    if checked <= 0:
        raise InvalidArgument(argument, "must be above 0")
    return checked


def _utf8_size(argument: str, value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(argument, "is not valid Unicode") from None

"""What may stand in a field: names, texts, durations, shares, attributes, content; each check says what is right."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from maitred_server.model import Value

NAME_BYTES: Final = 128
TEXT_BYTES: Final = 1024
ENTRY_BYTES: Final = 256
MOST_ENTRIES: Final = 64
CONTENT_BYTES: Final = 16 * 1024
MOST_SLOTS: Final = 50
MOST_GROUPS: Final = 16
MOST_ATTRIBUTES: Final = 32
MOST_VARIANTS: Final = 32
SHARE_POINTS: Final = 10_000
MOST_HOLDOUT: Final = 0.5
LONGEST_DURATION_MS: Final = 30 * 86_400_000
LONGEST_WINDOW_MS: Final = 366 * 86_400_000

MOST_CONTEXT_DIMENSIONS: Final = 8
MOST_BANDS: Final = 20
# What a report can be cut by anyway.
RESERVED_DIMENSIONS: Final = (
    "stage",
    "value_band",
    "arm",
    "placement",
    "policy",
    "reason",
    "segment",
    "merged",
    "overridden",
)

KNOWN_POLICIES: Final = ("fixed", "uniform", "popular", "habit", "inverse_gap", "thompson", "epsilon", "greedy")

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def check_name(text: str) -> str:
    """The same rule as on the wire: 1 to 128 bytes of UTF-8 without control characters. Raises ValueError."""
    if not text:
        raise ValueError("a name has at least one character")
    if len(_encoded(text)) > NAME_BYTES:
        raise ValueError(f"a name has at most {NAME_BYTES} bytes")
    if text != text.strip():
        raise ValueError("a name neither begins nor ends with a space")
    if not text.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in text):
        raise ValueError("a name has no control characters")
    return text


def variant_name(text: str) -> str:
    """As `check_name`, but the only variant of an item has none."""
    return check_name(text) if text else text


def milliseconds(text: str, longest_ms: int = LONGEST_DURATION_MS) -> int:
    """A duration such as `30s` in milliseconds. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is a whole number and ms, s, m, h or d, e.g. `30s` or `5m`")
    amount = int(match[1]) * _UNIT_MS[match[2]]
    if amount > longest_ms:
        raise ValueError(f"a duration is at most {longest_ms // _UNIT_MS['d']}d")
    return amount


def _duration(text: str) -> str:
    milliseconds(text)
    return text


def _window(text: str) -> str:
    if milliseconds(text, LONGEST_WINDOW_MS) == 0:
        raise ValueError("this duration is more than 0")
    return text


def _locale(text: str) -> str:
    if _LOCALE.fullmatch(text) is None:
        raise ValueError("a locale is a language, and perhaps a region, e.g. `de` or `de-CH`")
    return text


def points(share: float) -> int:
    """A share as a number of 10,000ths. Raises ValueError when it does not fit."""
    if not 0 <= share <= 1:
        raise ValueError(f"a share is from 0 to 1; write {share / 100:g} for {share:g} %")
    number = round(share * SHARE_POINTS)
    if not math.isclose(number, share * SHARE_POINTS, abs_tol=1e-7):
        raise ValueError("a share has at most 4 digits after the point, e.g. 0.25 or 0.0005")
    return number


def _dimension(name: str) -> str:
    if name in RESERVED_DIMENSIONS:
        raise ValueError(f"`{name}` is kept for every decision anyway; it is no key of the context here")
    return name


def _share(share: float) -> float:
    return points(share) / SHARE_POINTS


def attribute(value: object) -> Value:
    """An attribute as it is kept: numbers as float, lists as tuples. Raises ValueError."""
    match value:
        case bool():
            return value
        case int() | float():
            return _number(value)
        case str():
            return _text(value, TEXT_BYTES)
        case list():
            return _texts(value)
    raise ValueError("an attribute is a text, a number, true or false, or a list of texts")


def choice(value: object) -> Value:
    """One value that will do: as `attribute`, but no list. Raises ValueError."""
    if isinstance(value, list):
        raise ValueError("a text, a number, true or false is asked for here, not a list")
    return attribute(value)


def _number(value: float) -> float:
    if not math.isfinite(value) or abs(value) > 1e300:
        raise ValueError("a number is finite")
    return float(value)


def _text(text: object, most_bytes: int) -> str:
    if not isinstance(text, str):
        raise ValueError("a list holds texts only; write numbers in quotes")
    if len(_encoded(text)) > most_bytes:
        raise ValueError(f"this text has at most {most_bytes:,} bytes")
    return text


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("this text holds half a character (a lone surrogate)") from None


def _texts(entries: list[object]) -> tuple[str, ...]:
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"a list has at most {MOST_ENTRIES} texts")
    return tuple(_text(entry, ENTRY_BYTES) for entry in entries)


class Encoded(NamedTuple):
    """Content as it is sent. `is_text`: it was written as a text, not as what becomes JSON."""

    data: bytes
    is_text: bool


def encoded(value: object) -> Encoded:
    """Content that is a text, a mapping or a list. Raises ValueError for any other, and when it is too long."""
    if not isinstance(value, str | dict | list):
        raise ValueError("content is a text, or a mapping or a list that is sent as JSON")
    is_text = isinstance(value, str)
    data = _encoded(value if isinstance(value, str) else _json(value))
    if len(data) > CONTENT_BYTES:
        raise ValueError(f"content has at most {CONTENT_BYTES:,} bytes; this has {len(data):,}")
    return Encoded(data, is_text)


def _json(value: object) -> str:
    try:
        return _ENCODER.encode(value)
    except ValueError:
        raise ValueError("content holds a number that is not finite") from None


Name: TypeAlias = Annotated[str, AfterValidator(check_name), Field(min_length=1, max_length=NAME_BYTES)]
Description: TypeAlias = Annotated[str, Field(max_length=2_000)]
Duration: TypeAlias = Annotated[
    str, AfterValidator(_duration), WithJsonSchema({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
]
Window: TypeAlias = Annotated[
    str, AfterValidator(_window), WithJsonSchema({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
]
Share: TypeAlias = Annotated[
    float, AfterValidator(_share), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
Unit: TypeAlias = Literal["subject", "person", "household", "device", "session"]
Automation: TypeAlias = Literal["fixed", "logging_only", "apprentice", "online"]
Dimension: TypeAlias = Annotated[Name, AfterValidator(_dimension)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
SubjectKind: TypeAlias = Literal["person", "household", "device", "session"]
Factor: TypeAlias = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Locale: TypeAlias = Annotated[
    str, AfterValidator(_locale), WithJsonSchema({"type": "string", "pattern": _LOCALE.pattern, "examples": ["de-CH"]})
]
Names: TypeAlias = Annotated[list[Name], Field(max_length=1_000)]
Attribute: TypeAlias = Annotated[Any, PlainValidator(attribute, json_schema_input_type=bool | float | str | list[str])]
OneValue: TypeAlias = Annotated[Any, PlainValidator(choice, json_schema_input_type=bool | float | str)]
Values: TypeAlias = Annotated[list[OneValue], Field(min_length=1, max_length=MOST_ENTRIES)]
Content: TypeAlias = Annotated[Any, PlainValidator(encoded, json_schema_input_type=str | dict[str, Any] | list[Any])]


class Part(BaseModel):
    """A mapping in a file. Unknown keys are mistakes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

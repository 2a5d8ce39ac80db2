"""A playbook's values in words: as people write them in its files, not as they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec.structs import FieldInfo

from maitred_server.playbook.nouns import Reference

LONGEST: Final = 200  # characters of one value
MOST_LISTED: Final = 8
SILENT: Final = frozenset({"plan", "timeless", "warnings", "mentions"})  # follow from others, or are not in the files

# Fields that are called otherwise in the files. What is not here is called as the field.
LABELS: Final = {
    "expression": "if",
    "scope": "for",
    "suppress_ms": "suppress for",
    "begin": "from",
    "end": "to",
    "every_item": "all items",
}
NOTHING: Final = {"unit": "`subject`"}  # what a missing value stands for
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


def label(field: str) -> str:
    """What a field is called: `window_ms` is "window"."""
    return LABELS.get(field) or field.removesuffix("_ms").replace("_", " ")


def singular(words: str, of: type | None = None) -> str:
    """One of many: "contact policies" is "contact policy". `of`: the noun's type, whose name may be the plural."""
    if of is not None and of.__name__.lower() == words.replace(" ", ""):
        return words
    if words.endswith("ies"):
        return f"{words[:-3]}y"
    return words.removesuffix("s")


def told(field: str, value: object) -> str:
    """A value as people write it: durations `7d`, shares `25%`, times of day `21:00`, texts in backquotes."""
    if value is None or value == "" or (isinstance(value, tuple | dict | bytes) and not value):
        return NOTHING.get(field, "nothing")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return f"`{value.name.lower()}`"
    if isinstance(value, int | float):
        return _number(field, value)
    if isinstance(value, str | bytes):
        return f"`{shortened(_text(value))}`"
    return _several(field, value)


def _number(field: str, value: int | float) -> str:
    if field.endswith("_ms"):
        return duration(int(value))
    if field == "share":
        return f"{value * 100:g}%"
    if field in ("begin", "end"):
        return f"{int(value) // 60:02}:{int(value) % 60:02}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.15g}"


def _several(field: str, value: object) -> str:
    if isinstance(value, Reference):
        return f"`{value.name}`"
    if isinstance(value, msgspec.Struct):
        return described(value, named=False)
    if isinstance(value, Mapping):
        return listed(f"`{name}` {told(field, one)}" for name, one in value.items())
    if isinstance(value, tuple):
        return listed(_element(field, one) for one in value)
    return shortened(str(value))


def _element(field: str, value: object) -> str:
    is_noun = isinstance(value, msgspec.Struct) and not isinstance(value, Reference)
    return f"{quoted(name_of(value))}({described(value)})" if is_noun else told(field, value)


def listed(texts: Iterable[str]) -> str:
    """Texts after each other, the first few of them."""
    every = list(texts)
    more = f" and {len(every) - MOST_LISTED:,} more" if len(every) > MOST_LISTED else ""
    return f"{', '.join(every[:MOST_LISTED])}{more}"


def described(noun: Any, named: bool = True) -> str:
    """All that a noun says, beyond its name when it has one: what is as it always is goes without saying."""
    said = (f"{label(field.name)} {told(field.name, value)}" for field, value in _said(noun, named))
    return "; ".join(said)


def _said(noun: msgspec.Struct, named: bool) -> Iterator[tuple[FieldInfo, object]]:
    for field in spoken(type(noun))[named:]:
        value = getattr(noun, field.name)
        if value != field.default and value is not False and value not in ("", b"", (), {}, None):
            yield field, value


def spoken(of: type[msgspec.Struct]) -> list[FieldInfo]:
    """The fields that people write."""
    return [field for field in msgspec.structs.fields(of) if field.name not in SILENT]


def name_of(noun: Any) -> str:
    """What tells a noun from its like: its first field."""
    first = getattr(noun, type(noun).__struct_fields__[0])
    return first.name.lower() if isinstance(first, Enum) else str(first)


def quoted(name: str) -> str:
    """A name before other words; nothing for what has none."""
    return f"`{name}` " if name else ""


def duration(milliseconds: int) -> str:
    """As in the files: a whole number and the largest unit that does."""
    for unit, size in _UNITS:
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def shortened(text: str, longest: int = LONGEST) -> str:
    """On one line, and no longer than anyone reads."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= longest else f"{one_line[: longest - 3]}..."


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

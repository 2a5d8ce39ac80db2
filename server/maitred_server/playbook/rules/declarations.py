"""What a rule may name: traits, attributes of the request and of items, and segments, each with its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from maitred_server.model import Value

TypeName: TypeAlias = Literal["text", "number", "whole", "flag", "texts", "time"]

# What every rule may read besides what is declared.
BUILT_IN: Final[Mapping[str, Mapping[str, TypeName]]] = {
    "subject": {"segments": "texts", "kind": "text"},
    "context": {},
    "item": {"id": "text", "groups": "texts"},
}
# Names that cannot be declared, by root.
RESERVED: Final[Mapping[str, frozenset[str]]] = {root: frozenset(names) for root, names in BUILT_IN.items()}
KINDS: Final = ("person", "household", "device", "session")

CEL_TYPES: Final[Mapping[TypeName, str]] = {
    "text": "string",
    "number": "double",
    "whole": "int",
    "flag": "bool",
    "texts": "list(string)",
    "time": "timestamp",
}

WHOLE_LIMIT: Final = 2.0**63
FIRST_MS: Final = -62_135_596_800_000  # 0001-01-01T00:00:00Z
LAST_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_PLAIN: Final = {"text": str, "flag": bool, "texts": tuple}


class Declarations(msgspec.Struct, frozen=True):
    """Names with their types, by where they are read: `subject.NAME`, `context.NAME`, `item.NAME`; and segments."""

    subject: dict[str, TypeName] = {}
    context: dict[str, TypeName] = {}
    item: dict[str, TypeName] = {}
    segments: tuple[str, ...] = ()

    def of(self, root: str) -> dict[str, TypeName]:
        """All names of a root, those built in too."""
        declared: dict[str, TypeName] = getattr(self, root)
        return {**declared, **BUILT_IN[root]}


def typed(raw: Mapping[str, Value], declared: Mapping[str, TypeName]) -> dict[str, object]:
    """The values that rules see: those that are declared, and are of the type they were declared with.

    What is undeclared or of another type is left out: to a rule it is absent. `number`: a float that is a number
    (NaN is absent, -0.0 is 0.0); `whole`: a float without a fraction within 64 bits, given as int; `time`: int,
    milliseconds since the epoch, of the years 1 to 9999.
    """
    found: dict[str, object] = {}
    for name, value in raw.items():
        want = declared.get(name)
        if want is None:
            continue
        kind = type(value)
        if _PLAIN.get(want) is kind:
            found[name] = value
        elif want == "number" and kind is float and value == value:
            found[name] = value + 0.0  # type: ignore[operator] # -0.0 is 0.0
        elif want == "whole" and kind is float and is_whole(value):  # type: ignore[arg-type]
            found[name] = int(value)  # type: ignore[arg-type]
        elif want == "time" and kind is int and FIRST_MS <= value <= LAST_MS:  # type: ignore[operator]
            found[name] = value
    return found


def is_whole(value: float) -> bool:
    """Whether a float is an int of 64 bits."""
    return -WHOLE_LIMIT <= value < WHOLE_LIMIT and value.is_integer()

"""The files of a playbook, as pydantic models: what may be written where. Their JSON Schema is published from here."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Collection
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import models_json_schema

from maitred_server.model import Dimensions, Value, ValueBands, Variant

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

KNOWN_POLICIES: Final = ("fixed", "uniform", "popular", "habit")
AUTOMATION: Final = ("fixed", "logging_only", "apprentice", "online")
UNITS: Final = ("subject", "person", "household", "device", "session")

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
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


def _variant_name(text: str) -> str:
    return check_name(text) if text else text


def milliseconds(text: str) -> int:
    """A duration such as `30s` in milliseconds. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is a whole number and ms, s, m, h or d, e.g. `30s` or `5m`")
    amount = int(match[1]) * _UNIT_MS[match[2]]
    if amount > LONGEST_DURATION_MS:
        raise ValueError("a duration is at most 30d")
    return amount


def _duration(text: str) -> str:
    milliseconds(text)
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
Share: TypeAlias = Annotated[
    float, AfterValidator(_share), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
Unit: TypeAlias = Literal["subject", "person", "household", "device", "session"]
Automation: TypeAlias = Literal["fixed", "logging_only", "apprentice", "online"]
Dimension: TypeAlias = Annotated[Name, AfterValidator(_dimension)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
SubjectKind: TypeAlias = Literal["person", "household", "device", "session"]
Attribute: TypeAlias = Annotated[Any, PlainValidator(attribute, json_schema_input_type=bool | float | str | list[str])]
OneValue: TypeAlias = Annotated[Any, PlainValidator(choice, json_schema_input_type=bool | float | str)]
Values: TypeAlias = Annotated[list[OneValue], Field(min_length=1, max_length=MOST_ENTRIES)]
Content: TypeAlias = Annotated[Any, PlainValidator(encoded, json_schema_input_type=str | dict[str, Any] | list[Any])]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ChosenCandidates(_Part):
    """The items of some groups, and some items by their ids."""

    groups: list[Name] = Field(default=[], max_length=1_000, description="All items of these groups.")
    items: list[Name] = Field(default=[], max_length=10_000, description="These items.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.groups or self.items):
            raise ValueError("nothing is chosen; name groups or items, or write `candidates: all`")
        return self


def _candidates_kind(value: object) -> str:
    return "chosen" if isinstance(value, dict | ChosenCandidates) else "all"


Candidates: TypeAlias = Annotated[
    Annotated[Literal["all"], Tag("all")] | Annotated[ChosenCandidates, Tag("chosen")], Discriminator(_candidates_kind)
]


class PlacementPart(_Part):
    """A named place that asks."""

    name: Name = Field(description="What callers ask for.")
    description: Description = Field(default="", description="For people.")
    slots: int = Field(default=1, ge=1, le=MOST_SLOTS, description="How many choices, when the caller does not say.")
    candidates: Candidates = Field(default="all", description="Which items may be chosen here.")
    policy: Name = Field(description="The policy that chooses.")
    baseline: Name = Field(
        default="popular", description="The policy that serves the holdout, and all when automation forbids more."
    )
    order: list[Name] = Field(
        default=[], max_length=1_000, description="Items in the order in which policy `fixed` serves them."
    )
    fallback: list[Name] = Field(default=[], max_length=1_000, description="Items served when no candidate may be.")
    counts: Name = Field(
        default="purchase", description="What `popular` and `habit` count: an event's type, or `outcome.TYPE`."
    )
    ttl: Duration = Field(default="30s", description="How long clients may serve an answer again without asking.")
    stale: Duration = Field(default="5m", description="How long after that they may serve it, marked STALE.")
    automation: Automation = Field(default="online", description="How much the policy may do on its own.")


class PlacementsFile(_Part):
    """placements.yaml"""

    placements: list[PlacementPart] = Field(min_length=1, max_length=1_000)


class ArmPart(_Part):
    """One branch of a layer."""

    name: Name
    share: Share = Field(description="Part of the subjects, in steps of 0.0001.")
    policies: dict[Name, Name] = Field(default={}, description="The policy by placement. Missing: the placement's own.")


class EligiblePart(_Part):
    """Whom a layer is for: all that is written here must hold."""

    kinds: list[SubjectKind] = Field(default=[], max_length=4, description="What the subject is: one of these.")
    context: dict[Name, Values] = Field(
        default={}, max_length=16, description="Keys of the context, each with the values that will do."
    )
    traits: dict[Name, Values] = Field(
        default={}, max_length=16, description="Traits that the subject gave itself, with the values that will do."
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.kinds or self.context or self.traits):
            raise ValueError("nothing is asked; name kinds, context or traits, or take it out")
        return self


class LayerPart(_Part):
    """One division of the subjects into arms, independent of the others."""

    name: Name
    unit: Unit = Field(default="subject", description="Whose id decides. subject: whoever is decided for.")
    salt: Name | None = Field(default=None, description="Another salt divides anew. Missing: the layer's name.")
    eligible: EligiblePart | None = Field(default=None, description="Whom it is for. Missing: everybody.")
    arms: list[ArmPart] = Field(min_length=1, max_length=100)


class HoldoutPart(_Part):
    """Those whom personalization is withheld from; they are served the baseline."""

    share: Share = Field(description="From 0 to 0.5.", json_schema_extra={"maximum": MOST_HOLDOUT})
    unit: Unit = Field(default="subject", description="Whose id decides. subject: whoever is decided for.")
    salt: Name = Field(default="holdout", description="Another salt draws others.")


class StagePart(_Part):
    """Where the stages of a subject's life begin."""

    new_below: int = Field(default=3, ge=0, le=1_000_000, description="Who did less often anything is new.")
    lapsing_days: int = Field(default=30, ge=1, le=3_650, description="Days without a sign until it is lapsing.")
    lapsed_days: int = Field(default=90, ge=1, le=3_650, description="Days without a sign until it has lapsed.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lapsed_days <= self.lapsing_days:
            raise ValueError("`lapsed_days` is more than `lapsing_days`")
        return self


class ValueBandPart(_Part):
    """Bands of what a subject was worth."""

    counts: Name = Field(default="purchase", description="Whose values are summed: an event's type, or `outcome.TYPE`.")
    bands: dict[Name, Finite] = Field(
        default_factory=lambda: dict(ValueBands().bands),
        min_length=1,
        max_length=MOST_BANDS,
        description="Names of the bands, each with the least sum that is in it; rising.",
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        leasts = list(self.bands.values())
        if any(before >= after for before, after in pairwise(leasts)):
            raise ValueError("the bands rise: each begins above the one before")
        return self


class DimensionsPart(_Part):
    """What decisions, and all that follows from them, can be cut by later."""

    context: list[Dimension] = Field(
        default_factory=lambda: list(Dimensions().context),
        max_length=MOST_CONTEXT_DIMENSIONS,
        description="Keys of the context whose texts are kept.",
    )
    stage: StagePart = Field(default=StagePart(), description="How `stage` is told.")
    value_band: ValueBandPart = Field(default=ValueBandPart(), description="How `value_band` is told.")


class PlaybookFile(_Part):
    """playbook.yaml"""

    name: Name
    description: Description = ""
    layers: list[LayerPart] = Field(default=[], max_length=100)
    holdout: HoldoutPart | None = None
    dimensions: DimensionsPart = DimensionsPart()


class GroupPart(_Part):
    """A group of items."""

    id: Name
    name: str = Field(default="", max_length=NAME_BYTES, description="For people.")
    description: Description = ""


class GroupsFile(_Part):
    """groups.yaml"""

    groups: list[GroupPart] = Field(max_length=100_000)


class VariantPart(_Part):
    """One rendition of an item."""

    name: Annotated[str, AfterValidator(_variant_name)] = Field(default="", description="Empty: the only variant.")
    content: Content = Field(
        default="",
        validate_default=True,
        description="What to show: a text, or a mapping or list that is sent as JSON.",
    )
    content_type: Name | None = Field(
        default=None, description="Missing: text/plain for a text, else application/json."
    )

    def noun(self) -> Variant:
        """The variant as it is served."""
        content: Encoded = self.content
        kind = self.content_type or ("text/plain" if content.is_text and content.data else "application/json")
        return Variant(self.name, content.data, kind)


class ItemPart(_Part):
    """What can be chosen."""

    id: Name
    groups: list[Name] = Field(default=[], max_length=MOST_GROUPS)
    attributes: dict[Name, Attribute] = Field(default={}, max_length=MOST_ATTRIBUTES)
    variants: list[VariantPart] = Field(
        default=[], max_length=MOST_VARIANTS, description="Missing: one without name and content."
    )


class ItemsFile(_Part):
    """items.yaml; each line of items.jsonl is one of its items"""

    items: list[ItemPart]


FILES: Final[dict[str, type[_Part]]] = {
    "playbook.yaml": PlaybookFile,
    "placements.yaml": PlacementsFile,
    "groups.yaml": GroupsFile,
    "items.yaml": ItemsFile,
    "items.jsonl": ItemPart,
}


def json_schema(policies: Collection[str] = KNOWN_POLICIES) -> dict[str, Any]:
    """The JSON Schema of all files: `properties` has each file by its name (a line of it for items.jsonl)."""
    models = [(model, "validation") for model in FILES.values()]
    references, definitions = models_json_schema(models, by_alias=True)  # type: ignore[arg-type]
    _name_policies(definitions["$defs"], sorted(policies))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Maitred playbook",
        "type": "object",
        "properties": {name: references[(model, "validation")] for name, model in FILES.items()},
        "required": ["playbook.yaml", "placements.yaml"],
        "additionalProperties": False,
        **definitions,
    }


def _name_policies(definitions: dict[str, Any], policies: list[str]) -> None:
    placement = definitions["PlacementPart"]["properties"]
    for field in (placement["policy"], placement["baseline"]):
        field["enum"] = policies
    definitions["ArmPart"]["properties"]["policies"]["additionalProperties"] = {"enum": policies}

"""rules.yaml, contact_policies.yaml and arbitration.yaml: what must hold, how often, and what weighs more."""

from __future__ import annotations

import re
from typing import Annotated, Final, Self, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from maitred_server.playbook.control import Counted, Layer
from maitred_server.playbook.schema.expressions import Expression, ScopePart
from maitred_server.playbook.schema.values import Description, Factor, Name, Part, Window

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_FROM: Final = re.compile(r"(subject|context)\..+", re.S)


def minutes(text: str) -> int:
    """A time of day such as `21:00` in minutes since midnight. Raises ValueError."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("a time of day is two digits of hours and two of minutes, e.g. `21:00`")
    return 60 * int(match[1]) + int(match[2])


def _time(text: str) -> str:
    minutes(text)
    return text


def _source(text: str) -> str:
    if _FROM.fullmatch(text) is None:
        raise ValueError("a place to look is `subject.NAME` or `context.NAME`")
    return text


TimeOfDay: TypeAlias = Annotated[
    str, AfterValidator(_time), WithJsonSchema({"type": "string", "pattern": f"^{_TIME.pattern}$"})
]
ZoneSource: TypeAlias = Annotated[
    str, AfterValidator(_source), WithJsonSchema({"type": "string", "pattern": f"^{_FROM.pattern}$"})
]
Why: TypeAlias = Description


class RulePart(Part):
    """What must hold of a candidate."""

    name: Name
    layer: Layer = Field(
        examples=["eligibility"],
        description="eligibility: may have it; applicability: relevant now; suitability: in the subject's interest.",
    )
    if_: Expression = Field(
        alias="if",
        examples=["true"],
        description="What must hold: a CEL expression over `subject`, `context`, `item`, `now`.",
    )
    for_: ScopePart | None = Field(default=None, alias="for", description="What it is about. Missing: everything.")
    why: Why = Field(default="", description="For people.")


class RulesFile(Part):
    """rules.yaml"""

    rules: list[RulePart] = Field(default=[], max_length=10_000)


class ContactPolicyPart(Part):
    """At most so many of something in a time."""

    name: Name
    counts: Name = Field(
        examples=["exposure"], description="What is counted: `exposure`, `outcome.TYPE` or an event's type."
    )
    most: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        examples=[3], description="How many there may be in the window."
    )
    window: Window = Field(examples=["7d"], description="How long the window is; it ends now.")
    suppress_for: Window | None = Field(
        default=None, description="Once `most` is reached: how long nothing is shown. Missing: until the window allows."
    )
    per: Counted = Field(default="item", description="What has a count of its own.")
    for_: ScopePart | None = Field(default=None, alias="for", description="What it is about. Missing: everything.")
    why: Why = Field(default="", description="For people.")


class QuietHoursPart(Part):
    """No contact between two times of day, in the subject's time zone."""

    name: Name
    from_: TimeOfDay = Field(alias="from", examples=["21:00"], description="When they begin, e.g. `21:00`.")
    to: TimeOfDay = Field(examples=["08:00"], description="When they end; before `from`: on the next day.")
    zone: Name = Field(
        default="UTC",
        examples=["Europe/London"],
        description="The time zone when none is known of the subject: an IANA name.",
    )
    zone_from: list[ZoneSource] = Field(
        default=[], max_length=8, description="Where the subject's time zone is found; the first that is there."
    )
    for_: ScopePart | None = Field(default=None, alias="for", description="What they are about. Missing: everything.")

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("they begin when they end; for the whole day write from `00:00` to `23:59`")
        return self


class ContactPoliciesFile(Part):
    """contact_policies.yaml"""

    contact_policies: list[ContactPolicyPart] = Field(default=[], max_length=1_000)
    quiet_hours: list[QuietHoursPart] = Field(default=[], max_length=100)


class LeverPart(Part):
    """A person's manual factor."""

    name: Name
    factor: Factor = Field(examples=[1.5], description="What the priority is multiplied with.")
    for_: ScopePart | None = Field(default=None, alias="for", description="What it is about. Missing: everything.")
    why: Why = Field(default="", description="For people.")


class ContextWeightPart(Part):
    """A factor that holds where a rule matches."""

    name: Name
    weight: Factor = Field(examples=[1.5], description="What the priority is multiplied with.")
    if_: Expression = Field(
        alias="if",
        examples=["true"],
        description="When it holds: a CEL expression over `subject`, `context`, `item`, `now`.",
    )
    for_: ScopePart | None = Field(default=None, alias="for", description="What it is about. Missing: everything.")


class ArbitrationFile(Part):
    """arbitration.yaml"""

    levers: list[LeverPart] = Field(default=[], max_length=1_000)
    context_weights: list[ContextWeightPart] = Field(default=[], max_length=1_000)

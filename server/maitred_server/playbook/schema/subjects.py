"""subjects.yaml and segments.yaml: what may be known of subjects and what for, and the segments they are in."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from maitred_server.playbook.control import TypeName
from maitred_server.playbook.schema.expressions import Expression
from maitred_server.playbook.schema.values import Description, Name, Part

IntensityName: TypeAlias = Literal["full", "explicit", "contextual", "off"]


class TraitPart(Part):
    """A trait that rules, segments and templates may use."""

    name: Name
    type: TypeName = Field(examples=["text"], description="What its values are.")
    purpose: Name = Field(default="service", description="What it may be used for.")
    sensitive: bool = Field(default=False, description="Kept, and never used.")
    description: Description = Field(default="", description="For people.")


class ContextPart(Part):
    """A key of the context that rules and templates may use."""

    name: Name
    type: TypeName = Field(examples=["text"], description="What its values are.")
    description: Description = Field(default="", description="For people.")


class EventPart(Part):
    """What the subject does, and what counting it may be used for."""

    type: Name = Field(examples=["view"], description="An event's type, `outcome.TYPE` or `exposure`.")
    purpose: Name = Field(default="service", description="What its counters may be used for.")


class PurposePart(Part):
    """What data may be used for."""

    name: Name
    description: Description = Field(default="", description="For people.")
    consent: Literal["required", "assumed"] = Field(
        default="required", description="`required`: only when it was granted; `assumed`: unless it was refused."
    )


class SubjectsFile(Part):
    """subjects.yaml"""

    purposes: list[PurposePart] = Field(default=[], max_length=100, description="What data may be used for.")
    intensity: IntensityName = Field(default="full", description="How much may be used of a subject that said nothing.")
    traits: list[TraitPart] = Field(default=[], max_length=1_000, description="Traits that may be used.")
    context: list[ContextPart] = Field(default=[], max_length=1_000, description="Keys of the context.")
    events: list[EventPart] = Field(default=[], max_length=1_000, description="What is counted.")
    item_attributes: dict[Name, TypeName] = Field(
        default={}, max_length=256, description="Types of items' attributes. Missing: as the items have them."
    )


class SegmentPart(Part):
    """A named rule over traits."""

    name: Name
    if_: Expression = Field(
        alias="if", examples=["true"], description="Who is in it: a CEL expression over `subject`, `context`, `now`."
    )
    description: Description = Field(default="", description="For people.")


class SegmentsFile(Part):
    """segments.yaml"""

    segments: list[SegmentPart] = Field(default=[], max_length=2_000)

"""placements.yaml: the places that ask."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from maitred_server.playbook.schema.expressions import Expression, RestrictedPart, ScopeNames
from maitred_server.playbook.schema.learning import LearningPart
from maitred_server.playbook.schema.values import (
    MOST_SLOTS,
    Automation,
    Description,
    Duration,
    Finite,
    Locale,
    Name,
    Names,
    Part,
)

Slot: TypeAlias = Annotated[int, Field(ge=0, le=MOST_SLOTS - 1)]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=MOST_SLOTS)]


class ChosenCandidates(Part):
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


class PinPart(Part):
    """An item in a slot, whatever the policy thinks, unless a rule or a contact policy closes it."""

    slot: Slot = Field(examples=[0], description="Which slot. Slots count from 0.")
    item: Name = Field(description="The item; it is a candidate.")
    variant: Name | None = Field(default=None, description="Which variant. Missing: the first that fits.")
    if_: Expression | None = Field(default=None, alias="if", description="When: a CEL expression. Missing: always.")


class ReservedForPart(Part):
    """Whom a slot is kept for: items, by id or by group."""

    items: ScopeNames = Field(default=[], description="These items.")
    groups: ScopeNames = Field(default=[], description="All items of these groups.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.items or self.groups):
            raise ValueError("nothing is named; name items or groups")
        return self


class ReservedPart(Part):
    """A slot that only some items may fill, as long as one of them may be shown."""

    slot: Slot = Field(examples=[0], description="Which slot. Slots count from 0.")
    for_: ReservedForPart = Field(alias="for", description="Which items may fill it.")


class WorthPart(Part):
    """What success with an item is worth."""

    attribute: Name | None = Field(default=None, description="The item's attribute that says it: a number.")
    otherwise: Finite = Field(default=1.0, description="What it is worth without one.")


class PlacementPart(RestrictedPart):
    """A named place that asks."""

    name: Name = Field(description="What callers ask for.")
    description: Description = Field(default="", description="For people.")
    slots: int = Field(default=1, ge=1, le=MOST_SLOTS, description="How many choices, when the caller does not say.")
    candidates: Candidates = Field(default="all", description="Which items may be chosen here.")
    policy: Name = Field(examples=["popular"], description="The policy that chooses.")
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
    channel: Name | None = Field(default=None, description="The channel it belongs to, e.g. `email`.")
    format: Name | None = Field(default=None, description="The format it shows; variants may be for some formats only.")
    devices: Names = Field(default=[], description="Devices it serves; for checks.")
    locales: list[Locale] = Field(default=[], max_length=1_000, description="Locales it serves; for checks.")
    pins: list[PinPart] = Field(default=[], max_length=1_000, description="Items that have a slot of their own.")
    reserved: list[ReservedPart] = Field(default=[], max_length=MOST_SLOTS, description="Slots for some items only.")
    stretch: list[Slot] = Field(
        default=[],
        max_length=MOST_SLOTS,
        description="Slots for something from outside of the subject's usual groups. Slots count from 0.",
    )
    most_per_group: Limit | None = Field(
        default=None, description="How many items of one group may be in a slate. Missing: any number."
    )
    group_limits: dict[Name, Limit] = Field(
        default={}, max_length=1_000, description="The same for some groups, instead of `most_per_group`."
    )
    value: WorthPart = Field(default=WorthPart(), description="What success with an item is worth.")
    learning: LearningPart | None = Field(
        default=None, description="What is learned here. Missing: what learned policies need, if one serves here."
    )


class PlacementsFile(Part):
    """placements.yaml"""

    placements: list[PlacementPart] = Field(min_length=1, max_length=1_000)

"""playbook.yaml: layers, the holdout, dimensions."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from maitred_server.model import Dimensions, ValueBands
from maitred_server.playbook.schema.values import (
    MOST_BANDS,
    MOST_CONTEXT_DIMENSIONS,
    MOST_HOLDOUT,
    Description,
    Dimension,
    Finite,
    Name,
    Part,
    Share,
    SubjectKind,
    Unit,
    Values,
)


class ArmPart(Part):
    """One branch of a layer."""

    name: Name
    share: Share = Field(description="Part of the subjects, in steps of 0.0001.")
    policies: dict[Name, Name] = Field(default={}, description="The policy by placement. Missing: the placement's own.")


class EligiblePart(Part):
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


class LayerPart(Part):
    """One division of the subjects into arms, independent of the others."""

    name: Name
    unit: Unit = Field(default="subject", description="Whose id decides. subject: whoever is decided for.")
    salt: Name | None = Field(default=None, description="Another salt divides anew. Missing: the layer's name.")
    eligible: EligiblePart | None = Field(default=None, description="Whom it is for. Missing: everybody.")
    arms: list[ArmPart] = Field(min_length=1, max_length=100)


class HoldoutPart(Part):
    """Those whom personalization is withheld from; they are served the baseline."""

    share: Share = Field(description="From 0 to 0.5.", json_schema_extra={"maximum": MOST_HOLDOUT})
    unit: Unit = Field(default="subject", description="Whose id decides. subject: whoever is decided for.")
    salt: Name = Field(default="holdout", description="Another salt draws others.")


class StagePart(Part):
    """Where the stages of a subject's life begin."""

    new_below: int = Field(default=3, ge=0, le=1_000_000, description="Who did less often anything is new.")
    lapsing_days: int = Field(default=30, ge=1, le=3_650, description="Days without a sign until it is lapsing.")
    lapsed_days: int = Field(default=90, ge=1, le=3_650, description="Days without a sign until it has lapsed.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lapsed_days <= self.lapsing_days:
            raise ValueError("`lapsed_days` is more than `lapsing_days`")
        return self


class ValueBandPart(Part):
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


class DimensionsPart(Part):
    """What decisions, and all that follows from them, can be cut by later."""

    context: list[Dimension] = Field(
        default_factory=lambda: list(Dimensions().context),
        max_length=MOST_CONTEXT_DIMENSIONS,
        description="Keys of the context whose texts are kept.",
    )
    stage: StagePart = Field(default=StagePart(), description="How `stage` is told.")
    value_band: ValueBandPart = Field(default=ValueBandPart(), description="How `value_band` is told.")


class PlaybookFile(Part):
    """playbook.yaml"""

    name: Name
    description: Description = ""
    layers: list[LayerPart] = Field(default=[], max_length=100)
    holdout: HoldoutPart | None = None
    dimensions: DimensionsPart = DimensionsPart()

"""What is learned in a placement: `learning` in placements.yaml."""

from __future__ import annotations

from typing import Annotated, Final, Self, TypeAlias

from pydantic import Field, model_validator

from maitred_server.playbook.schema.values import Duration, Finite, Name, Part, Share, Window

MOST_RESPONSES: Final = 8
MOST_FAMILIES: Final = 32
MOST_TRAITS: Final = 64
MOST_HASHED: Final = 64

Unit: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ResponsePart(Part):
    """One outcome type that is predicted, as a number from 0 to 1."""

    type: Name = Field(examples=["purchase"], description="The outcome's type.")
    wait: Duration = Field(default="7d", description="How long after the decision an outcome still counts.")
    default: Unit = Field(default=0.0, description="The response when nothing comes.")
    full: Finite = Field(
        default=0.0, ge=0, description="The outcome's value that is a response of 1. Missing: that it happened at all."
    )
    worth: Finite = Field(
        default=1.0, description="What a response of 1 is worth; below 0 for what is not wanted. Needs no relearning."
    )

    @model_validator(mode="after")
    def _counts_for_something(self) -> Self:
        if self.worth == 0.0:
            raise ValueError("a `worth` of 0 changes nothing; take the response out")
        return self


class LearningPart(Part):
    """What is learned, from what, and how much is tried."""

    responses: list[ResponsePart] = Field(
        default=[],
        max_length=MOST_RESPONSES,
        description="What is predicted; the first is the propensity. Missing: an outcome of the type that is counted.",
    )
    features: list[Name] = Field(
        default=[], max_length=MOST_FAMILIES, description="Families of features. Missing: all of them."
    )
    traits: list[Name] = Field(
        default=[],
        max_length=MOST_TRAITS,
        examples=[["subject.age_band", "context.device"]],
        description="Declared traits and keys of the context that are features, as `subject.NAME` and `context.NAME`.",
    )
    half_life: Window | None = Field(
        default=None, description="After this an exposure counts half. Missing: nothing fades."
    )
    exploration: Share = Field(default=0.05, description="Share of the choices in which the policy may try things.")
    scale: Finite = Field(
        default=0.0, ge=0, description="How large a gap between priorities is 1. Missing: the best priority's size."
    )
    hashed: int = Field(
        default=16, ge=1, le=MOST_HASHED, description="How many columns the values of `traits` are hashed into."
    )

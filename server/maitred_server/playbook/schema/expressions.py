"""What rules are written with: CEL expressions, and the scope of a rule, a policy or a weight."""

from __future__ import annotations

from typing import Annotated, Final, Self, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from maitred_server.playbook.schema.values import Name, Part

LONGEST_EXPRESSION: Final = 4_096
MOST_EXPRESSIONS: Final = 20
MOST_SCOPED: Final = 10_000


def _expression(text: str) -> str:
    if not text.strip():
        raise ValueError("an expression is missing, e.g. `subject.age >= 18`")
    return text


def _expressions_kind(value: object) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


Expression: TypeAlias = Annotated[
    str,
    AfterValidator(_expression),
    Field(max_length=LONGEST_EXPRESSION, examples=["subject.age >= 18"]),
]
Expressions: TypeAlias = Annotated[
    Annotated[Expression, Tag("one")] | Annotated[list[Expression], Field(max_length=MOST_EXPRESSIONS), Tag("several")],
    Discriminator(_expressions_kind),
]
ScopeNames: TypeAlias = Annotated[list[Name], Field(max_length=MOST_SCOPED)]


class ScopePart(Part):
    """What something is about. Items and groups add up; placements and channels narrow down."""

    items: ScopeNames = Field(default=[], description="These items.")
    groups: ScopeNames = Field(default=[], description="All items of these groups.")
    placements: ScopeNames = Field(default=[], description="Only in these placements.")
    channels: ScopeNames = Field(default=[], description="Only in these channels.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.items or self.groups or self.placements or self.channels):
            raise ValueError("nothing is named; name items, groups, placements or channels, or take it out to mean all")
        return self


class RestrictedPart(Part):
    """What may carry rules of its own: shorthand for entries of rules.yaml with this as their scope."""

    eligibility: Expressions = Field(default="", description="Who may have it: a CEL expression, or a list of them.")
    applicability: Expressions = Field(default="", description="When it is relevant: as `eligibility`.")
    suitability: Expressions = Field(default="", description="Whether it is in their interest: as `eligibility`.")

    @property
    def is_restricted(self) -> bool:
        """Whether it has any."""
        return bool(self.eligibility or self.applicability or self.suitability)

"""reasons.yaml: what is said to people about why they see something."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from maitred_server.playbook.schema.expressions import ScopeNames
from maitred_server.playbook.schema.values import Locale, Name, Part

ReasonName: TypeAlias = Literal["habit", "popular", "rule", "learned", "explored", "holdout", "baseline", "fallback"]
LONGEST_TEXT: Final = 1_000


def _texts_kind(value: object) -> str:
    return "by locale" if isinstance(value, dict) else "one"


Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Texts: TypeAlias = Annotated[
    Annotated[Text, Tag("one")] | Annotated[dict[Locale, Text], Field(min_length=1, max_length=200), Tag("by locale")],
    Discriminator(_texts_kind),
]


class ReasonPart(Part):
    """What is said when a choice has this reason."""

    reason: ReasonName = Field(examples=["habit"], description="Of the choice.")
    stretch: bool = Field(default=False, description="Only of choices from outside of the subject's usual groups.")
    placements: ScopeNames = Field(default=[], description="Only in these placements. Missing: everywhere.")
    text: Texts = Field(description="A template: one text in the file's `locale`, or one for each locale.")


class ReasonsFile(Part):
    """reasons.yaml"""

    locale: Locale = Field(default="en", description="What is spoken when a request names no locale.")
    name_attribute: Name = Field(default="name", description="The item's attribute that is its name for people.")
    reasons: list[ReasonPart] = Field(default=[], max_length=1_000)

"""groups.yaml, items.yaml and items.jsonl: what can be chosen."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from maitred_server.model import Variant
from maitred_server.playbook.schema.expressions import RestrictedPart
from maitred_server.playbook.schema.values import (
    MOST_ATTRIBUTES,
    MOST_GROUPS,
    MOST_VARIANTS,
    NAME_BYTES,
    Attribute,
    Content,
    Description,
    Encoded,
    Locale,
    Name,
    Part,
    variant_name,
)
from maitred_server.playbook.templates import is_template

MOST_FITS: Final = 64


class GroupPart(RestrictedPart):
    """A group of items."""

    id: Name
    name: str = Field(default="", max_length=NAME_BYTES, description="For people.")
    description: Description = ""


class GroupsFile(Part):
    """groups.yaml"""

    groups: list[GroupPart] = Field(max_length=100_000)


class VariantPart(Part):
    """One rendition of an item."""

    name: Annotated[str, AfterValidator(variant_name)] = Field(default="", description="Empty: the only variant.")
    content: Content = Field(
        default="",
        validate_default=True,
        description="What to show: a text, or a mapping or list that is sent as JSON.",
    )
    content_type: Name | None = Field(
        default=None, description="Missing: text/plain for a text, else application/json."
    )

    devices: list[Name] = Field(default=[], max_length=MOST_FITS, description="Devices it is for. Missing: all.")
    locales: list[Locale] = Field(default=[], max_length=MOST_FITS, description="Locales it is for. Missing: all.")
    formats: list[Name] = Field(default=[], max_length=MOST_FITS, description="Formats it is for. Missing: all.")
    plain: Content | None = Field(
        default=None,
        description="What is shown when a place `{{ ... }}` of the content lacks its value; needed where there is one.",
    )

    @model_validator(mode="after")
    def _stands_in(self) -> Self:
        has_places = is_template(self.content.data)
        if has_places and not (self.plain and self.plain.data):
            raise ValueError("content with places (`{{ ... }}`) needs `plain`, which is shown when a value is missing")
        if self.plain is not None and not has_places:
            raise ValueError("`plain` stands in for places (`{{ ... }}`), and this content has none")
        if self.plain is not None and is_template(self.plain.data):
            raise ValueError("`plain` is shown as it is; it has no places (`{{ ... }}`)")
        return self

    def noun(self) -> Variant:
        """The variant as it is served."""
        content: Encoded = self.content
        kind = self.content_type or ("text/plain" if content.is_text and content.data else "application/json")
        return Variant(
            self.name,
            content.data,
            kind,
            tuple(self.devices),
            tuple(self.locales),
            tuple(self.formats),
            self.plain is not None,
            self.plain.data if self.plain is not None else b"",
        )


class ItemPart(RestrictedPart):
    """What can be chosen."""

    id: Name
    groups: list[Name] = Field(default=[], max_length=MOST_GROUPS)
    attributes: dict[Name, Attribute] = Field(default={}, max_length=MOST_ATTRIBUTES)
    variants: list[VariantPart] = Field(
        default=[], max_length=MOST_VARIANTS, description="Missing: one without name and content."
    )


class ItemsFile(Part):
    """items.yaml; each line of items.jsonl is one of its items"""

    items: list[ItemPart]

"""Items over the wire: every field of a variant arrives, goes out again alike, and is checked."""

from __future__ import annotations

import pytest
from maitred.v1 import admin_pb2
from maitred_server.errors import InvalidRequest
from maitred_server.import_client import item_to_wire
from maitred_server.model import Item, Variant
from maitred_server.rpc import convert

FULL = Item(
    "apples",
    ("fruit",),
    {"price": 2.5},
    (
        Variant("a", b"{}", "application/json", ("kiosk", "till"), ("de", "de-CH"), ("banner",)),
        Variant("b", b"Hi {{ subject.name }}", "text/plain", template=True, plain=b"Hi"),
    ),
)


def refused(variant: admin_pb2.ItemVariant) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        convert.item(admin_pb2.Item(id="x", variants=[variant]), "items[0]")
    return caught.value.field, caught.value.message


def test_variants_cross_the_wire_whole() -> None:
    """What an item's variants are for, and what stands in for a template, is the same on the other side."""
    assert convert.item(item_to_wire(FULL), "items[0]") == FULL


@pytest.mark.parametrize(
    ("variant", "field", "advice"),
    [
        (admin_pb2.ItemVariant(template=True), "plain", "a template needs `plain`"),
        (admin_pb2.ItemVariant(plain=b"x"), "plain", "set `template`"),
        (admin_pb2.ItemVariant(template=True, plain=b"x" * 20_000), "plain", "longer than 16384 bytes"),
        (admin_pb2.ItemVariant(devices=[""]), "devices", "is missing"),
        (admin_pb2.ItemVariant(locales=["x"] * 65), "locales", "at most 64 are allowed"),
    ],
)
def test_what_is_wrong_with_a_variant(variant: admin_pb2.ItemVariant, field: str, advice: str) -> None:
    """A variant that cannot be is refused with the field and what would be right."""
    at, message = refused(variant)
    assert at == f"items[0].variants[0].{field}"
    assert advice in message

"""Mappings: columns become fields, cells are read as they are written, and what cannot be is said at once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.importing import mapping
from maitred_server.importing.columns import Columns
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.rows import EventRow, ProfileRow, ValuePart

MAY = 1_714_557_600_000  # 2024-05-01T10:00:00Z


def event(cells: dict[str, Any], **options: Any) -> EventRow:
    row = Columns(EventRow, Mapping(**options), list(cells)).row(cells)
    assert isinstance(row, EventRow)
    return row


def test_columns_become_fields() -> None:
    """A column fills the field it is mapped to, in the field's type; constants fill theirs; others are left out."""
    cells = {"no": "7", "sku": "A", "sum": "2.5", "n": "3", "when": "2024-05-01T10:00:00Z", "shop": "x", "other": "y"}
    columns = {
        "no": "subject",
        "sku": "item",
        "sum": "value",
        "n": "quantity",
        "when": "time",
        "shop": "attributes.shop",
    }
    row = event(cells, columns=columns, constants={"type": "purchase", "attributes.channel": "web"})
    attributes: dict[str, Any] = {"channel": "web", "shop": "x"}
    expected = EventRow("7", type="purchase", item="A", value=2.5, quantity=3, time=MAY, attributes=attributes)
    assert row == expected


def test_without_a_mapping_columns_are_named_as_fields() -> None:
    """A file whose columns are named as fields needs no mapping."""
    cells = {"subject": "7", "traits.age": "41", "consents.email": "granted"}
    row = Columns(ProfileRow, None, list(cells)).row(cells)
    assert row == ProfileRow("7", traits={"age": "41"}, consents={"email": "granted"})


def test_empty_cells_are_missing() -> None:
    """An empty cell, or a null, sets nothing."""
    assert event({"subject": "7", "item": "", "value": None}) == EventRow("7")


@pytest.mark.parametrize(
    ("written", "zone", "cell", "ms"),
    [
        ("auto", "UTC", "2024-05-01T10:00:00Z", MAY),
        ("auto", "Europe/Brussels", "2024-05-01T12:00:00", MAY),
        ("auto", "UTC", str(MAY), MAY),
        ("auto", "UTC", MAY, MAY),
        ("auto", "UTC", datetime(2024, 5, 1, 10, tzinfo=UTC), MAY),
        ("auto", "Europe/Brussels", date(2024, 5, 1), MAY - 12 * 3_600_000),
        ("ms", "UTC", str(MAY), MAY),
        ("s", "UTC", str(MAY // 1000), MAY),
        ("%d.%m.%Y %H:%M", "Europe/Brussels", "01.05.2024 12:00", MAY),
    ],
)
def test_times_are_read_as_they_are_written(written: str, zone: str, cell: Any, ms: int) -> None:
    """Each form of a time gives the same moment."""
    assert event({"time": cell}, time=written, timezone=zone).time == ms


@pytest.mark.parametrize(
    ("type_", "cell", "value"),
    [
        ("number", "1.5", 1.5),
        ("number", Decimal("1.5"), 1.5),
        ("flag", "Yes", True),
        ("flag", "0", False),
        ("text", 12, "12"),
        ("texts", "a | b|", ["a", "b"]),
        ("time", "2024-05-01T10:00:00Z", ValuePart(time=MAY)),
    ],
)
def test_attributes_are_read_by_their_type(type_: str, cell: Any, value: Any) -> None:
    """The type that a mapping names says how a cell is read."""
    assert event({"attributes.a": cell}, types={"attributes.a": type_}).attributes == {"a": value}


@pytest.mark.parametrize(
    "cell",
    [True, 1.5, "x", ["a"], datetime(2024, 5, 1, 10, tzinfo=UTC)],
    ids=["flag", "number", "text", "texts", "time"],
)
def test_without_a_type_a_value_is_what_it_is(cell: Any) -> None:
    """Typed files need no types in the mapping."""
    expected = ValuePart(time=MAY) if isinstance(cell, datetime) else cell
    assert event({"attributes.a": cell}).attributes == {"a": expected}


def test_words_decimals_and_origins_are_the_mappings() -> None:
    """The file's own words for consents, its decimal comma, and where its traits came from."""
    cells = {"news": "J", "age": "4,5"}
    options = Mapping(
        columns={"news": "consents.email", "age": "traits.age"},
        types={"traits.age": "number"},
        consents={"J": "granted", "N": "denied"},
        decimal=",",
        traits=mapping.TraitsMapping("explicit", "personalization"),
    )
    row = Columns(ProfileRow, options, list(cells)).row(cells)
    age = ValuePart(4.5, source="explicit", purpose="personalization")
    assert row == ProfileRow(traits={"age": age}, consents={"email": "granted"})


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"value": "much"}, "value"),
        ({"quantity": "1.5"}, "quantity"),
        ({"quantity": "inf"}, "quantity"),
        ({"subject": 1.5}, "subject"),
        ({"time": "01.05.2024"}, "time"),
        ({"attributes.a": {"b": 1}}, "attributes.a"),
        ({"attributes.a": [1]}, "attributes.a"),
    ],
    ids=str,
)
def test_a_cell_that_cannot_be_read_names_its_field(cells: dict[str, Any], field: str) -> None:
    """A cell of the wrong form is refused by its field."""
    with pytest.raises(InvalidRequest) as refused:
        event(cells)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: [a]", "columns"),
        ("colums: {a: subject}", "colums"),
        ("columns: {a: subject", "no YAML (line"),
        ("consents: {yes: granted}", "in quotes"),
        ('consents: {"yes": maybe}', "granted, denied, revoked"),
        ("timezone: Mars/Base", "timezone"),
        ("encoding: utf-9", "encoding"),
        ("delimiter: ab", "delimiter"),
        ("types: {attributes.a: money}", "types"),
        ("traits: {source: guess}", "traits.source"),
    ],
)
def test_a_wrong_mapping_is_told_before_anything_is_read(tmp_path: Path, text: str, said: str) -> None:
    """Each mistake in a mapping file is one clear message."""
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(InvalidRequest) as refused:
        mapping.load(path)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": {"gone": "subject"}}, "no column 'gone'"),
        ({"columns": {"a": "shop"}}, "fields are subject, kind"),
        ({"columns": {"a": "attributes"}}, "attributes.NAME"),
        ({"columns": {"a": "subject"}, "types": {"attributes.b": "flag"}}, "'attributes.b'"),
        ({"columns": {"a": "subject"}, "constants": {"traits.b": "x"}}, "'traits.b'"),
        ({}, "'a' is no field"),
    ],
)
def test_a_mapping_that_does_not_fit_the_file_is_told(options: dict[str, Any], said: str) -> None:
    """Unknown columns and fields are found before the first row."""
    with pytest.raises(InvalidRequest) as refused:
        Columns(EventRow, Mapping(**options), ["a"])
    assert said in refused.value.message

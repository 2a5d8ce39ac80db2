"""Items from files: as lines of a playbook, or as columns."""

from __future__ import annotations

from typing import Any

import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.importing.items import ItemParser
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.rows import Reject
from maitred_server.importing.sources import Lines, Records
from maitred_server.model import Item, Variant


def of_cells(cells: dict[str, str], mapping: Mapping | None = None) -> tuple[list[Item], list[Reject]]:
    rejects: list[Reject] = []
    parser = ItemParser(mapping, list(cells))
    return [item for _, item in parser.items(Records([2], [list(cells.values())]), rejects)], rejects


def test_lines_are_those_of_a_playbook() -> None:
    """A line of items.jsonl is the same item here; what is wrong costs its line and names the field.

    An item that carries a rule is refused, never taken without it.
    """
    lines = b"\n".join(
        [
            b'{"id": "A", "groups": ["G"], "attributes": {"price": 2}, "variants": [{"content": {"t": 1}}]}',
            b'{"id": "", "groups": []}',
            b'{"id": "B", "group": "G"}',
            b'{"id": "C", "groups": ["G", "G"]}',
            b"[]",
            b'{"id": "D", "eligibility": "subject.age > 3"}',
        ]
    )
    rejects: list[Reject] = []
    found = list(ItemParser(None, None).items(Lines(1, lines), rejects))
    assert found == [(1, Item("A", ("G",), {"price": 2.0}, (Variant("", b'{"t":1}'),)))]
    assert [(one.line, one.field) for one in rejects] == [(2, "id"), (3, "group"), (4, ""), (5, ""), (6, "eligibility")]


def test_columns_make_an_item() -> None:
    """Groups are parted, attributes typed, content is JSON when it looks like it, else a text."""
    cells = {"id": "A", "groups": "G|H", "attributes.price": "2.5", "content": '{"t": 1}'}
    typed = Mapping(types={"attributes.price": "number"})
    assert of_cells(cells, typed) == ([Item("A", ("G", "H"), {"price": 2.5}, (Variant("", b'{"t":1}'),))], [])
    assert of_cells({"id": "A", "content": "Hello"})[0] == [Item("A", (), {}, (Variant("", b"Hello", "text/plain"),))]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "A", "content": "{"}, "content"),
        ({"id": "A", "attributes.n": "x" * 1025}, "attributes"),
    ],
)
def test_a_bad_row_names_its_field(cells: dict[str, str], field: str) -> None:
    """What cannot be an item is rejected."""
    found, rejects = of_cells(cells)
    assert found == []
    assert rejects[0].field.startswith(field)


@pytest.mark.parametrize("options", [{"columns": {"a": "price"}}, {"columns": {"b": "id"}}])
def test_a_mapping_that_does_not_fit_is_told(options: dict[str, Any]) -> None:
    """Unknown fields and columns are found before the first row."""
    with pytest.raises(InvalidRequest):
        ItemParser(Mapping(**options), ["a"])

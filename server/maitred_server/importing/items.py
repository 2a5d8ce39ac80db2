"""Items: rows as the lines of a playbook's items.jsonl, or columns of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import ValidationError

from maitred_server.errors import InvalidRequest
from maitred_server.importing.cells import Cells, text
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.parser import Raw, object_of, raws, record_of, reject
from maitred_server.importing.rows import Plain, Reject, ValuePart
from maitred_server.importing.sources import LONGEST_LINE, Part
from maitred_server.model import Item
from maitred_server.playbook.items import Written, check, noun
from maitred_server.playbook.schema.items import ItemPart

FIELDS = ("id", "groups", "content", "content_type")


class ItemParser:
    """Reads items."""

    def __init__(self, mapping: Mapping | None, names: list[str] | None) -> None:
        self._mapping = mapping or Mapping()
        self._cells = Cells(self._mapping)
        self._names = names
        self._by_columns = mapping is not None or names is not None
        self._columns = self._mapping.columns or {name: name for name in names or ()}
        for field in (*self._columns.values(), *self._mapping.constants):
            if field not in FIELDS and not field.startswith("attributes."):
                known = ", ".join((*FIELDS, "attributes.NAME"))
                raise InvalidRequest(f"{field!r} is no field; fields are {known}", "mapping")
        if names is not None and (missing := sorted(set(self._columns) - set(names))):
            raise InvalidRequest(f"the file has no column {missing[0]!r}; it has {', '.join(names)}", "mapping")

    def items(self, part: Part, rejects: list[Reject]) -> Iterator[tuple[int, Item]]:
        """The items of a part by their lines; what is wrong with the others goes to `rejects`."""
        for line, raw in raws(part):
            try:
                item = self._item(raw)
            except ValidationError as error:
                rejects.append(reject(line, raw, _in_words(error)))
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs this row alone
                rejects.append(reject(line, raw, error))
            else:
                yield line, item

    def _item(self, raw: Raw) -> Item:
        if raw is None or (isinstance(raw, bytes) and len(raw) > LONGEST_LINE):
            raise InvalidRequest(f"the line cannot be read, or is longer than {LONGEST_LINE} bytes")
        record = record_of(self._names, raw) if isinstance(raw, list) else raw
        if isinstance(record, bytes):
            record = object_of(record)
        if not self._by_columns:
            return _checked(ItemPart.model_validate(record))
        return _checked(ItemPart.model_validate(self._written(record)))

    def _written(self, record: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"attributes": {}}
        variant: dict[str, Any] = {}
        cells = [(self._columns[name], record.get(name)) for name in self._columns]
        for field, cell in [*self._mapping.constants.items(), *cells]:
            if cell is None or cell == "":
                continue
            if field.startswith("attributes."):
                found["attributes"][field.partition(".")[2]] = self._attribute(field, cell)
            elif field == "groups":
                found["groups"] = self._cells.typed("texts")(cell, field)
            else:
                (found if field == "id" else variant)[field] = text(cell, field)
        if "content" in variant and _is_json(variant["content"], variant.get("content_type")):
            variant["content"] = _json(variant["content"])
        return found | ({"variants": [variant]} if variant else {})

    def _attribute(self, field: str, cell: Any) -> Plain:
        read: Plain | ValuePart = self._cells.typed(self._mapping.types.get(field))(cell, field)
        if isinstance(read, ValuePart):
            raise InvalidRequest(f"{field} must be a text, a number, true or false, or a list of texts", field)
        return read


def _checked(part: ItemPart) -> Item:
    for layer in ("eligibility", "applicability", "suitability"):
        if getattr(part, layer):
            raise InvalidRequest(f"{layer}: rules of imported items are written in the playbook's rules.yaml", layer)
    item = noun(part)
    for mistake in check([Written(item, "", 0)]):
        raise InvalidRequest(mistake.message)
    return item


def _is_json(content: str, content_type: str | None) -> bool:
    return content[:1] in ("{", "[") if content_type is None else content_type == "application/json"


def _json(content: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("content is no JSON; give another content_type", "content") from None


def _in_words(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(step) for step in first["loc"])
    return InvalidRequest(first["msg"].removeprefix("Value error, "), field)

"""From a record with columns to a row, as a mapping says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple, TypeAlias

import msgspec

from maitred_server.errors import InvalidRequest
from maitred_server.importing.cells import Cells, Read, text, whole
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.rows import EventRow, ProfileRow, Row, ValuePart

# Fields with names of their own below them.
NESTED: dict[type[Row], tuple[str, ...]] = {EventRow: ("attributes",), ProfileRow: ("traits", "consents")}

_Put: TypeAlias = Callable[[dict[str, Any], Any], None]


class _Column(NamedTuple):
    name: str
    put: _Put


class Columns:
    """Makes rows of records."""

    def __init__(self, form: type[Row], mapping: Mapping | None, names: Collection[str] | None) -> None:
        """`names`: the file's columns, None when each record may have others. Raises InvalidRequest."""
        self._form = form
        self._mapping = mapping or Mapping()
        self._cells = Cells(self._mapping)
        wanted = self._mapping.columns or {name: name for name in names or ()}
        if not wanted:
            raise InvalidRequest("the mapping names no columns", "mapping")
        if names is not None and (missing := sorted(set(wanted) - set(names))):
            raise InvalidRequest(f"the file has no column {missing[0]!r}; it has {', '.join(names)}", "mapping")
        self._check_types(wanted)
        self._columns = [_Column(name, self._putter(field)) for name, field in wanted.items()]
        self._constants = [(self._putter(field), constant) for field, constant in self._mapping.constants.items()]

    def row(self, record: dict[str, Any]) -> Row:
        """The row of a record. Raises InvalidRequest with the field."""
        found: dict[str, Any] = {}
        for put, constant in self._constants:
            put(found, constant)
        for name, put in self._columns:
            cell = record.get(name)
            if cell is not None and cell != "":
                put(found, cell)
        return self._form(**found)

    def _check_types(self, wanted: dict[str, str]) -> None:
        fields = {*wanted.values(), *self._mapping.constants}
        if unknown := sorted(set(self._mapping.types) - fields):
            raise InvalidRequest(f"the mapping has a type for {unknown[0]!r}, but no column of it", "mapping")

    def _putter(self, field: str) -> _Put:
        outer, dot, inner = field.partition(".")
        if dot and inner and outer in NESTED[self._form]:
            return self._nested(outer, inner, field)
        if field not in self._form.__struct_fields__ or field in NESTED[self._form]:
            raise InvalidRequest(f"{field!r} is no field; fields are {self._fields()}", "mapping")
        read = self._reads(field)

        def put(found: dict[str, Any], cell: Any) -> None:
            found[field] = read(cell, field)

        return put

    def _nested(self, outer: str, inner: str, field: str) -> _Put:
        read = self._reads_nested(outer, field)

        def put(found: dict[str, Any], cell: Any) -> None:
            found.setdefault(outer, {})[inner] = read(cell, field)

        return put

    def _reads(self, field: str) -> Read:
        own: dict[str, Read] = {"value": self._cells.number, "quantity": whole, "time": self._cells.time}
        return own.get(field, text)

    def _reads_nested(self, outer: str, field: str) -> Read:
        if outer == "consents":
            return self._cells.state
        read = self._cells.typed(self._mapping.types.get(field))
        said = self._mapping.traits
        if outer != "traits" or not (said.source or said.purpose):
            return read

        def part(cell: Any, field: str) -> ValuePart:
            known = read(cell, field)
            long = known if isinstance(known, ValuePart) else ValuePart(known)
            return msgspec.structs.replace(long, source=said.source, purpose=said.purpose)

        return part

    def _fields(self) -> str:
        nested = NESTED[self._form]
        plain = [field for field in self._form.__struct_fields__ if field not in nested]
        return ", ".join([*plain, *(f"{field}.NAME" for field in nested)])

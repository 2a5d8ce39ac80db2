"""Files as columns: CSV with the standard library, Parquet with pyarrow. Cells are checked elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from maitred_server.errors import InvalidRequest

SEPARATOR = "|"  # between the members of a list in a cell of text


class Table(NamedTuple):
    """A file that was read: columns of cells (texts, numbers, lists or None), by name."""

    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]  # where each row is in the file, from 1
    place: str  # what such a number is called: line or row

    def where(self, row: int) -> str:
        return f"{self.place} {self.lines[row]}"


def read(path: Path, renamed: Mapping[str, str]) -> Table:
    """Read a .csv or .parquet file. `renamed`: what the file calls a field otherwise. Raises InvalidRequest."""
    forms = {".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in forms:
        raise InvalidRequest(f"{path} is neither .csv nor .parquet", "log")
    try:
        table = forms[path.suffix.lower()](path)
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror or 'it is damaged'}", "log") from None
    if not len(table.lines):
        raise InvalidRequest(f"{path} has no rows", "log")
    return table._replace(columns=_renamed(table.columns, renamed))


def _renamed(columns: Mapping[str, Sequence[Any]], renamed: Mapping[str, str]) -> Mapping[str, Sequence[Any]]:
    for field, name in renamed.items():
        if name not in columns:
            raise InvalidRequest(f"the log has no column `{name}` to read {field} from", "column")
    return {**columns, **{field: columns[name] for field, name in renamed.items()}}


def _csv(path: Path) -> Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = next(reader, [])
            rows = [(reader.line_num, cells) for cells in reader if cells]
        except (csv.Error, UnicodeDecodeError):
            raise InvalidRequest(f"{path}: line {reader.line_num + 1} is no CSV in UTF-8", "log") from None
    if len(set(names)) < len(names):
        raise InvalidRequest(f"{path} has two columns of one name", "log")
    for line, cells in rows:
        if len(cells) != len(names):
            raise InvalidRequest(f"{path}: line {line} has {len(cells)} cells; the head has {len(names)}", "log")
    cells_by_column = zip(*(cells for _, cells in rows), strict=True)
    return Table(dict(zip(names, cells_by_column, strict=False)), [line for line, _ in rows], "line")


def _parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidRequest("Parquet needs pyarrow: pip install 'maitred[import]'", "log") from None
    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowException:
        raise InvalidRequest(f"{path} is no Parquet file", "log") from None
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return Table(columns, range(1, table.num_rows + 1), "row")

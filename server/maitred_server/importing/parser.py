"""From a part of a file to what its rows tell. A bad row costs itself."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from maitred_server.errors import InvalidRequest, MaitredError
from maitred_server.importing import events, profiles
from maitred_server.importing.columns import Columns
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.rows import Defaults, EventRow, ProfileRow, Reject, Row, Told
from maitred_server.importing.sources import LONGEST_LINE, Lines, Part, Records

LONGEST_TEXT = 64 << 10  # of a rejected row

Raw: TypeAlias = bytes | list[str] | dict[str, Any] | None
GroupsOf: TypeAlias = Callable[[str], tuple[str, ...]]

FORMS: dict[str, type[Row]] = {"events": EventRow, "profiles": ProfileRow}
_PATH = re.compile(r"^(.*?)(?: - at `(?:key in )?\$\.?(.*)`)?$", re.S)


class Reading(NamedTuple):
    """How a file is read. `names`: its columns, None when each record may have others."""

    kind: str  # "events" or "profiles"
    mapping: Mapping | None
    names: list[str] | None
    defaults: Defaults


class Parser:
    """Reads parts of one file."""

    def __init__(self, reading: Reading, groups_of: GroupsOf) -> None:
        """Raises InvalidRequest when mapping and columns do not go together."""
        form = FORMS[reading.kind]
        self._defaults = reading.defaults
        self._groups_of = groups_of
        self._names = reading.names
        self._decode = msgspec.json.Decoder(form).decode
        self._columns: Columns | None = None
        if reading.mapping is not None or reading.names is not None:
            self._columns = Columns(form, reading.mapping, reading.names)

    def told(self, part: Part, now: int, rejects: list[Reject]) -> Iterator[tuple[int, list[Told]]]:
        """Line by line what is told; what is wrong with the others goes to `rejects`. `now`: ms."""
        for line, raw in raws(part):
            try:
                row = self._row(raw)
                if isinstance(row, EventRow):
                    found = events.told(row, self._defaults, self._groups_of, now)
                else:
                    found = profiles.told(row, self._defaults, now)
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs this row alone
                rejects.append(reject(line, raw, error))
            else:
                yield line, found

    def _row(self, raw: Raw) -> Row:
        if isinstance(raw, bytes):
            return self._of_json(raw)
        if self._columns is None or raw is None:
            raise InvalidRequest("the line cannot be read: a cell is too long, or a quote is not closed")
        return self._columns.row(record_of(self._names, raw) if isinstance(raw, list) else raw)

    def _of_json(self, line: bytes) -> Row:
        if len(line) > LONGEST_LINE:
            raise InvalidRequest(f"the line is longer than {LONGEST_LINE} bytes")
        if self._columns is None:
            return self._decode(line)
        return self._columns.row(object_of(line))


def raws(part: Part) -> Iterator[tuple[int, Raw]]:
    """Each record of a part with its line. Empty lines are no records."""
    if isinstance(part, Lines):
        for line, text in enumerate(part.text.split(b"\n"), part.first):
            if text and not text.isspace():
                yield line, text
    elif isinstance(part, Records):
        yield from zip(part.lines, part.cells, strict=True)
    else:
        yield from enumerate(_of_batch(part.batch), part.first)


def _of_batch(batch: Any) -> list[dict[str, Any] | None]:
    try:
        found: list[dict[str, Any] | None] = batch.to_pylist()
    except UnicodeDecodeError:
        return [_of_slice(batch.slice(number, 1)) for number in range(batch.num_rows)]
    return found


def _of_slice(batch: Any) -> dict[str, Any] | None:
    try:
        (found,) = batch.to_pylist()
    except UnicodeDecodeError:
        return None
    return dict(found)


def object_of(line: bytes) -> dict[str, Any]:
    """The record of a line of JSON. Raises InvalidRequest, msgspec.DecodeError."""
    record = msgspec.json.decode(line)
    if not isinstance(record, dict):
        raise InvalidRequest("the line must be a JSON object")
    return record


def record_of(names: list[str] | None, cells: list[str]) -> dict[str, Any]:
    """A record of a CSV by its columns. Raises InvalidRequest, UnicodeError."""
    names = names or []
    if len(cells) != len(names):
        raise InvalidRequest(f"the line has {len(cells)} cells; there are {len(names)} columns")
    whole = "".join(cells)
    if not whole.isascii():
        whole.encode()
    return dict(zip(names, cells, strict=True))


def reject(line: int, raw: Raw, error: Exception) -> Reject:
    """What is wrong with a row, without saying what stood there."""
    field, reason = _reason(error)
    return Reject(line, field, reason, _text(raw))


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, MaitredError):
        return error.field, error.message
    if isinstance(error, msgspec.ValidationError):
        match = _PATH.match(str(error))
        return (match[2] or "", match[1]) if match else ("", str(error))
    if isinstance(error, msgspec.DecodeError):
        return "", f"this is no JSON: {error}"
    if isinstance(error, UnicodeError):
        return "", "the row has bytes that are no text in the file's encoding"
    return "", f"the row cannot be read ({type(error).__name__})"


def _text(raw: Raw) -> str:
    if raw is None:
        return ""
    if isinstance(raw, bytes):
        return raw[:LONGEST_TEXT].decode(errors="replace")
    if isinstance(raw, dict):
        return json.dumps(raw, default=str, ensure_ascii=False)[:LONGEST_TEXT]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(raw)
    return line.getvalue()[:LONGEST_TEXT].encode(errors="replace").decode()


def no_groups(item: str) -> tuple[str, ...]:
    """Of items that nothing is known of."""
    return ()

"""Files as parts of some thousand records: what is cut here is read in other processes.

How a file is cut depends on its bytes alone, so that an import that was broken off finds the same parts again.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, TypeAlias

from maitred_server.errors import InvalidRequest
from maitred_server.importing.mapping import Mapping

PART_BYTES = 4 << 20
PART_ROWS = 20_000
LONGEST_LINE = 1 << 20
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}

csv.field_size_limit(LONGEST_LINE)


class Lines(NamedTuple):
    """Lines of JSONL. `first`: the number of the first one, from 1."""

    first: int
    text: bytes


class Records(NamedTuple):
    """Cells of some records, with the line that each ends on; None: it could not be read."""

    lines: list[int]
    cells: list[list[str] | None]


class Table(NamedTuple):
    """Rows of Parquet. `first`: the number of the first one, from 1."""

    first: int
    batch: Any  # pyarrow.RecordBatch


Part: TypeAlias = Lines | Records | Table


class Source(Protocol):
    """A file that was opened."""

    names: list[str] | None
    """Its columns; None: each record may have others."""

    def parts(self) -> Iterator[Part]:
        """All of it, in order. Raises InvalidRequest when the file is damaged."""

    def position(self) -> int:
        """How many bytes were read; with `size` for people who wait."""


@contextmanager
def opened(path: Path, mapping: Mapping | None) -> Iterator[Source]:
    """Open a file by its suffix. Raises InvalidRequest."""
    form = form_of(path)
    try:
        with path.open("rb") as raw:
            yield _FORMS[form](raw, path, mapping or Mapping(delimiter="\t" if ".tsv" in path.suffixes else ","))
    except OSError as error:  # what gzip cannot read is one too
        raise InvalidRequest(f"cannot read {path}: {error.strerror or 'it is damaged'}", "file") from None
    except (EOFError, zlib.error):
        raise InvalidRequest(f"cannot read {path}: it is damaged or ends too early", "file") from None


def form_of(path: Path) -> str:
    """The format that a file's name tells. Raises InvalidRequest."""
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    form = SUFFIXES.get(suffix.lower())
    if form is None or (form == "parquet" and path.suffix == ".gz"):
        raise InvalidRequest(f"{path} is none of .jsonl, .csv (also with .gz) and .parquet", "file")
    return form


def _unpacked(raw: IO[bytes], path: Path) -> IO[bytes]:
    return gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[return-value]


class _Jsonl:
    names = None

    def __init__(self, raw: IO[bytes], path: Path, mapping: Mapping) -> None:
        self._raw = raw
        self._file = _unpacked(raw, path)

    def parts(self) -> Iterator[Lines]:
        first, rest = 1, b""
        while block := self._file.read(PART_BYTES):
            head, newline, tail = block.rpartition(b"\n")
            if not newline:
                rest = _bounded(rest + block)
                continue
            text = _bounded_end(rest, head)
            yield Lines(first, text.removeprefix(b"\xef\xbb\xbf") if first == 1 else text)
            first += text.count(b"\n") + 1
            rest = tail
        if rest:
            yield Lines(first, rest.removeprefix(b"\xef\xbb\xbf") if first == 1 else rest)

    def position(self) -> int:
        return self._raw.tell()


def _bounded(line: bytes) -> bytes:
    """A line that is too long anyway needs not be kept whole."""
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE + 1]


def _bounded_end(rest: bytes, head: bytes) -> bytes:
    """What was left over and what ends its line."""
    if len(rest) <= LONGEST_LINE:
        return rest + head
    _, newline, others = head.partition(b"\n")
    return rest + newline + others


class _Csv:
    def __init__(self, raw: IO[bytes], path: Path, mapping: Mapping) -> None:
        self._raw = raw
        encoding = "utf-8-sig" if mapping.encoding.lower() in ("utf-8", "utf8") else mapping.encoding
        text = io.TextIOWrapper(_unpacked(raw, path), encoding, "surrogateescape", newline="")
        self._text = text  # it closes what it wraps when it goes
        self._reader = csv.reader(text, delimiter=mapping.delimiter)
        self.names: list[str] | None = self._header()

    def _header(self) -> list[str]:
        try:
            names = next(self._reader)
        except (StopIteration, csv.Error):
            raise InvalidRequest("the file has no line with the names of its columns", "file") from None
        if len(set(names)) < len(names):
            raise InvalidRequest("the file has two columns of one name", "file")
        return names

    def parts(self) -> Iterator[Records]:
        part, size = Records([], []), 0
        for line, cells in self._records():
            part.lines.append(line)
            part.cells.append(cells)
            size += sum(map(len, cells or ()))
            if len(part.lines) == PART_ROWS or size > PART_BYTES:
                yield part
                part, size = Records([], []), 0
        if part.lines:
            yield part

    def _records(self) -> Iterator[tuple[int, list[str] | None]]:
        reader = self._reader
        while True:
            try:
                for cells in reader:
                    if cells:
                        yield reader.line_num, cells
                return
            except csv.Error:
                yield reader.line_num, None

    def position(self) -> int:
        return self._raw.tell()


class _Parquet:
    def __init__(self, raw: IO[bytes], path: Path, mapping: Mapping) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise InvalidRequest("Parquet needs pyarrow: pip install 'maitred[import]'", "file") from None
        self._damaged = pyarrow.ArrowException
        self._raw = raw
        try:
            self._file = pyarrow.parquet.ParquetFile(raw)
        except pyarrow.ArrowException:
            raise InvalidRequest(f"{path} is no Parquet file", "file") from None
        self.names: list[str] | None = list(self._file.schema_arrow.names)

    def parts(self) -> Iterator[Table]:
        first = 1
        try:
            for batch in self._file.iter_batches(PART_ROWS):
                yield Table(first, batch)
                first += batch.num_rows
        except self._damaged:
            raise InvalidRequest("the Parquet file is damaged", "file") from None

    def position(self) -> int:
        return self._raw.tell()


_FORMS: dict[str, Any] = {"jsonl": _Jsonl, "csv": _Csv, "parquet": _Parquet}

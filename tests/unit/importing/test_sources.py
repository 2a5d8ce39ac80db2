"""Files in parts: every format, packed or not, cut anywhere, damaged or not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.importing import sources
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.parser import raws
from maitred_server.importing.sources import Part, opened


def parts(path: Path, mapping: Mapping | None = None) -> list[Part]:
    with opened(path, mapping) as source:
        return list(source.parts())


def records(path: Path, mapping: Mapping | None = None) -> list[tuple[int, Any]]:
    return [one for part in parts(path, mapping) for one in raws(part)]


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_jsonl_is_cut_between_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, packed: bool, ending: bytes
) -> None:
    """Whatever the size of the parts, every line comes once, whole, with its number, without a byte order mark."""
    monkeypatch.setattr(sources, "PART_BYTES", size)
    lines = [json.dumps({"n": number, "text": "x" * (number % 40)}).encode() for number in range(50)]
    content = b"\xef\xbb\xbf" + b"\n".join(lines) + ending
    path = tmp_path / ("f.jsonl.gz" if packed else "f.jsonl")
    path.write_bytes(gzip.compress(content) if packed else content)
    assert records(path) == list(enumerate(lines, start=1))


def test_a_line_without_end_is_not_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a line that is too long only so much is kept that this is seen; the lines around it are whole."""
    monkeypatch.setattr(sources, "PART_BYTES", 100)
    monkeypatch.setattr(sources, "LONGEST_LINE", 1_000)
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"first\n" + b"x" * 50_000 + b"\nlast\n")
    (one, first), (two, long), (three, last) = records(path)
    assert (one, two, three, first, last) == (1, 2, 3, b"first", b"last")
    assert 1_000 < len(long) < 1_300


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_csv_keeps_quoted_lines_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Quotes, delimiters and line ends within cells are the cells'; a record's line is the one that it ends on."""
    monkeypatch.setattr(sources, "PART_ROWS", rows)
    path = tmp_path / "f.csv"
    path.write_text('\ufeffa;b\n1;"x;\ny"\n\n2;"say ""hi"""\n')
    assert records(path, Mapping(delimiter=";")) == [(3, ["1", "x;\ny"]), (5, ["2", 'say "hi"'])]


def test_a_quote_that_is_not_closed_does_not_end_the_file(tmp_path: Path) -> None:
    """A cell that runs on too long is told as a record that cannot be read, and reading goes on behind it."""
    path = tmp_path / "f.csv"
    path.write_text('a,b\n1,"open\n' + "x,y\n" * 400_000 + "2,z\n")
    found = records(path)
    assert found[0][1] is None
    assert found[-1][1] == ["2", "z"]


def test_a_csv_in_another_encoding(tmp_path: Path) -> None:
    """The mapping names the encoding."""
    path = tmp_path / "f.csv"
    path.write_bytes("name\nRenée\n".encode("cp1252"))
    assert records(path, Mapping(encoding="cp1252")) == [(2, ["Renée"])]


def test_parquet_gives_typed_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of Parquet come with their numbers and types, some at a time; text that is none costs its row."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(sources, "PART_ROWS", 2)
    names = pyarrow.array([b"anna", b"\xff", b"bert"], pyarrow.binary()).view(pyarrow.string())
    path = tmp_path / "f.parquet"
    parquet.write_table(pyarrow.table({"name": names, "n": [1, 2, None]}), path)
    assert len(parts(path)) == 2
    assert records(path) == [(1, {"name": "anna", "n": 1}), (2, None), (3, {"name": "bert", "n": None})]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("f.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 10_000)[:-20], "damaged"),
        ("f.jsonl.gz", b"no gzip at all", "damaged"),
        ("f.parquet", b"no parquet", "no Parquet file"),
        ("f.csv", b"", "names of its columns"),
        ("f.csv", b"a,a\n1,2\n", "two columns"),
        ("f.xlsx", b"", ".jsonl, .csv"),
        ("gone.jsonl", None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_message(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    """Damage, an unknown format or a missing file end in a message, not in a traceback."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidRequest) as refused:
        parts(path)
    assert said in refused.value.message

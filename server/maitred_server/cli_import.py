"""`maitred import`: files of other systems into a data directory, or into a running server."""

from __future__ import annotations

import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from maitred_server.cli_options import AsJson, Key, err, out
from maitred_server.errors import InvalidRequest
from maitred_server.settings import KINDS, Settings, load

if TYPE_CHECKING:
    from maitred_server.importing.plan import Asked
    from maitred_server.importing.report import Bar, Said, Summary


class What(StrEnum):
    """What a file holds."""

    PROFILES = "profiles"
    EVENTS = "events"
    ITEMS = "items"


Name = Annotated[str, typer.Option(help="Of rows that name none.")]


def import_(
    what: Annotated[What, typer.Argument(help="What the file holds.")],
    file: Annotated[Path, typer.Argument(help="A .jsonl, .csv (both also with .gz) or .parquet file.")],
    data: Annotated[
        Path | None, typer.Option(help="The data directory; a server may run on it.", envvar="MAITRED_DATA")
    ] = None,
    server: Annotated[str | None, typer.Option(help="HOST:PORT of a server to send to instead; slower.")] = None,
    key: Key = None,
    brand: Annotated[str | None, typer.Option(help="Brand in the data directory.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML file: which column is which field.")] = None,
    source: Name = "",
    touchpoint: Name = "",
    purpose: Name = "",
    kind: Annotated[str, typer.Option(help="Kind of the subjects of rows that name none.")] = "",
    source_id: Annotated[str, typer.Option(help="Name that tells this import from others of the same file.")] = "",
    remember_ids: Annotated[
        bool, typer.Option("--remember-ids", help="Recognise events by their own ids in other files too.")
    ] = False,
    rejects: Annotated[Path | None, typer.Option(help="File for bad rows; FILE.rejects.jsonl when missing.")] = None,
    max_rejects: Annotated[int | None, typer.Option(min=0, help="Stop when more rows than these are bad.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings, as of `maitred serve`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Import a file: each row counts once, however often the command is run or killed."""
    from maitred_server.importing.plan import Asked

    settings = load({"data": data or Path("."), "brand": brand, "default_kind": kind or None}, config)
    asked = Asked(
        kind=what.value,
        file=file,
        mapping=mapping,
        default_kind=KINDS[settings.default_kind],
        source=source,
        touchpoint=touchpoint,
        purpose=purpose,
        source_id=source_id,
        remember_ids=remember_ids,
        rejects=rejects,
        max_rejects=max_rejects,
    )
    began = time.monotonic()
    summary = _sent(asked, server, key) if server else _recorded(asked, settings, data)
    summary.seconds = round(time.monotonic() - began, 3)
    _tell(summary, as_json)


def _recorded(asked: Asked, settings: Settings, data: Path | None) -> Summary:
    from maitred_server.importing import runner

    if data is None:
        raise InvalidRequest("name the data directory with --data, or a server with --server", "data")
    target = runner.Target(data, settings.brand, settings.map_size, settings.history_records)
    with _watcher() as watcher:
        return runner.run(asked, target, watcher)


def _sent(asked: Asked, server: str, key: str | None) -> Summary:
    from maitred_server import import_client

    with _watcher() as watcher:
        return import_client.run(asked, server, key, watcher)


def _watcher() -> Bar | Said:
    from maitred_server.importing.report import Bar, Said

    if err.is_terminal:
        return Bar(err)
    return Said(lambda line: err.print(line, markup=False, highlight=False, soft_wrap=True))


def _tell(summary: Summary, as_json: bool) -> None:
    if as_json:
        figures = msgspec.to_builtins(summary) | {"rows_per_second": round(summary.rows_per_second)}
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    if summary.imported_before:
        out.print(f"{summary.file} was imported before: nothing to do", markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(title=f"imported {summary.kind}", show_header=False)
    for name, number in _figures(summary):
        table.add_row(name, f"{number:,}")
    out.print(table)
    if summary.rejects_file:
        err.print(
            f"bad rows are in {summary.rejects_file}; it holds personal data: delete it when it has served",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _figures(summary: Summary) -> list[tuple[str, int]]:
    always = [("rows", summary.rows), ("accepted", summary.accepted), ("duplicates", summary.duplicates)]
    rare = [
        ("recorded by an earlier run", summary.before),
        ("of erased subjects", summary.erased),
        ("refused", summary.refused),
    ]
    end = [("rejected rows", summary.rejected), ("rows/s", round(summary.rows_per_second))]
    return always + [figure for figure in rare if figure[1]] + end

"""`maitred subject`: one subject, as a person asks for it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from maitred_server import admin_client
from maitred_server.cli_options import AsJson, Key, Server, out
from maitred_server.cli_show import show

app = typer.Typer(help="One subject: what is kept, export, erase.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The subject's id.")]
OfKind = Annotated[
    str, typer.Option(help="person, household, device or session; the server's default kind if not given.")
]


app.command()(show)


@app.command()
def export(
    id_: Id,
    kind: OfKind = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the JSON here; else it is printed.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Also write it as a page for people.")] = None,
    server: Server = "localhost:7400",
    key: Key = None,
) -> None:
    """Give everything that is kept about a subject."""
    exported = admin_client.export_subject(server, key, id_, kind, html=html_file is not None)
    if html_file is not None:
        html_file.write_bytes(exported.html)
    if json_file is not None:
        json_file.write_bytes(exported.json)
    elif html_file is None:
        sys.stdout.write(json.dumps(json.loads(exported.json), indent=2, ensure_ascii=False) + "\n")


@app.command()
def erase(
    id_: Id,
    kind: OfKind = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    server: Server = "localhost:7400",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Forget a subject, with all that was merged into it. There is no way back."""
    if not yes:
        typer.confirm("Erase this subject for ever?", abort=True)
    _show(admin_client.erase_subject(server, key, id_, kind), as_json)


@app.command()
def erasure(
    erasure_id: Annotated[str, typer.Argument(help="The id that `erase` gave.")],
    server: Server = "localhost:7400",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Say how far an erasure has come."""
    _show(admin_client.erasure(server, key, erasure_id), as_json)


def _show(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    table = Table("store", "records", "done", title=f"erasure {told['erasure_id']}")
    for store in told["stores"]:
        table.add_row(store["name"], f"{store['records']:,}", _when(store["done_at_ms"]))
    out.print(table)


def _when(at_ms: int) -> str:
    if not at_ms:
        return "not yet"
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(sep=" ", timespec="seconds")

"""What a server and its store have: `maitred status`, `verify`, `exposures`, and new keys."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from maitred_server.cli_options import AsJson, Data, Key, Server, out

if TYPE_CHECKING:
    from maitred_server.learn.exposures import Report


def status(server: Server = "localhost:7400", key: Key = None, as_json: AsJson = False) -> None:
    """What the server has and does."""
    from maitred_server import admin_client  # gRPC loads only where it is used

    _show(admin_client.status(server, key), as_json, "server")


def verify(data: Data, as_json: AsJson = False) -> None:
    """Read the whole journal and every profile, and compare their counts.

    Ends with 1 when they differ or a record is damaged.
    """
    from maitred_server.store import Store

    store = Store.open(data, read_only=True)
    try:
        audit = store.audit()
    finally:
        store.close()
    _show({**audit._asdict(), "sound": audit.sound}, as_json, "store")
    if not audit.sound:
        raise typer.Exit(1)


def exposures(
    data: Data,
    by: Annotated[
        list[str], typer.Option(help="arm, placement, policy, reason, segment or a dimension; once or twice.")
    ],
    brand: Annotated[str, typer.Option(help="Whose.")] = "default",
    all_: Annotated[bool, typer.Option("--all", help="With merged subjects and overridden decisions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count what was shown and what came of it, from the journal, by one or two things that decisions carry."""
    from maitred_server.learn import exposures as cuts
    from maitred_server.store import Store

    if len(by) > 2:  # a table of more is no table
        raise typer.BadParameter("at most two")
    with Store.open(data, read_only=True) as store:
        report = cuts.count(store.read_journal, cuts.Cut(brand, by, all_))
    if as_json:
        sys.stdout.write(json.dumps(cuts.as_json(report), indent=2) + "\n")
    else:
        _show_report(report)


def _show_report(report: Report) -> None:
    kinds = sorted({kind for row in report.rows.values() for kind in row.outcomes})
    table = Table(title="exposures")
    for name in report.by:
        table.add_column(name, overflow="fold")
    for name in ("decisions", "showings", *(title for kind in kinds for title in (kind, f"{kind} value"))):
        table.add_column(name, justify="right")
    for cell, row in report.rows.items():
        counted = [text for kind in kinds for text in (f"{row.outcomes[kind]:,}", f"{row.values[kind]:,.2f}")]
        table.add_row(*map(escape, cell), f"{row.decisions:,}", f"{row.showings:,}", *counted)
    out.print(table)
    left_out = f"left out: {report.overridden:,} overridden decisions, {report.merged:,} of merged subjects"
    out.print(f"{left_out}; outcomes without an exposure: {report.unlinked:,}")


def rotate_keys(data: Data) -> None:
    """Make a new receipt key. Running servers accept it at once and seal with it from their next start."""
    from maitred_server.store.secrets import KeyDirectory

    key_id = KeyDirectory(data / "keys").add_receipt_key()
    out.print(f"new receipt key {key_id.hex()}")


def _show(values: dict[str, Any], as_json: bool, title: str) -> None:
    if as_json:
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
        return
    table = Table(title=title, show_header=False)
    for name, value in _flat(values):
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    out.print(table)


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return rows

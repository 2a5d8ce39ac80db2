"""The command `maitred`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from maitred_server import (
    admin_client,
    cli_apprentice,
    cli_caps,
    cli_check,
    cli_explain,
    cli_import,
    cli_item,
    cli_load,
    cli_playbook,
    cli_policy,
    cli_replay,
    cli_store,
    cli_subject,
)
from maitred_server.cli_options import AsJson, Data, Key, Server, err, out
from maitred_server.errors import MaitredError, PlaybookError
from maitred_server.settings import Settings, load

if TYPE_CHECKING:
    from maitred_server.learn.exposures import Report

app = typer.Typer(
    help="Maitred: a decision server for personalization.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(cli_item.app, name="item")
app.add_typer(cli_subject.app, name="subject")
cli_policy.app.command()(cli_apprentice.apprentice)
app.add_typer(cli_policy.app, name="policy")
app.command("import")(cli_import.import_)
app.command()(cli_check.check)
app.command()(cli_playbook.publish)
app.command()(cli_playbook.diff)
app.command()(cli_playbook.preview)
app.command()(cli_playbook.history)
app.command()(cli_playbook.rollback)
app.command()(cli_caps.caps)
app.command()(cli_explain.explain)
app.command()(cli_replay.replay)
app.command()(cli_load.load)
app.command()(cli_store.compact)
app.command()(cli_store.backup)
app.command()(cli_store.restore)


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option(help="The data directory.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to serve on.")] = None,
    metrics: Annotated[str | None, typer.Option(help="HOST:PORT of Prometheus metrics; '' for none.")] = None,
    front: Annotated[str | None, typer.Option(help="grpcio, or envoy: needs maitred[envoy].")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    brand: Annotated[str | None, typer.Option(help="Brand of callers without a key.")] = None,
    default_kind: Annotated[str | None, typer.Option(help="Kind of a subject that names none.")] = None,
    replay_clock: Annotated[bool | None, typer.Option("--replay-clock", help="Take the clock from requests.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="File to write HOST:PORT to once serving.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any other setting, as name=value.")] = None,
) -> None:
    """Serve decisions. Settings: command line, then MAITRED_..., then the TOML file; see `maitred settings`."""
    given: dict[str, Any] = dict(_pair(text) for text in set_ or [])
    given |= {name: value for name, value in locals().items() if name in Settings.model_fields and value is not None}
    from maitred_server import runtime  # numpy, LMDB and gRPC load only where they are used

    runtime.serve(load(given, config))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no name=value")
    return name.replace("-", "_"), value


@app.command()
def settings() -> None:
    """Print every setting with its meaning, as Markdown."""
    from maitred_server.settings import table

    sys.stdout.write(table() + "\n")


@app.command()
def status(server: Server = "localhost:7400", key: Key = None, as_json: AsJson = False) -> None:
    """What the server has and does."""
    _show(admin_client.status(server, key), as_json, "server")


@app.command()
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


@app.command()
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


@app.command("rotate-keys")
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


def main() -> None:
    """Run the command; a mistake is one clear line and status 1, never a traceback."""
    _run(app)


def _run(command: Callable[[], None]) -> None:
    try:
        command()
    except PlaybookError as error:
        for mistake in error.mistakes:
            err.print(str(mistake), markup=False, highlight=False)
        sys.exit(1)
    except MaitredError as error:
        err.print(f"maitred: {error.message}", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()

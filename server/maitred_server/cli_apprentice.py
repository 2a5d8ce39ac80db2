"""`maitred policy apprentice`: whether what is learned beside the baseline is worth promoting."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from maitred_server.cli_estimates import progress, warn
from maitred_server.cli_options import AsJson, Data, out
from maitred_server.cli_replay import moment, show_journal

if TYPE_CHECKING:
    from maitred_server.replaying.apprentice import Report, Worth


def apprentice(
    placement: Annotated[str, typer.Argument(help="One with `automation: apprentice` or `logging_only`.")],
    data: Data,
    brand: Annotated[str, typer.Option(help="Whose.")] = "default",
    since: Annotated[str, typer.Option("--from", help="Decisions from this time on, as 2026-05-01T12:00Z.")] = "",
    model: Annotated[str, typer.Option(help="VERSION or `latest`; else the model in force at each decision.")] = "",
    most: Annotated[int, typer.Option(min=2, help="Decisions that are looked at, chosen by hash.")] = 20_000,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Of the bootstrap.")] = 2_000,
    as_json: AsJson = False,
) -> None:
    """How often the model would have chosen what the baseline showed, what it would earn, and how to promote it."""
    from maitred_server.evaluate.report import Options
    from maitred_server.replaying.apprentice import report
    from maitred_server.replaying.reading import Asked
    from maitred_server.store import Store

    asked = Asked(brand, placement, moment(since, "from", 0), most=most)
    with progress() as told, Store.open(data, read_only=True) as store:
        found = report(store, data, asked, model, Options(resamples=resamples), told)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    else:
        _show(found)


def _show(found: Report) -> None:
    show_journal(found.journal)
    since = datetime.fromtimestamp(found.since_ms / 1_000, UTC).isoformat(sep=" ", timespec="minutes")[:16]
    table = Table(show_header=False, title=f"apprentice: {found.placement}", title_justify="left")
    table.add_row("serves", f"the baseline, {found.baseline}; the model learns beside it ({found.automation})")
    table.add_row("since", f"{since} UTC, {found.journal.replayed:,} decisions")
    table.add_row("agreement", f"{found.agreement:.1%} of {found.slots:,} slots; {found.top:.1%} among its first three")
    table.add_row("the baseline earned", _said(found.shown))
    table.add_row(f"the model ({found.by})", f"{_said(found.model)}, difference {_said(found.difference)}")
    out.print(table, highlight=False)
    if not found.explores:
        warn("the model's worth is a model's guess alone: the baseline leaves nothing to chance")
    out.print(found.sentence, style="bold", markup=False, highlight=False)
    out.print(found.promotion, markup=False, highlight=False)


def _said(worth: Worth) -> str:
    return f"{worth.value:.4g} ({worth.interval.low:.4g} to {worth.interval.high:.4g})"

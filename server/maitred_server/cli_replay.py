"""`maitred replay`: what another policy would have earned, told from a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from maitred_server.cli_options import AsJson, err, out
from maitred_server.errors import InvalidRequest

if TYPE_CHECKING:
    from maitred_server.evaluate.intervals import Interval, Told
    from maitred_server.evaluate.report import Evaluation, Figure


def replay(
    log: Annotated[Path, typer.Option(help="A .csv or .parquet file of decisions, with action probabilities.")],
    policy: Annotated[
        str, typer.Option(help="uniform, logged, always:ACTION, column:NAME or greedy:NAME.")
    ] = "column:target_probability",
    column: Annotated[list[str] | None, typer.Option(help="FIELD=NAME: the file calls a field otherwise.")] = None,
    clip: Annotated[float, typer.Option(min=0, help="Clip weights here; 0: the root of the decisions' number.")] = 0.0,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Of the bootstrap.")] = 2_000,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Write the figures as a page with a picture too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell from a log what another policy would have earned: better, worse, or cannot be told."""
    from maitred_server.evaluate import table
    from maitred_server.evaluate.build import build
    from maitred_server.evaluate.page import write
    from maitred_server.evaluate.report import Options, evaluate
    from maitred_server.evaluate.targets import target

    read = table.read(log, dict(_renamed(text) for text in column or []))
    built = build(read)
    with _progress() as told:
        found = evaluate(built, target(policy, built, read), Options(clip, resamples, confidence, seed), told)
    if html:
        write(html, found)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    else:
        _show(found)


def _renamed(text: str) -> tuple[str, str]:
    field, equals, name = text.partition("=")
    if not (field and equals and name):
        raise InvalidRequest(f"{text!r} is no FIELD=NAME, such as reward=click", "column")
    return field, name


@contextmanager
def _progress() -> Iterator[Told]:
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("resampling")
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _show(found: Evaluation) -> None:
    out.print(_estimates(found))
    for names, assumes in _assumptions(found):
        out.print(f"{names}: right if {assumes}", style="dim", markup=False, highlight=False)
    out.print(_facts(found))
    for warning in found.warnings:
        if warning not in found.verdict.sentence:
            err.print(f"[yellow]warning[/] {escape(warning)}", highlight=False)
    out.print(found.verdict.sentence, style="bold", markup=False, highlight=False)


def _estimates(found: Evaluation) -> Table:
    table = Table(title=f"reward a decision: {escape(found.policy)}", title_justify="left")
    for name in ("", "estimate", f"{found.confidence:.0%} asymptotic", "bootstrap", "difference"):
        table.add_column(name, justify="right" if name else "left")
    for figure in (*found.estimates, found.logged):
        table.add_row(*_row(figure, "" if figure is found.logged else f"{figure.difference:+.3g}"))
    return table


def _row(figure: Figure, difference: str) -> tuple[str, ...]:
    return figure.name, f"{figure.value:.4g}", _ends(figure.normal), _ends(figure.bootstrap), difference


def _ends(interval: Interval) -> str:
    return f"{interval.low:.3g}..{interval.high:.3g}"


def _assumptions(found: Evaluation) -> Iterator[tuple[str, str]]:
    """What has to hold for which estimators."""
    by: dict[str, list[str]] = {}
    for figure in found.estimates:
        by.setdefault(figure.assumes, []).append(figure.name)
    return ((", ".join(names), assumes) for assumes, names in by.items())


def _facts(found: Evaluation) -> Table:
    table = Table(show_header=False)
    by = f" of {found.clusters:,} subjects" if found.clusters < found.decisions else ""
    table.add_row("decisions", f"{found.decisions:,}{by}")
    table.add_row("effective sample", f"{found.effective_sample:,.0f}")
    table.add_row("weights", f"mean {found.mean_weight:.4g}, largest {found.largest_weight:.4g}")
    clipped = f"{found.clipped:,} weights over {found.clip:.4g}, {found.clipped_weight:.2%} of all weight"
    table.add_row("clipped estimators", clipped)
    table.add_row("bootstrap", f"{found.resamples:,} resamples, seed {found.seed}")
    return table

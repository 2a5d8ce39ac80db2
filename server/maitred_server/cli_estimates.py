"""The figures of an evaluation as a page of a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from maitred_server.cli_options import err, out

if TYPE_CHECKING:
    from maitred_server.evaluate.intervals import Interval
    from maitred_server.evaluate.report import Evaluation, Figure

Stages: TypeAlias = Callable[[str, int, int], None]


@contextmanager
def progress() -> Iterator[Stages]:
    """On a terminal a bar for each stage: what is done, how far, of how much."""
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bars:
        tasks = {}

        def told(stage: str, done: int, of: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=of)

        yield told


def show(found: Evaluation) -> None:
    """Print it."""
    out.print(estimates(found))
    for names, assumes in _assumptions(found):
        out.print(f"{names}: right if {assumes}", style="dim", markup=False, highlight=False)
    out.print(_facts(found))
    for warning in found.warnings:
        if warning not in found.verdict.sentence:
            warn(warning)
    out.print(found.verdict.sentence, style="bold", markup=False, highlight=False)


def warn(text: str) -> None:
    """Print a warning."""
    err.print(f"[yellow]warning[/] {escape(text)}", highlight=False)


def estimates(found: Evaluation) -> Table:
    """Every estimate with its intervals, and what the log itself earned."""
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

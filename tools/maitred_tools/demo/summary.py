"""The end of a run in the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from maitred_tools.demo import summary_more
from maitred_tools.demo.learned import sentences
from maitred_tools.demo.tally import HOLDOUT, POLICIES


def show(console: Console, report: dict[str, Any]) -> None:
    """Prints the report's tables, and at the end what went wrong."""
    console.print(_policies(report))
    for sentence in sentences(report):
        console.print(sentence, highlight=False, markup=False)
    for table in summary_more.tables(report):
        console.print(table)
    console.print(_figures(report))
    for problem in report["problems"]:
        console.print(f"[bold red]failed[/]: {problem}", highlight=False)


def _policies(report: dict[str, Any]) -> Table:
    table = Table(title="precision@3, by policy (95% intervals, clustered by household)", title_justify="left")
    for name in ("policy", "second half", "interval", "reference", "all", "interval", "visits", "households"):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for policy in POLICIES:
        table.add_row(policy, *_cells(report["precision_at_3"][policy]))
    if report["holdout"]["visits"]["all"]:
        table.add_row(f"{HOLDOUT} (popular)", *_cells(report["holdout"]), style="dim")
    return table


def _cells(found: dict[str, Any]) -> list[str]:
    reference = found["reference"]["second_half"]
    return [
        *_rate(found, "second_half"),
        "" if reference is None else f"{reference:.4f}",
        *_rate(found, "all"),
        f"{found['visits']['all']:,}",
        f"{found['households']['all']:,}",
    ]


def _rate(found: dict[str, Any], span: str) -> tuple[str, str]:
    low, high = found["interval"][span]
    return f"{found[span]:.4f}", f"{low:.4f} to {high:.4f}"


def _figures(report: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    client, server = report["client_ms"], report["server_us"]
    table.add_row(
        "visits", f"{report['visits']:,} in {report['seconds']:,} s, {report['visits_per_second']:,} a second"
    )
    table.add_row("events", ", ".join(f"{name} {count:,}" for name, count in report["events"].items()))
    table.add_row("a page at the client", ", ".join(f"{name} {value:.2f} ms" for name, value in client.items()))
    known = (f"{name} {value:,.0f} µs" for name, value in server.items() if value is not None)
    table.add_row("a page in the server", ", ".join(known) or "not known")
    table.add_row("reasons, till-welcome", ", ".join(f"{name} {count:,}" for name, count in report["reasons"].items()))
    if report["kills"]["count"]:
        table.add_row("killed", _kills(report))
    return table


def _kills(report: dict[str, Any]) -> str:
    on_their_way = ", ".join(f"{count:,}" for count in report["kills"]["events_on_their_way"])
    retried = report["fallbacks"]["outage"]
    return f"{report['kills']['count']} time(s), with {on_their_way} events on their way; {retried:,} decisions retried"

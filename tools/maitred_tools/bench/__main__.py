"""`python -m maitred_tools.bench`: measure, print, and write build/bench/report.json and report.html."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from maitred_server.errors import MaitredError
from rich.console import Console

from maitred_tools.bench import batches, clients, deciding, growth, inprocess, page, report, starts
from maitred_tools.bench.duration import announced, rough_s, words
from maitred_tools.bench.progress import err
from maitred_tools.bench.section import DEFAULT, FULL, QUICK, Bench, Scale, Section, Table
from maitred_tools.bench.targets import Target, targets
from maitred_tools.throwaway import accept_any_disk

REPORT: Final = "report.json"
PAGE: Final = "report.html"
LAYOUT: Final = 2  # raise it when sections of before cannot be shown any more
BUSY: Final = 0.7  # load average
SECTIONS: Final = (
    *(deciding.SECTION, inprocess.SECTION, batches.SECTION, clients.SDK, clients.FEEDBACK),
    *(growth.SECTION, starts.SECTION),
)
NAMES: Final = [one.name for one in SECTIONS]

out = Console()


def main(
    only: Annotated[str, typer.Option(help=f"These sections alone, with commas between: {', '.join(NAMES)}")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="A look: small and few; good for nothing else")] = False,
    full: Annotated[bool, typer.Option("--full", help="10 million profiles and 10 million events too")] = False,
    profiles: Annotated[int | None, typer.Option(min=1_000, help="Profiles of the main store")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds; each measures everything once")] = None,
    calls: Annotated[int | None, typer.Option(min=10, help="Calls of a closed loop")] = None,
    write_docs: Annotated[
        Path | None, typer.Option(help="Measure nothing: put the figures of the last report into this page")
    ] = None,
    build: Annotated[Path, typer.Option(help="Where data directories and reports are kept")] = Path("build/bench"),
) -> None:
    """Measure the server, each figure beside its reference, into one report."""
    if write_docs is not None:
        put_into(write_docs, read(build))
        return
    chosen = [section for name in named(only) for section in SECTIONS if section.name == name]
    accept_any_disk()
    if os.getloadavg()[0] > BUSY:
        warn("this machine is busy with other work: the figures will not be good")
    scale = scaled(QUICK if quick else FULL if full else DEFAULT, profiles, rounds, calls)
    failed = run(Bench(build, scale), chosen)
    out.print(report.table("Targets", TARGETS, target_rows(targets(figures(read(build))))))
    out.print(f"written to {build / REPORT} and {build / PAGE}")
    if failed:
        sys.exit(1)


def named(only: str) -> list[str]:
    """Sections in their order. Raises ValueError for one that there is not."""
    asked = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := [name for name in asked if name not in NAMES]:
        raise ValueError(f"unknown section `{unknown[0]}`; there are {', '.join(NAMES)}")
    return [name for name in NAMES if name in (asked or NAMES)]


def scaled(scale: Scale, profiles: int | None, rounds: int | None, calls: int | None) -> Scale:
    """With what was said on the command line."""
    said: dict[str, Any] = {
        "profiles": profiles,
        "rounds": rounds,
        "calls": calls,
        "open_calls": calls,
        "decisions": calls,
    }
    changed = scale._replace(**{name: value for name, value in said.items() if value is not None})
    return changed._replace(stores=_stores(scale.stores, profiles)) if profiles else changed


def _stores(stores: tuple[int, ...], most: int) -> tuple[int, ...]:
    return (*(size for size in stores if size < most), most)


def run(bench: Bench, chosen: list[Section]) -> list[str]:
    """Measure sections one after the other; the report is written after each. Names of those that failed."""
    failed, last = [], read(bench.build)["sections"]
    err.print(announced([one.name for one in chosen], bench.scale, last, bench.build), highlight=False)
    for number, section in enumerate(chosen, start=1):
        long = words(rough_s(section.name, bench.scale, last))
        err.print(f"{number} of {len(chosen)}: {section.title}, {long}", highlight=False)
        stamp = report.stamp(command()) | {"commit": report.commit(), "scale": bench.scale._asdict()}
        whole, began = read(bench.build), time.monotonic()
        try:
            found = section.measure(bench)
        except Exception as error:  # noqa: BLE001 - a section that fails does not lose the others
            failed.append(section.name)
            whole["problems"][section.name] = f"{type(error).__name__}: {error}"
            warn(f"{section.name}: {whole['problems'][section.name]}")
        else:
            whole["problems"].pop(section.name, None)
            stamp["seconds"] = round(time.monotonic() - began)
            whole["sections"][section.name] = {"stamp": stamp, "figures": found}
            show(section.tables(found))
        write(bench.build, whole)
    return failed


def read(build: Path) -> dict[str, Any]:
    """The report so far."""
    path = build / REPORT
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if found.get("layout") != LAYOUT:  # none, or one of before
        return {"layout": LAYOUT, "targets": [], "problems": {}, "sections": {}}
    return found


def figures(whole: dict[str, Any]) -> dict[str, Any]:
    """The figures of each section."""
    return {name: one["figures"] for name, one in whole["sections"].items()}


def write(build: Path, whole: dict[str, Any]) -> None:
    """The report and its page, with the targets as the figures have them."""
    reached = targets(figures(whole))
    report.save(build / REPORT, whole | {"targets": [one.plain() for one in reached]})
    (build / PAGE).write_text(page.render(whole, SECTIONS, reached), encoding="utf-8")


def show(tables: list[Table]) -> None:
    """Print them."""
    for one in tables:
        out.print(report.table(*one))


TARGETS: Final = ("target", "", "value", "met", "")


def target_rows(reached: list[Target]) -> list[tuple[str, ...]]:
    """One row for each target."""
    words = {True: "yes", False: "no", None: ""}
    return [(one.name, one.target, one.reached, words[one.met], one.note) for one in reached]


def put_into(target: Path, whole: dict[str, Any]) -> None:
    """The figures of a report, into a page of the docs. Raises ValueError when a section has no place there."""
    rows = target_rows(targets(figures(whole)))
    report.write_section(target, "targets", report.markdown(TARGETS, rows))
    for section in SECTIONS:
        if stamped := whole["sections"].get(section.name):
            tables = [report.markdown(one.header, one.rows) for one in section.tables(stamped["figures"])]
            report.write_section(target, section.name, "\n\n".join([*tables, report.stamped(stamped["stamp"])]))


def warn(message: str) -> None:
    """A line on standard error."""
    err.print(f"bench: {message}", markup=False, highlight=False)


def command() -> str:
    """How this was called."""
    return f"python -m maitred_tools.bench {' '.join(sys.argv[1:])}".strip()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError, ValueError) as error:
        warn(str(error))
        sys.exit(1)

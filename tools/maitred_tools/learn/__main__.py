"""`python -m maitred_tools.learn`: play, print, and write build/learn/report.json."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from maitred_tools.bench.progress import err, progress
from maitred_tools.bench.report import Report, save, stamp, table, write_section
from maitred_tools.learn import plan, report
from maitred_tools.learn.contestants import CONTESTANTS
from maitred_tools.learn.data import has_shared
from maitred_tools.learn.drift import drift
from maitred_tools.learn.play import play
from maitred_tools.learn.upworthy import lose

REPORT = Path("build/learn/report.json")
QUICK = plan.Plan(200, 100, 2, 3, 1_000, 400, 1)
PEERS = ("vowpalwabbit", "gittins", "scikit-learn", "river")

out = Console()


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A small run, to see that it works")] = False,
    again: Annotated[
        str | None, typer.Option(help="Play the data sets with this contestant alone, and put it into the last report")
    ] = None,
    write_docs: Annotated[Path | None, typer.Option(help="Play nothing: put the last report into this page")] = None,
) -> None:
    """Play contextual bandits from labelled data, ours and other people's, on the same rounds."""
    if write_docs is not None:
        write_section(write_docs, "learn", report.section(json.loads(REPORT.read_text())))
        return
    found = measured(QUICK if quick else plan.Plan()) if again is None else replayed(again)
    save(REPORT, found)
    names = ("", *found["bandits"])
    out.print(table("Average reward", names, report.reward_rows(found)))
    out.print(table("Ours less the best of Vowpal Wabbit", names, report.ahead_rows(found)))
    out.print(table("Drift", ("", "rounds", "recovered", "reward"), report.drift_rows(found)))
    if found["headlines"]:
        out.print(table("Headlines: clicks lost", ("", "mean"), report.headline_rows(found)))
    out.print(f"written to {REPORT}")


def measured(how: plan.Plan) -> Report:
    """The whole benchmark."""
    for name, folder in {**plan.NEEDS, "headlines": "upworthy"}.items():
        if not has_shared(folder):
            warn(f"no {folder} data here: {name} is left out")
    found = stamp(f"python -m maitred_tools.learn {' '.join(sys.argv[1:])}".strip())
    found["versions"] |= {name: metadata.version(name) for name in PEERS}
    runner = plan.Runner(how.processes)
    try:
        return found | {"plan": how._asdict()} | played(how, runner)
    finally:
        runner.close()


def replayed(who: str) -> Report:
    """The last report with one contestant tuned and measured anew, of those that no other figure is compared with.

    Raises ValueError for another name.
    """
    alone = [name for name in CONTESTANTS if not name.startswith(("ours", "vw_"))]
    if who not in alone:
        raise ValueError(f"--again: {who} cannot be played alone; {', '.join(alone)} can")
    found: Report = json.loads(REPORT.read_text())
    how = plan.Plan(**found["plan"])
    runner = plan.Runner(how.processes)
    try:
        fresh = contested(how, runner, {who})
    finally:
        runner.close()
    for name, by in fresh.items():
        found["bandits"][name][who] = by[who]
    return found | {"again": [*found.get("again", []), {"contestant": who, "date": stamp("")["date"]}]}


def played(how: plan.Plan, runner: plan.Runner) -> Report:
    """All parts, one after the other."""
    bandits = contested(how, runner, set(CONTESTANTS))
    lost = plan.headlines(how) if has_shared("upworthy") else []
    with progress("headlines", len(lost)) as done:
        headlines = report.headlines(lost, runner.run(lose, lost, done))
    flipped = plan.drifts(how)
    with progress("drift", len(flipped)) as done:
        drifts = report.drifts(flipped, runner.run(drift, flipped, done))
    return {"bandits": bandits, "headlines": headlines, "drift": drifts}


def contested(how: plan.Plan, runner: plan.Runner, who: set[str]) -> Report:
    """Tunes some contestants on an order of its own, then measures them on the others."""
    tried = [task for task in plan.tuning(how) if task.contestant in who]
    with progress("tuning", len(tried)) as done:
        settings = plan.best_settings(tried, runner.run(play, tried, done))
    tasks = [task for task in plan.measuring(how, settings) if task.contestant in who]
    with progress("data sets", len(tasks)) as done:
        return report.bandits(tasks, runner.run(play, tasks, done))


def warn(message: str) -> None:
    """A line on standard error."""
    err.print(f"learn: {message}", markup=False, highlight=False)


if __name__ == "__main__":
    try:
        typer.run(main)
    except (RuntimeError, OSError, ValueError, ModuleNotFoundError) as error:
        warn(str(error))
        sys.exit(1)

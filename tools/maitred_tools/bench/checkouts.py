"""`python -m maitred_tools.bench.checkouts`: CPU of a decision in its process, by stage; beside another checkout's.

Each checkout decides in a process of its own, in turn with the other, so that what else the machine does slows both
alike. `--before CHECKOUT`: a folder with the `server` folder of other code that reads the same data. `--data`: a data
directory that `maitred_tools.bench` left, with what is in force there, instead of the two of its own.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.worlds import Worlds
from maitred_server.model import Kind
from maitred_server.store import Store
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms
from rich.console import Console
from rich.table import Table

from maitred_tools.bench import control, seed
from maitred_tools.bench.stages import Laps
from maitred_tools.throwaway import accept_any_disk

PLAYBOOKS: Final = {"plain": None, "control": control.playbook}
CONTEXT: Final = {"store": "330", "device": "till"}
REQUESTS: Final = 200  # in a round
WHOLE: Final = "whole decision"

Figures = dict[str, float]  # microseconds of CPU by stage; WHOLE: without a stopwatch


def main(
    before: Annotated[Path | None, typer.Option(help="Another checkout, to compare with")] = None,
    profiles: Annotated[int, typer.Option(min=1_000, help="Profiles in the store")] = 20_000,
    rounds: Annotated[int, typer.Option(min=3, help="Rounds of each process")] = 30,
    build: Annotated[Path, typer.Option(help="Where data directories are kept")] = Path("build/checkouts"),
    data: Annotated[Path | None, typer.Option(help="A data directory to decide from, in which nobody works")] = None,
    worker: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure decisions without gRPC: medians of rounds of 200 decisions each, for subjects drawn at random."""
    if before is not None and not (before / "server" / "maitred_server").is_dir():
        raise typer.BadParameter(
            f"{before} is no checkout: it has no folder server/maitred_server", param_hint="--before"
        )
    accept_any_disk()
    if worker is not None:
        work(worker, profiles)
        return
    checkouts = {"now": None} if before is None else {"before": before, "now": None}
    if data is not None:
        _show(str(data), compared(data, profiles, checkouts, rounds))
        return
    for name, files in PLAYBOOKS.items():
        data = seed.data_directory(_made(build / name), profiles, lambda done: None, files and files())
        _show(name, compared(data, profiles, checkouts, rounds))


def compared(data: Path, profiles: int, checkouts: Mapping[str, Path | None], rounds: int) -> dict[str, Figures]:
    """The median over the rounds, by checkout. The processes take turns; a round before the first warms up."""
    found: dict[str, list[Figures]] = {name: [] for name in checkouts}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(_worker(data, profiles, folder)) for name, folder in checkouts.items()}
        for _ in range(rounds + 1):
            for name, process in workers.items():
                found[name].append(_round_of(process))
    return {name: _medians(figures[1:]) for name, figures in found.items()}


def _medians(figures: Sequence[Figures]) -> Figures:
    return {stage: statistics.median(one[stage] for one in figures) for stage in figures[0]}


@contextmanager
def _worker(data: Path, profiles: int, checkout: Path | None) -> Iterator[subprocess.Popen[str]]:
    path = {} if checkout is None else {"PYTHONPATH": str((checkout / "server").resolve())}
    command = [
        sys.executable,
        "-m",
        "maitred_tools.bench.checkouts",
        "--worker",
        str(data),
        "--profiles",
        f"{profiles}",
    ]
    with subprocess.Popen(
        command, env=os.environ | path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _round_of(process: subprocess.Popen[str]) -> Figures:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("round\n")
    process.stdin.flush()
    found: Figures = json.loads(process.stdout.readline())
    return found


def work(data: Path, profiles: int) -> None:
    """Measure a round for each line of standard input."""
    keys, worlds, chance = KeyDirectory(data / "keys"), Worlds(data), random.Random(11)  # noqa: S311
    worlds.poll()
    pseudonyms = Pseudonyms(keys.pseudonym_key())
    store: Any = Store.open(data, read_only=True)
    with closing(store):
        pipeline = Pipeline(store, worlds.world, Sealer(keys.sealing(), keys.find))
        for _ in sys.stdin:
            asks = [_ask(pseudonyms, chance.randrange(profiles)) for _ in range(REQUESTS)]
            print(json.dumps({WHOLE: _whole(pipeline, asks), **_by_stage(pipeline, asks)}), flush=True)


def _ask(pseudonyms: Pseudonyms, number: int) -> Ask:
    subject = pseudonyms.subject_key(seed.BRAND, Kind.PERSON, seed.subject(number))
    wanted = [(seed.PLACEMENT, seed.SLOTS)]
    return Ask(seed.BRAND, subject, Kind.PERSON, {Kind.PERSON: subject}, wanted, context=CONTEXT)


def _whole(pipeline: Pipeline, asks: Sequence[Ask]) -> float:
    begun = time.thread_time_ns()
    for ask in asks:
        pipeline.decide(ask)
    return (time.thread_time_ns() - begun) / 1_000 / len(asks)


def _by_stage(pipeline: Pipeline, asks: Sequence[Ask]) -> Figures:
    laps = Laps()
    for ask in asks:
        laps.begin()
        pipeline.decide(ask, laps)
    return {stage: spent / 1_000 / len(asks) for stage, spent in laps.total.items()}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _show(playbook: str, found: Mapping[str, Figures]) -> None:
    table = Table("stage", *(f"{name}, us" for name in found), *["ratio"] * (len(found) > 1), title=playbook)
    for stage in found["now"]:
        figures = [one[stage] for one in found.values()]
        ratio = [f"{figures[-1] / figures[0]:.2f}"] if len(figures) > 1 else []
        table.add_row(stage, *(f"{figure:.1f}" for figure in figures), *ratio)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)

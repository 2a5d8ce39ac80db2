"""What each step of a call costs in the whole process, beside an echo server: `python -m maitred_tools.bench.depths`.

A stage timed inside of one busy loop finds its code and data in the processor's caches; in a server gRPC and the
kernel have used them since the last call. So each depth is a server of its own, and the steps are the differences.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from maitred_tools.bench import seed
from maitred_tools.bench.deciding import echoes
from maitred_tools.bench.echo import Front
from maitred_tools.bench.measure import Case
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.section import steps
from maitred_tools.bench.shallow import Depth
from maitred_tools.load import Load, run
from maitred_tools.throwaway import accept_any_disk

WARM_CALLS = 1_000
ECHO = "echo"


def main(
    profiles: Annotated[int, typer.Option(min=1_000, help="Profiles in the store")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each measures every server once")] = 15,
    calls: Annotated[int, typer.Option(min=100, help="Calls of a round, of one server")] = 1_000,
    front: Annotated[str, typer.Option(help="What carries the calls: grpcio or envoy")] = seed.GRPCIO,
    build: Annotated[Path, typer.Option(help="Where data directories are kept")] = Path("build/bench"),
) -> None:
    """Measure servers that stop half-way, in turn."""
    accept_any_disk()
    data = seed.data_directory(build, profiles)
    load = Load(seed.requests(profiles, 20_000), calls)
    with ExitStack() as stack, steps("rounds", rounds) as done:
        cases = _cases(stack, data, load, front)
        for case in cases.values():
            run(case.server.target, replace(case.load, calls=WARM_CALLS))
        found: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(rounds):
            for name in list(cases)[:: 1 if number % 2 == 0 else -1]:
                found[name].append(cpu_us(cases[name]))
            done(number)
    drawn = Table("up to", "median", "least", "most", "x echo", title="CPU of a call, microseconds")
    for row in rows(found):
        drawn.add_row(*row)
    Console().print(drawn)


def cpu_us(case: Case) -> float:
    """Microseconds of CPU that the server uses for a call. Raises RuntimeError when calls fail."""
    before = case.server.cpu_ns()
    result = run(case.server.target, case.load)
    if result.failures:
        raise RuntimeError(f"calls failed: {dict(result.failures)}")
    return (case.server.cpu_ns() - before) / 1000 / result.answered


def rows(found: Mapping[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """A line for each server; the ratio is the median of the rounds' ratios."""
    return [_row(name, readings, found[ECHO]) for name, readings in found.items()]


def _row(name: str, readings: Sequence[float], reference: Sequence[float]) -> tuple[str, ...]:
    ratio = statistics.median(one / other for one, other in zip(readings, reference, strict=True))
    figures = (statistics.median(readings), min(readings), max(readings))
    return (name, *(f"{figure:.1f}" for figure in figures), f"{ratio:.2f}")


def _cases(stack: ExitStack, data: Path, load: Load, front: str) -> dict[str, Case]:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    servers = {depth.value: stack.enter_context(_shallow(data, folder, depth, front)) for depth in Depth}
    echo = stack.enter_context(echoes(servers[Depth.WRITTEN], {ECHO: load}))[f"{ECHO} {Front.AIO}"]
    return {ECHO: echo} | {name: Case(server, load) for name, server in servers.items()}


def _shallow(data: Path, folder: Path, depth: Depth, front: str) -> ServerProcess:
    own = shutil.copytree(data, folder / depth.value)
    settings = ["--data", str(own), "--listen", "127.0.0.1:0", "--metrics", "", "--set", "drain_s=0", "--front", front]
    return ServerProcess("maitred_tools.bench.shallow", [depth.value, "serve", *settings])


if __name__ == "__main__":
    typer.run(main)

"""What each step of a call costs in the whole process, beside an echo server: `python -m maitred_tools.bench.depths`.

A stage timed inside of one busy loop finds its code and data in the processor's caches; in a server gRPC and the
kernel have used them since the last call. So each depth is a server of its own, and the steps are the differences.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from maitred_tools.bench import seed
from maitred_tools.bench.deciding import ask
from maitred_tools.bench.echo import Front
from maitred_tools.bench.measure import Spread
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.progress import progress
from maitred_tools.bench.report import table
from maitred_tools.bench.shallow import Depth
from maitred_tools.load import Load, run
from maitred_tools.throwaway import accept_any_disk

WARM_CALLS = 1_000
ECHO = "echo"

out = Console()


def main(
    profiles: Annotated[int, typer.Option(min=1_000, help="Profiles in the store")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each measures every server once")] = 15,
    calls: Annotated[int, typer.Option(min=100, help="Calls of a round, of one server")] = 1_000,
    build: Annotated[Path, typer.Option(help="Where data directories are kept")] = Path("build/bench"),
) -> None:
    """Measure servers that stop half-way, in turn."""
    accept_any_disk()
    data = seed.data_directory(build, profiles)
    load = Load(seed.requests(profiles, 20_000), calls)
    with ExitStack() as stack, progress("rounds", rounds) as done:
        servers = _servers(stack, data, load.requests[0])
        for server in servers.values():
            run(server.target, Load(load.requests, WARM_CALLS))
        found: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(rounds):
            for name in list(servers)[:: 1 if number % 2 == 0 else -1]:
                found[name].append(cpu_us(servers[name], load))
            done(1)
    out.print(table("CPU of a call, microseconds", ("up to", "median", "least", "most", "x echo"), rows(found)))


def cpu_us(server: ServerProcess, load: Load) -> float:
    """Microseconds of CPU that the server uses for a call. Raises RuntimeError when calls fail."""
    before = server.cpu_ns()
    result = run(server.target, load)
    if result.failures:
        raise RuntimeError(f"calls failed: {dict(result.failures)}")
    return (server.cpu_ns() - before) / 1000 / result.answered


def rows(found: Mapping[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """A line for each server; the ratio is the median of the rounds' ratios."""
    return [_row(name, readings, found[ECHO]) for name, readings in found.items()]


def _row(name: str, readings: Sequence[float], reference: Sequence[float]) -> tuple[str, ...]:
    ratio = statistics.median(one / other for one, other in zip(readings, reference, strict=True))
    return (name, *(f"{figure:.1f}" for figure in Spread.of(readings)), f"{ratio:.2f}")


def _servers(stack: ExitStack, data: Path, request: bytes) -> dict[str, ServerProcess]:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    depths = {depth.value: stack.enter_context(_shallow(data, folder, depth)) for depth in Depth}
    answer = folder / "answer"
    answer.write_bytes(ask(depths[Depth.WRITTEN].target, request))
    echo = ServerProcess("maitred_tools.bench.echo", ["--front", Front.AIO.value, "--answer", str(answer)])
    return {ECHO: stack.enter_context(echo), **depths}


def _shallow(data: Path, folder: Path, depth: Depth) -> ServerProcess:
    own = shutil.copytree(data, folder / depth.value)
    settings = ["--data", str(own), "--listen", "127.0.0.1:0", "--metrics", "", "--set", "drain_s=0"]
    return ServerProcess("maitred_tools.bench.shallow", [depth.value, "serve", *settings])


if __name__ == "__main__":
    typer.run(main)

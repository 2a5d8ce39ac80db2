"""`python -m maitred_tools.bench`: measure, print, and write build/bench/report.json."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from maitred_server.errors import MaitredError
from rich.console import Console

from maitred_tools.bench import control, growth, report, seed, stages
from maitred_tools.bench.echo import Front
from maitred_tools.bench.measure import Plan, interleaved
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.progress import err, progress
from maitred_tools.load import DECIDE, Load
from maitred_tools.throwaway import accept_any_disk

REPORT = "report.json"
CONTROL = "control.json"
GROWTH = "growth.json"
REQUESTS = 20_000
STAGE_REQUESTS = 3_000
BUSY = 0.7  # load average

out = Console()


def main(
    profiles: Annotated[int, typer.Option(min=1_000, help="Profiles in the store")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each measures every server once")] = 7,
    calls: Annotated[int, typer.Option(min=100, help="Calls of a closed loop")] = 6_000,
    rate: Annotated[float, typer.Option(min=1, help="Calls a second of the open loop")] = 300.0,
    open_s: Annotated[float, typer.Option(min=0.1, help="Seconds of an open loop")] = 3.0,
    fewer: Annotated[int, typer.Option(min=1_000, help="Profiles of the small store of --growth")] = 10_000,
    growth_only: Annotated[bool, typer.Option("--growth", help="Compare a small and a large store instead")] = False,
    controlled: Annotated[
        bool, typer.Option("--control", help="With a playbook of 500 rules, 200 segments and 20 contact policies")
    ] = False,
    write_docs: Annotated[
        Path | None, typer.Option(help="Measure nothing: put the figures of the last reports into this page")
    ] = None,
    build: Annotated[Path, typer.Option(help="Where data directories and reports are kept")] = Path("build/bench"),
) -> None:
    """Measure the server beside an echo server that does nothing, in one run, in turn."""
    if write_docs is not None:
        put_into(write_docs, build)
        return
    accept_any_disk()
    stamp = report.stamp(command())
    if stamp["machine"]["load_average"] > BUSY:
        warn("this machine is busy with other work: the figures will not be good")
    if growth_only:
        measure_growth(build, stamp, fewer, profiles, rounds, calls)
    else:
        load = Load(seed.requests(profiles, REQUESTS), calls)
        files = control.playbook() if controlled else None
        measure_decide(build, stamp, profiles, Plan(load, rounds, rate, open_calls=int(rate * open_s)), files)


def measure_decide(
    build: Path, stamp: report.Report, profiles: int, plan: Plan, files: dict[str, bytes] | None = None
) -> None:
    """The server beside the echo servers. `files`: the playbook; None: the plain one."""
    data = seeded(build, profiles, files)
    saved = build / (REPORT if files is None else CONTROL)
    with servers(data, plan.load.requests[0]) as running, progress("rounds", plan.rounds * len(running)) as done:
        found = interleaved(running, plan, lambda _: done())
    setup = {"profiles": profiles, "candidates": seed.ITEMS, "slots": seed.SLOTS, "policy": "habit"}
    load = {"rounds": plan.rounds, "calls": plan.load.calls, "connections": plan.load.connections}
    measured = stamp | {"setup": setup | load | {"open_rate": plan.open_rate}}
    measured |= report.compared(found)
    sample = plan.load.requests[: min(STAGE_REQUESTS, plan.load.calls)]
    measured["stages_us"] = stages.stages_us(data, seed.BRAND, sample)
    report.save(saved, measured)
    title = f"Decide, {profiles:,} profiles, {seed.ITEMS:,} candidates, {seed.SLOTS} slots"
    out.print(report.table(title, report.COMPARED, report.compared_rows(measured)))
    out.print(report.table("Stages of a decision", report.STAGES, report.stage_rows(measured)))
    out.print(f"written to {saved}")


def measure_growth(build: Path, stamp: report.Report, fewer: int, more: int, rounds: int, calls: int) -> None:
    """The server over a small and a large store."""
    folders = {profiles: seeded(build, profiles) for profiles in (fewer, more)}
    starts = {profiles: starter(data) for profiles, data in folders.items()}
    loads = {profiles: Load(seed.requests(profiles, REQUESTS), calls) for profiles in folders}
    with progress("lives", rounds * len(folders)) as done:
        found = growth.lives(starts, loads, rounds, lambda _: done())
    measured = stamp | {"rounds": rounds, "calls": calls} | growth.grown(found)
    report.save(build / GROWTH, measured)
    out.print(report.table("A small and a large store", report.GROWN, report.grown_rows(measured)))
    out.print(f"written to {build / GROWTH}")


def starter(data: Path) -> Callable[[], ServerProcess]:
    """What starts the server on a data directory."""
    return lambda: seed.server(data)


def seeded(build: Path, profiles: int, files: dict[str, bytes] | None = None) -> Path:
    """The data directory with so many profiles."""
    with progress(f"{profiles:,} profiles", profiles) as done:
        so_far = 0

        def told(count: int) -> None:
            nonlocal so_far
            done(count - so_far)
            so_far = count

        return seed.data_directory(build, profiles, told, files)


@contextmanager
def servers(data: Path, request: bytes) -> Iterator[dict[str, ServerProcess]]:
    """The real server, and both echo servers with an answer of the real one."""
    with tempfile.TemporaryDirectory() as folder, seed.server(data) as decide:
        answer = Path(folder) / "answer"
        answer.write_bytes(ask(decide.target, request))
        with echo(Front.AIO, answer) as on_asyncio, echo(Front.SYNC, answer) as on_threads:
            yield {Front.AIO.value: on_asyncio, "decide": decide, Front.SYNC.value: on_threads}


def echo(front: Front, answer: Path) -> ServerProcess:
    """An echo server."""
    return ServerProcess("maitred_tools.bench.echo", ["--front", front.value, "--answer", str(answer)])


def ask(target: str, request: bytes) -> bytes:
    """One answer. Raises RuntimeError when the server gives none."""
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(DECIDE)
        try:
            return bytes(call(request, timeout=10.0))
        except grpc.RpcError as error:
            raise RuntimeError(f"the server does not decide: {error.details()}") from None


def warn(message: str) -> None:
    """A line on standard error."""
    err.print(f"bench: {message}", markup=False, highlight=False)


def command() -> str:
    """How this was called."""
    arguments = " ".join(sys.argv[1:])
    return f"python -m maitred_tools.bench {arguments}".strip()


def put_into(page: Path, build: Path) -> None:
    """The figures of the reports that are there, into a page of the docs."""
    for name, section in ((REPORT, "decide"), (CONTROL, "control")):
        if (build / name).exists():
            found = json.loads((build / name).read_text())
            tables = (
                report.markdown(report.COMPARED, report.compared_rows(found)),
                report.markdown(report.STAGES, report.stage_rows(found)),
            )
            report.write_section(page, section, "\n\n".join((*tables, report.stamped(found))))
    if (build / GROWTH).exists():
        found = json.loads((build / GROWTH).read_text())
        grown = report.markdown(report.GROWN, report.grown_rows(found))
        report.write_section(page, "growth", f"{grown}\n\n{report.stamped(found)}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError, ValueError) as error:
        warn(str(error))
        sys.exit(1)

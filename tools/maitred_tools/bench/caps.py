"""`python -m maitred_tools.bench.caps`: are contact policies kept while many decide and show at the same time?

Clients decide for few subjects and show at once what they were told to, and dismiss some of it, over all workers of a
real server. Every decision is compared with a plain list of what was acknowledged before it was begun: nothing that
those acknowledgements forbid may be in it. Decisions that are made at the same time do not know of each other, and may
go over a policy together; the journal tells by how much.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import grpc
import grpc.aio
import typer
from maitred.v1.decision_pb2 import DecideRequest, PlacementRequest
from maitred.v1.types_pb2 import Subject
from maitred_server.errors import MaitredError
from rich.console import Console

from maitred_tools.bench import capfilter, report, seed
from maitred_tools.bench.capclients import PLAYBOOK, Clients, Tally
from maitred_tools.bench.connections import WAIT_S, connected, one_a_worker
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.progress import err, progress
from maitred_tools.load import DECIDE, refuse_other_machines
from maitred_tools.throwaway import accept_any_disk

REPORT = "caps.json"
RECORD = "/maitred.v1.FeedbackService/Record"
CONNECTIONS = 16

out = Console()


def measure(data: Path, workers: int, concurrent: int, decisions: int, done: Callable[[], None]) -> dict[str, Any]:
    """A run over a server of its own, and what its journal says of it afterwards. Raises RuntimeError, RpcError."""
    settings = ["--data", str(data), "--listen", "127.0.0.1:0", "--metrics", "", "--set", "drain_s=0"]
    with ServerProcess("maitred_server", ["serve", *settings, "--workers", str(workers)]) as server:
        refuse_other_machines(server.target)
        seed.publish(server.target, PLAYBOOK)
        tally = asyncio.run(_run(server, workers, concurrent, decisions, done))
    told = {"decisions": tally.decisions, "choices": tally.choices, "empty": tally.empty, "told": tally.told}
    return {**told, "refused": tally.refused, "broken": dict(tally.broken), "journal": _overshoot(data)}


async def _run(server: ServerProcess, workers: int, concurrent: int, decisions: int, done: Callable[[], None]) -> Tally:
    async with AsyncExitStack() as stack:
        channels = await one_a_worker(stack, server, workers)
        while len(channels) < min(CONNECTIONS, concurrent):
            channels.append(await connected(stack, server.target))
        calls: list[tuple[Any, Any]] = [
            (channel.unary_unary(DECIDE), channel.unary_unary(RECORD)) for channel in channels
        ]
        for decide, _ in calls:
            await _serving(decide)
        return await Clients(calls, decisions, done).run(concurrent)


async def _serving(decide: Any) -> None:
    """Until the worker behind a connection has taken up what was published. Raises RpcError, TimeoutError."""
    request = DecideRequest(subject=Subject(id="nobody"), placements=[PlacementRequest(placement="home")])
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await decide(request.SerializeToString(), timeout=WAIT_S)
                return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                    raise
                await asyncio.sleep(0.02)


def _overshoot(data: Path) -> dict[str, Any]:
    """What `maitred caps` says."""
    command = [sys.executable, "-m", "maitred_server", "caps", "--data", str(data), "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if not told.stdout:
        raise RuntimeError(told.stderr.strip())
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def rows(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    """The run in numbers, then each policy."""
    policies = measured["journal"]["policies"]
    return [
        ("decisions", f"{measured['decisions']:,}", "", ""),
        ("choices", f"{measured['choices']:,}", "", ""),
        ("placements with nothing left to show", f"{measured['empty']:,}", "", ""),
        ("showings and dismissals acknowledged", f"{measured['told']:,}", "", ""),
        (
            "choices that break a policy by what was acknowledged before",
            f"{sum(measured['broken'].values()):,}",
            "",
            "",
        ),
        *((f"`{name}`", *(f"{one[key]:,}" for key in ("checked", "over", "aware"))) for name, one in policies.items()),
    ]


HEADER = ("", "shown", "over it", "of that, decided knowing enough")


def main(
    decisions: Annotated[int, typer.Option(min=1, help="Decisions in all")] = 100_000,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes")] = 4,
    concurrent: Annotated[int, typer.Option(min=1, max=1_000, help="Clients at a time")] = 64,
    filter_rounds: Annotated[int, typer.Option(min=1, help="Rounds of timing the filter")] = 7,
    write_docs: Annotated[
        Path | None, typer.Option(help="Measure nothing: put the figures of the last report into this page")
    ] = None,
    build: Annotated[Path, typer.Option(help="Where data directories and reports are kept")] = Path("build/bench"),
) -> None:
    """Decide and show at the same time from many clients, and see whether contact policies are kept."""
    if write_docs is not None:
        measured = json.loads((build / REPORT).read_text())
        tables = (report.markdown(HEADER, rows(measured)), report.markdown(capfilter.HEADER, _filter_rows(measured)))
        report.write_section(write_docs, "caps", "\n\n".join((*tables, report.stamped(measured))))
        return
    measured = _measured(build, workers, concurrent, decisions, filter_rounds)
    out.print(report.table(f"{workers} workers, {concurrent} clients", HEADER, rows(measured)))
    out.print(report.table("The filter, 20 contact policies", capfilter.HEADER, _filter_rows(measured)))
    out.print(f"written to {build / REPORT}")
    if measured["broken"] or any(one["aware"] for one in measured["journal"]["policies"].values()):
        raise typer.Exit(1)


def _measured(build: Path, workers: int, concurrent: int, decisions: int, filter_rounds: int) -> dict[str, Any]:
    accept_any_disk()
    build.mkdir(parents=True, exist_ok=True)
    stamp = report.stamp(f"python -m maitred_tools.bench.caps {' '.join(sys.argv[1:])}".strip())
    with tempfile.TemporaryDirectory(dir=build) as data, progress("decisions", decisions) as done:
        found = measure(Path(data) / "data", workers, concurrent, decisions, done)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        filtered = capfilter.filter_us(Path(folder), filter_rounds)
    measured = stamp | {"workers": workers, "concurrent": concurrent} | found | {"filter_us": filtered}
    report.save(build / REPORT, measured)
    return measured


def _filter_rows(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(name, *(f"{one:.1f}" for one in times)) for name, times in measured["filter_us"].items()]


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError, ValueError) as error:
        err.print(f"caps: {error}", markup=False, highlight=False)
        sys.exit(1)
    except grpc.RpcError as error:
        err.print(f"caps: {error}", markup=False, highlight=False)
        sys.exit(1)

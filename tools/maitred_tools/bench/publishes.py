"""`python -m maitred_tools.bench.publishes`: publish after publish under load. Does a request fail, is an answer mixed?

Every item of a version says in its content which publish it is of. A connection to each worker asks for pages of
three placements, at a steady rate; meanwhile one version is published after the other, and every tenth time an earlier
one is brought back. An answer is mixed when its choices are not all of one publish, or of another one than its version.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import grpc
import grpc.aio
import typer
from maitred.v1 import admin_pb2, decision_pb2, types_pb2
from maitred_server.errors import MaitredError
from maitred_server.store.published import brand_folder
from rich.console import Console

from maitred_tools.bench import report, seed
from maitred_tools.bench.connections import WAIT_S, connected, one_a_worker
from maitred_tools.bench.measure import Spread
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.progress import err, progress
from maitred_tools.load import DECIDE, refuse_other_machines
from maitred_tools.throwaway import accept_any_disk

REPORT = "publishes.json"
SERVICE = "/maitred.v1.AdminService"
PLACEMENTS = ("home", "till", "banner")
ROLLBACK_EVERY = 10
PUBLISH_S = 120.0
HEADER = ("", "figure")

out = Console()


class Plan(NamedTuple):
    """What to do: `rate` is pages a second on each connection, one connection to each worker."""

    publishes: int
    workers: int
    items: int
    rate: float


class Publish(NamedTuple):
    """A publish: what it put in force, and when it was begun and answered (seconds)."""

    version: int
    mark: int
    begun: float
    answered: float


@dataclass
class Seen:
    """What a worker's connection saw. `first`: when each version was first answered."""

    answers: int = 0
    mixed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    first: dict[int, float] = field(default_factory=dict)
    marks: defaultdict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    slowest_s: float = 0.0


def playbook(mark: int, items: int) -> dict[str, bytes]:
    """A playbook whose every item carries the number of its publish."""
    lines = (json.dumps({"id": seed.item(at), "variants": [{"content": {"mark": mark}}]}) for at in range(items))
    placements = [{"name": name, "policy": "uniform", "slots": 2} for name in PLACEMENTS]
    return {
        "playbook.yaml": b"name: publishes\n",
        "placements.yaml": json.dumps({"placements": placements}).encode(),
        "items.jsonl": "\n".join(lines).encode(),
    }


async def measure(server: ServerProcess, plan: Plan, done: Callable[[], None]) -> tuple[list[Publish], list[Seen]]:
    """Publish under load. `done` is told after each publish. Raises RuntimeError when a publish fails."""
    refuse_other_machines(server.target)
    async with AsyncExitStack() as stack:
        admin = await connected(stack, server.target)
        publishes = [await _publish(admin, playbook(0, plan.items), 0)]
        channels = await one_a_worker(stack, server, plan.workers)
        workers = [_Worker(channel, plan.rate) for channel in channels]
        await asyncio.gather(*(worker.until(publishes[0].version) for worker in workers))
        async with asyncio.TaskGroup() as tasks:
            for worker in workers:
                tasks.create_task(worker.run())
            try:
                await _go_on(admin, plan, publishes, done)
                await _served(workers, publishes[-1].version)
            finally:
                for worker in workers:
                    worker.stopped = True
        return publishes, [worker.seen for worker in workers]


async def _go_on(admin: grpc.aio.Channel, plan: Plan, publishes: list[Publish], done: Callable[[], None]) -> None:
    for number in range(1, plan.publishes + 1):
        if number % ROLLBACK_EVERY:
            publishes.append(await _publish(admin, playbook(number, plan.items), number))
        else:
            publishes.append(await _rollback(admin, publishes[number // 2]))
        done()


async def _publish(admin: grpc.aio.Channel, files: dict[str, bytes], mark: int) -> Publish:
    request = admin_pb2.PublishRequest(files=files, author="bench", note=f"publish {mark}")
    begun = time.perf_counter()
    answer = await _called(admin, "Publish", request.SerializeToString())
    version = admin_pb2.PublishResponse.FromString(answer).versions.catalogue
    return Publish(int(version), mark, begun, time.perf_counter())


async def _rollback(admin: grpc.aio.Channel, to: Publish) -> Publish:
    request = admin_pb2.RollbackRequest(version=str(to.version), author="bench")
    begun = time.perf_counter()
    answer = await _called(admin, "Rollback", request.SerializeToString())
    version = admin_pb2.RollbackResponse.FromString(answer).versions.catalogue
    return Publish(int(version), to.mark, begun, time.perf_counter())


async def _called(admin: grpc.aio.Channel, verb: str, request: bytes) -> bytes:
    call: Any = admin.unary_unary(f"{SERVICE}/{verb}")
    try:
        return bytes(await call(request, timeout=PUBLISH_S))
    except grpc.aio.AioRpcError as error:
        raise RuntimeError(f"{verb} failed: {error.code().name}: {error.details()}") from None


async def _served(workers: Sequence[_Worker], version: int) -> None:
    until = time.perf_counter() + WAIT_S
    while any(version not in worker.seen.first for worker in workers):
        if time.perf_counter() > until:
            raise RuntimeError(f"not every worker served version {version} in {WAIT_S:g} s")
        await asyncio.sleep(0.01)


class _Worker:
    """Asks one worker for pages, at intended times."""

    def __init__(self, channel: grpc.aio.Channel, rate: float) -> None:
        self.seen = Seen()
        self.stopped = False
        self._call: Any = channel.unary_unary(DECIDE)
        self._every_s = 1 / rate
        self._request = decision_pb2.DecideRequest(
            subject=types_pb2.Subject(id="anybody"),
            placements=[decision_pb2.PlacementRequest(placement=name) for name in PLACEMENTS],
        ).SerializeToString()

    async def until(self, version: int) -> None:
        """Wait for the first publish; then what was seen before is forgotten."""
        until = time.perf_counter() + WAIT_S
        while version not in self.seen.first and time.perf_counter() < until:
            await self._ask()
            await asyncio.sleep(0.02)
        self.seen = Seen()

    async def run(self) -> None:
        intended = time.perf_counter()
        while not self.stopped:
            await asyncio.sleep(max(0.0, intended - time.perf_counter()))
            await self._ask()
            intended = max(intended + self._every_s, time.perf_counter() - self._every_s)

    async def _ask(self) -> None:
        begun = time.perf_counter()
        try:
            answer = decision_pb2.DecideResponse.FromString(await self._call(self._request, timeout=WAIT_S))
        except grpc.aio.AioRpcError as error:
            self.seen.failures[error.code().name] += 1
            return
        self._look(answer, time.perf_counter() - begun)

    def _look(self, answer: decision_pb2.DecideResponse, took_s: float) -> None:
        version = int(answer.versions.catalogue)
        marks = {json.loads(choice.content)["mark"] for one in answer.decisions for choice in one.slate}
        self.seen.answers += 1
        self.seen.mixed += len(marks) != 1
        self.seen.marks[version].update(marks)
        self.seen.slowest_s = max(self.seen.slowest_s, took_s)
        self.seen.first.setdefault(version, time.perf_counter())


def delays_ms(publishes: Sequence[Publish], seen: Sequence[Seen]) -> list[float]:
    """For each publish, how long after its answer the last worker answered from it, or from a later one."""
    return [
        max(_since(one.first, publish.version) - publish.answered for one in seen) * 1000 for publish in publishes[1:]
    ]


def _since(first: dict[int, float], version: int) -> float:
    return min(at for later, at in first.items() if later >= version)


def misplaced(publishes: Sequence[Publish], seen: Sequence[Seen]) -> int:
    """How many answers had another publish's items than their version has."""
    marks = {publish.version: publish.mark for publish in publishes}
    return sum(
        count
        for one in seen
        for version, counted in one.marks.items()
        for mark, count in counted.items()
        if mark != marks[version]
    )


def figures(publishes: Sequence[Publish], seen: Sequence[Seen], catalogue: Path) -> report.Report:
    """All figures, for people and scripts."""
    takes = Spread.of([(one.answered - one.begun) * 1000 for one in publishes[1:]])
    delays = Spread.of(delays_ms(publishes, seen))
    failures: Counter[str] = sum((one.failures for one in seen), Counter())
    return {
        "publishes": len(publishes) - 1,
        "rollbacks": (len(publishes) - 1) // ROLLBACK_EVERY,
        "answers": sum(one.answers for one in seen),
        "failed": dict(failures),
        "mixed": sum(one.mixed for one in seen) + misplaced(publishes, seen),
        "publish_ms": {"median": takes.median, "most": takes.most},
        "last_worker_ms": {"median": delays.median, "most": delays.most},
        "slowest_answer_ms": max(one.slowest_s for one in seen) * 1000,
        "kib_a_version": _bytes(catalogue) / 1024 / len(publishes),
    }


def _bytes(folder: Path) -> int:
    """On disk; what has several names counts once."""
    found = {stat.st_ino: stat.st_blocks * 512 for stat in (path.stat() for path in folder.rglob("*"))}
    return sum(found.values())


def rows(measured: report.Report) -> Iterator[tuple[str, str]]:
    """The figures in words."""
    yield "publishes", f"{measured['publishes']:,}, {measured['rollbacks']:,} of them rollbacks"
    yield "pages answered meanwhile", f"{measured['answers']:,}"
    yield "failed", f"{sum(measured['failed'].values()):,} {measured['failed'] or ''}".strip()
    yield "mixed", f"{measured['mixed']:,}"
    for name, text in (("publish_ms", "a publish, ms"), ("last_worker_ms", "until the last worker served it, ms")):
        yield text, f"median {measured[name]['median']:,.0f}, most {measured[name]['most']:,.0f}"
    yield "slowest answer, ms", f"{measured['slowest_answer_ms']:,.0f}"
    yield "disk, KiB a version", f"{measured['kib_a_version']:,.0f}"


def main(
    publishes: Annotated[int, typer.Option(min=1, max=100_000, help="How many publishes")] = 1_000,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes; one connection to each")] = 4,
    items: Annotated[int, typer.Option(min=2, max=100_000, help="Items of the playbook")] = 100,
    rate: Annotated[float, typer.Option(min=1, help="Pages a second on each connection")] = 50.0,
    write_docs: Annotated[
        Path | None, typer.Option(help="Measure nothing: put the figures of the last report into this page")
    ] = None,
    build: Annotated[Path, typer.Option(help="Where the data directory and the report are kept")] = Path("build/bench"),
) -> None:
    """Publish under load, again and again: fails a request, is an answer mixed, when do all workers serve it?"""
    if write_docs is not None:
        measured = json.loads((build / REPORT).read_text())
        text = f"{report.markdown(HEADER, list(rows(measured)))}\n\n{report.stamped(measured)}"
        report.write_section(write_docs, "publishes", text)
        return
    accept_any_disk()
    _measured(build, Plan(publishes, workers, items, rate))


def _measured(build: Path, plan: Plan) -> None:
    """Measure, save, show; ends with 1 when a request failed or an answer was mixed."""
    stamp = report.stamp(f"python -m maitred_tools.bench.publishes {' '.join(sys.argv[1:])}".strip())
    measured = stamp | plan._asdict() | run(build, plan)
    report.save(build / REPORT, measured)
    title = f"{plan.workers} workers, {plan.items:,} items, {plan.rate:g} pages/s on a connection to each"
    out.print(report.table(title, HEADER, list(rows(measured))))
    out.print(f"written to {build / REPORT}")
    if measured["failed"] or measured["mixed"]:
        raise typer.Exit(1)


def run(build: Path, plan: Plan) -> report.Report:
    """The figures of a server of its own."""
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder, progress("publishes", plan.publishes) as done:
        data = Path(folder) / "data"
        settings = ["--data", str(data), "--listen", "127.0.0.1:0", "--metrics", "", "--set", "drain_s=0"]
        with ServerProcess("maitred_server", ["serve", *settings, "--workers", str(plan.workers)]) as server:
            found = asyncio.run(measure(server, plan, done))
        return figures(*found, brand_folder(data, seed.BRAND) / "catalogue")


if __name__ == "__main__":
    try:
        typer.run(main)
    except* (MaitredError, RuntimeError, OSError, ValueError) as errors:
        for error in errors.exceptions:
            err.print(f"publishes: {error}", markup=False, highlight=False)
        sys.exit(1)

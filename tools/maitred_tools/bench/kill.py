"""`python -m maitred_tools.bench.kill`: how long an item is still offered after it was killed, or sold out, under load.

Each repetition opens connections until every worker has one, keeps one a worker busy with decisions that the item
wins, closes the item at a random moment, and looks at which decisions offered it afterwards.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import grpc
import grpc.aio
import typer
from maitred.v1 import admin_pb2, decision_pb2, types_pb2
from maitred_server.errors import MaitredError
from rich.console import Console

from maitred_tools.bench import report, seed
from maitred_tools.bench.connections import WAIT_S, connected, one_a_worker
from maitred_tools.bench.measure import Spread
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.progress import err, progress
from maitred_tools.load import DECIDE, refuse_other_machines

REPORT = "kill.json"
SET = "/maitred.v1.AdminService/SetItemState"
BEFORE_S, AFTER_S = (0.2, 0.6), 1.0
HEADER = ("ms after the change was acknowledged", "median", "most")

out = Console()


class Answered(NamedTuple):
    """One decision: when it was begun and answered (seconds), and whether it offered the item."""

    begun: float
    answered: float
    offered: bool


class Last(NamedTuple):
    """Of one repetition, milliseconds after the acknowledgement; negative: before it."""

    begun: float  # when the last decision that offered the item was begun
    answered: float  # when the last such decision was answered
    decisions: int  # how many were answered after the acknowledgement
    call: float  # how long the change itself took


class Close(NamedTuple):
    """A way to close an item, and to open it again."""

    name: str
    close: admin_pb2.ItemState
    open: admin_pb2.ItemState


ITEM = seed.item(0)
WAYS = (
    Close("kill", admin_pb2.ItemState(item=ITEM, kill=True), admin_pb2.ItemState(item=ITEM, kill=False)),
    Close("stock 0", admin_pb2.ItemState(item=ITEM, stock=0), admin_pb2.ItemState(item=ITEM, stock=100)),
)


def playbook() -> dict[str, bytes]:
    """A thousand candidates of which one is always the first choice."""
    order = ", ".join(seed.item(number) for number in range(10))
    line = f"- {{name: {seed.PLACEMENT}, slots: {seed.SLOTS}, policy: fixed, order: [{order}]}}"
    return {**seed.playbook(), "placements.yaml": f"placements:\n{line}\n".encode()}


def measure(data: Path, workers: int, repetitions: int, done: Callable[[str], None]) -> dict[str, list[Last]]:
    """Every repetition of each way. `done` is told the way's name after each. Raises RuntimeError."""
    settings = ["--data", str(data), "--listen", "127.0.0.1:0", "--metrics", "", "--set", "drain_s=0"]
    with ServerProcess("maitred_server", ["serve", *settings, "--workers", str(workers)]) as server:
        refuse_other_machines(server.target)
        seed.publish(server.target, playbook())
        found: dict[str, list[Last]] = {way.name: [] for way in WAYS}
        for _ in range(repetitions):
            for way in WAYS:
                found[way.name].append(asyncio.run(_repetition(server, workers, way)))
                done(way.name)
        return found


async def _repetition(server: ServerProcess, workers: int, way: Close) -> Last:
    async with AsyncExitStack() as stack:
        channels = await one_a_worker(stack, server, workers)
        set_state: Any = (await connected(stack, server.target)).unary_unary(SET)
        load = _Load(channels)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            try:
                return await _closed(load, set_state, way)
            finally:
                load.stopped = True


async def _closed(load: _Load, set_state: Any, way: Close) -> Last:
    await load.until_all(offer=True)
    await asyncio.sleep(random.uniform(*BEFORE_S))  # noqa: S311 - not for secrets
    load.answers.clear()
    began = time.perf_counter()
    await set_state(_request(way.close), timeout=WAIT_S)
    acknowledged = time.perf_counter()
    await asyncio.sleep(AFTER_S)
    last = _last(load.answers, began, acknowledged)
    await load.until_all(offer=False)
    await set_state(_request(way.open), timeout=WAIT_S)
    return last


def _last(answers: Sequence[Answered], began: float, acknowledged: float) -> Last:
    offering = [one for one in answers if one.offered] or [Answered(began, began, True)]
    return Last(
        begun=(max(one.begun for one in offering) - acknowledged) * 1000,
        answered=(max(one.answered for one in offering) - acknowledged) * 1000,
        decisions=sum(one.answered > acknowledged for one in answers),
        call=(acknowledged - began) * 1000,
    )


def _request(state: admin_pb2.ItemState) -> bytes:
    return admin_pb2.SetItemStateRequest(states=[state]).SerializeToString()


class _Load:
    """Decisions on every connection, one after the other, as fast as they go."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self.answers: list[Answered] = []
        self.stopped = False
        self._calls: list[Any] = [channel.unary_unary(DECIDE) for channel in channels]
        self._latest = [False] * len(channels)
        self._request = decision_pb2.DecideRequest(
            subject=types_pb2.Subject(id="anybody"),
            placements=[decision_pb2.PlacementRequest(placement=seed.PLACEMENT)],
        ).SerializeToString()

    async def run(self) -> None:
        await asyncio.gather(*(self._decide(number, call) for number, call in enumerate(self._calls)))

    async def until_all(self, *, offer: bool) -> None:
        """Wait until the latest answer on every connection offers the item, or does not. Raises RuntimeError."""
        until = time.perf_counter() + WAIT_S
        while set(self._latest) != {offer}:
            if time.perf_counter() > until:
                raise RuntimeError(f"not every worker {'offers' if offer else 'closed'} the item in {WAIT_S:g} s")
            await asyncio.sleep(0.01)

    async def _decide(self, number: int, call: Any) -> None:
        name = ITEM.encode()
        while not self.stopped:
            begun = time.perf_counter()
            try:
                offered = name in await call(self._request, timeout=WAIT_S)
            except grpc.aio.AioRpcError as error:  # until the worker has what was published
                if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                    raise
                offered = False
            self._latest[number] = offered
            self.answers.append(Answered(begun, time.perf_counter(), offered))


def rows(found: dict[str, list[Last]]) -> list[tuple[str, ...]]:
    """For each way the last decision that offered the item."""
    return [
        (f"{name}: {text}", f"{spread.median:,.1f}", f"{spread.most:,.1f}")
        for name, repetitions in found.items()
        for text, spread in (
            ("last offering decision begun", Spread.of([one.begun for one in repetitions])),
            ("last offering decision answered", Spread.of([one.answered for one in repetitions])),
            ("the change itself took", Spread.of([one.call for one in repetitions])),
        )
    ]


def main(
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes; one connection to each")] = 4,
    repetitions: Annotated[int, typer.Option(min=1, max=1000, help="How often, each way")] = 20,
    write_docs: Annotated[
        Path | None, typer.Option(help="Measure nothing: put the figures of the last report into this page")
    ] = None,
    build: Annotated[Path, typer.Option(help="Where data directories and reports are kept")] = Path("build/bench"),
) -> None:
    """Close an item under load, again and again: until when was it offered?"""
    if write_docs is None:
        _measure(build, workers, repetitions)
    measured = json.loads((build / REPORT).read_text())
    found = {name: [Last(**one) for one in lasts] for name, lasts in measured["ways"].items()}
    if write_docs is None:
        out.print(report.table(f"{workers} workers, {repetitions} repetitions", HEADER, rows(found)))
        out.print(f"written to {build / REPORT}")
    else:
        text = f"{report.markdown(HEADER, rows(found))}\n\n{report.stamped(measured)}"
        report.write_section(write_docs, "kill", text)


def _measure(build: Path, workers: int, repetitions: int) -> None:
    build.mkdir(parents=True, exist_ok=True)
    stamp = report.stamp(f"python -m maitred_tools.bench.kill {' '.join(sys.argv[1:])}".strip())
    with tempfile.TemporaryDirectory(dir=build) as data, progress("repetitions", repetitions * len(WAYS)) as done:
        found = measure(Path(data) / "data", workers, repetitions, lambda _: done())
    ways = {name: [one._asdict() for one in lasts] for name, lasts in found.items()}
    report.save(build / REPORT, stamp | {"workers": workers, "repetitions": repetitions, "ways": ways})


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError, ValueError) as error:
        err.print(f"kill: {error}", markup=False, highlight=False)
        sys.exit(1)

"""Decisions for a second of server CPU with more workers, beside one.

A worker is made for a core of its own. Where workers and their clients share fewer cores, a core changes from process
to process many times a call, and each finds its caches filled by another: that is measured too, but it is what the
machine costs. So each number of workers is loaded in two ways, with as many connections to every worker:

in turn: one worker after the other, each alone on the machine with its driver, while the others are there and idle;
at once: all workers at the same time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import grpc.aio

from maitred_tools.bench import places, seed
from maitred_tools.bench.connections import some_a_worker
from maitred_tools.bench.measure import Figures, spread, whole
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.section import ASKING, Bench, Table, reading, steps
from maitred_tools.load import Load, over

EACH: Final = 4  # connections to a worker, a call under way on each
WARM_CALLS: Final = 300
IDLE_S: Final = 2.0
IN_TURN, AT_ONCE = "in_turn", "at_once"


class Fleet(NamedTuple):
    """A server and the connections to each of its workers."""

    server: ServerProcess
    channels: Sequence[Sequence[grpc.aio.Channel]]


class Bout(NamedTuple):
    """What came of one load: answers for a second of server CPU, and for a second."""

    per_cpu_s: float
    per_s: float


async def in_turn(fleet: Fleet, load: Load) -> int:
    """`load` on one worker after the other; the calls that were answered."""
    return sum([whole(await over(mine, load)).answered for mine in fleet.channels])


async def at_once(fleet: Fleet, load: Load) -> int:
    """`load` for each worker, on all of them at the same time; the calls that were answered."""
    together = replace(load, calls=load.calls * len(fleet.channels))
    return whole(await over([channel for mine in fleet.channels for channel in mine], together)).answered


WAYS: Final[Mapping[str, Callable[[Fleet, Load], Awaitable[int]]]] = {IN_TURN: in_turn, AT_ONCE: at_once}


def measure(bench: Bench) -> Figures:
    """Everything on; a store of at most 20,000 profiles, copied for each server, because all run at the same time."""
    small = bench
    if bench.scale.profiles > ASKING:
        small = Bench(bench.build, bench.scale._replace(profiles=ASKING))
    data = small.put(places.EVERYTHING)
    calls, workers = max(1, bench.scale.calls // 2), bench.scale.workers
    load = Load(small.requests(seed.PLACEMENT), calls)
    total = bench.scale.rounds * len(WAYS) * len(workers)
    with TemporaryDirectory(dir=bench.build) as folder, steps("workers", total) as done:
        copies = {count: shutil.copytree(data, Path(folder) / str(count)) for count in workers}
        return asyncio.run(_measured(copies, load, bench.scale.rounds, done))


async def _measured(copies: Mapping[int, Path], load: Load, rounds: int, done: Callable[[Any], None]) -> Figures:
    async with AsyncExitStack() as stack:
        servers = {count: stack.enter_context(seed.server(data, workers=count)) for count, data in copies.items()}
        for server in servers.values():
            server.settle()
        idle = {count: _idle_ms(server) for count, server in servers.items()}
        fleets = {
            count: Fleet(server, await some_a_worker(stack, server, count, EACH)) for count, server in servers.items()
        }
        for fleet in fleets.values():
            await in_turn(fleet, replace(load, calls=min(WARM_CALLS, load.calls)))
        found: dict[tuple[str, int], list[Bout]] = {(way, count): [] for way in WAYS for count in fleets}
        for number in range(rounds):
            for way in WAYS:
                for count in sorted(fleets, reverse=number % 2 == 1):
                    found[way, count].append(await _bout(fleets[count], load, way))
                    done(count)
    sizes = [{"workers": count, "idle_ms": idle[count]} | _figures(found, count) for count in copies]
    return {"cores": os.cpu_count(), "connections_each": EACH, "calls_each": load.calls, "sizes": sizes}


def _idle_ms(server: ServerProcess) -> float:
    before = server.cpu_ns()
    time.sleep(IDLE_S)
    return round((server.cpu_ns() - before) / 1e6 / IDLE_S, 1)


async def _bout(fleet: Fleet, load: Load, way: str) -> Bout:
    before, began = fleet.server.cpu_ns(), time.perf_counter()
    answered = await WAYS[way](fleet, load)
    took, cpu_s = time.perf_counter() - began, (fleet.server.cpu_ns() - before) / 1e9
    return Bout(answered / cpu_s, answered / took)


def _figures(found: Mapping[tuple[str, int], Sequence[Bout]], count: int) -> Figures:
    """Of each way: the figures, and what they are of the fewest workers' in the same round."""
    few = min(number for _, number in found)
    return {
        way: spread("per_cpu_s", [one.per_cpu_s for one in found[way, count]], 0)
        | spread("per_s", [one.per_s for one in found[way, count]], 0)
        | spread("ratio", [a.per_cpu_s / b.per_cpu_s for a, b in zip(found[way, count], found[way, few], strict=True)])
        for way in WAYS
    }


def ratio(found: Figures, workers: int, way: str) -> float | None:
    """Decisions for a second of CPU with so many workers, of what one makes; None: not measured."""
    sizes = {one["workers"]: one for one in found["sizes"]}
    return float(sizes[workers][way]["ratio"]) if {1, workers} <= sizes.keys() else None


HEADER: Final = (
    "workers",
    "in turn: decisions for a second of CPU",
    "of one worker's",
    "at once: decisions for a second of CPU",
    "of one worker's",
    "decisions/s",
    "idle, ms of CPU a second",
)


def table(found: Figures) -> Table:
    """One row for each number of workers."""
    return Table(f"More workers, {found['cores']} cores", HEADER, [_row(one) for one in found["sizes"]])


def _row(one: Figures) -> tuple[str, ...]:
    turn, once = one[IN_TURN], one[AT_ONCE]
    cells = [cell for way in (turn, once) for cell in (reading(way, "per_cpu_s"), reading(way, "ratio", 2))]
    return (str(one["workers"]), *cells, reading(once, "per_s"), f"{one['idle_ms']:g}")

"""What more profiles cost: start, memory and speed of the same server over a small and a large store, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from maitred_tools.bench.measure import Spread
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.report import Report
from maitred_tools.load import Load, run

MIB = 2**20


class Life(NamedTuple):
    """One life of a server: start, first answer, load. Memory in MiB, latencies in microseconds."""

    start_s: float
    resident_mib: float
    anonymous_mib: float
    server_us: float
    p50: float
    p99: float


def lives(
    starts: Mapping[int, Callable[[], ServerProcess]],
    loads: Mapping[int, Load],
    rounds: int,
    done: Callable[[int], None] = lambda profiles: None,
) -> dict[int, list[Life]]:
    """Start, load and stop the server of each size in turn, `rounds` times, every second time in reverse order."""
    found: dict[int, list[Life]] = {profiles: [] for profiles in starts}
    for number in range(rounds):
        for profiles in sorted(starts, reverse=number % 2 == 1):
            found[profiles].append(live(starts[profiles], loads[profiles]))
            done(profiles)
    return found


def live(start: Callable[[], ServerProcess], load: Load) -> Life:
    """One life. The load is put on twice; the second time is measured."""
    began = time.perf_counter()
    with start() as server:
        run(server.target, replace(load, calls=1, connections=1))
        start_s = time.perf_counter() - began
        run(server.target, load)
        before = server.cpu_ns()
        result = run(server.target, load)
        cpu_ns, memory = server.cpu_ns() - before, server.memory()
    if result.failures:
        raise RuntimeError(f"calls failed: {dict(result.failures)}")
    return Life(
        start_s=start_s,
        resident_mib=memory.resident / MIB,
        anonymous_mib=memory.anonymous / MIB,
        server_us=cpu_ns / 1000 / result.answered,
        p50=result.percentile(50),
        p99=result.percentile(99),
    )


def grown(found: Mapping[int, Sequence[Life]]) -> Report:
    """The medians and ranges of each size, smallest first."""
    return {"sizes": [{"profiles": profiles} | _figures(found[profiles]) for profiles in sorted(found)]}


def _figures(lived: Sequence[Life]) -> Report:
    found = {name: Spread.of([getattr(one, name) for one in lived]) for name in Life._fields}
    medians = {name: round(spread.median, 3) for name, spread in found.items()}
    return medians | {
        f"{name}_range": [round(spread.least, 3), round(spread.most, 3)] for name, spread in found.items()
    }

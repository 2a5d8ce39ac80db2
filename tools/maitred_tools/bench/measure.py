"""Rounds of the same load against several servers in turn, and what they amount to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from maitred_tools.bench.process import ServerProcess
from maitred_tools.load import Load, Result, run


class Spread(NamedTuple):
    """Several readings of one figure."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, readings: Sequence[float]) -> Spread:
        """The spread of one or more readings."""
        return cls(statistics.median(readings), min(readings), max(readings))


class Round(NamedTuple):
    """One load on one server. Times in microseconds; `server_us` is the server's CPU time for a call."""

    server_us: float
    calls_per_s: float
    p50: float
    p99: float
    open_p50: float
    open_p99: float


@dataclass(frozen=True)
class Plan:
    """How to measure: `rounds` of a closed loop of `load.calls` calls, then an open loop of `open_calls`."""

    load: Load
    rounds: int
    open_rate: float
    open_calls: int
    warm_calls: int = 2000

    @property
    def open_load(self) -> Load:
        """The open loop of a round."""
        return replace(self.load, calls=self.open_calls, rate=self.open_rate)


def interleaved(
    servers: Mapping[str, ServerProcess], plan: Plan, done: Callable[[str], None] = lambda name: None
) -> dict[str, list[Round]]:
    """Measure the servers in turn, round after round, every second round in reverse order.

    What the machine does beside this meets all of them alike. `done` is told after each measurement. Raises
    RuntimeError when a call fails: figures of half a load are none.
    """
    for server in servers.values():
        run(server.target, replace(plan.load, calls=min(plan.warm_calls, plan.load.calls)))
    found: dict[str, list[Round]] = {name: [] for name in servers}
    for number in range(plan.rounds):
        names = list(servers)[:: 1 if number % 2 == 0 else -1]
        for name in names:
            found[name].append(measure(servers[name], plan))
            done(name)
    return found


def measure(server: ServerProcess, plan: Plan) -> Round:
    """One round on one server."""
    before = server.cpu_ns()
    closed = _whole(run(server.target, plan.load))
    cpu_ns = server.cpu_ns() - before
    opened = _whole(run(server.target, plan.open_load))
    return Round(
        server_us=cpu_ns / 1000 / closed.answered,
        calls_per_s=closed.calls_per_s,
        p50=closed.percentile(50),
        p99=closed.percentile(99),
        open_p50=opened.percentile(50),
        open_p99=opened.percentile(99),
    )


def _whole(result: Result) -> Result:
    if result.failures:
        raise RuntimeError(f"calls failed: {dict(result.failures)}")
    return result


def spreads(rounds: Sequence[Round]) -> dict[str, Spread]:
    """Each figure over the rounds."""
    return {name: Spread.of([getattr(one, name) for one in rounds]) for name in Round._fields}


def ratios(rounds: Sequence[Round], reference: Sequence[Round]) -> Spread:
    """CPU time for a call, as a multiple of the reference in the same round."""
    pairs = zip(rounds, reference, strict=True)
    return Spread.of([one.server_us / other.server_us for one, other in pairs])


def cheapest(found: Mapping[str, Sequence[Round]]) -> str:
    """The name of the server with the least CPU time for a call."""
    return min(found, key=lambda name: spreads(found[name])["server_us"].median)

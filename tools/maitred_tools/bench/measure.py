"""Rounds of several loads in turn, and what they amount to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from maitred_tools.bench.process import ServerProcess
from maitred_tools.load import Load, Result, run

WARM_CALLS = 500
Figures = dict[str, Any]


class Spread(NamedTuple):
    """Several readings of one figure."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, readings: Sequence[float]) -> Spread:
        """The spread of one or more readings."""
        return cls(statistics.median(readings), min(readings), max(readings))


class Case(NamedTuple):
    """A load and the server that bears it. `load.calls`: of a round."""

    server: ServerProcess
    load: Load


class Round(NamedTuple):
    """A closed loop on one server. Times in microseconds; `server_us` is the server's CPU time for a call."""

    server_us: float
    calls_per_s: float
    p50: float
    p99: float


def interleaved(
    cases: Mapping[str, Case], rounds: int, done: Callable[[str], None] = lambda name: None
) -> dict[str, list[Round]]:
    """Measure the cases in turn, round after round, every second round in reverse order.

    What the machine does beside this meets all of them alike. `done` is told after each measurement. Raises
    RuntimeError when a call fails: figures of half a load are none.
    """
    for case in cases.values():
        run(case.server.target, replace(case.load, calls=min(WARM_CALLS, case.load.calls)))
    found: dict[str, list[Round]] = {name: [] for name in cases}
    for name in _turns(list(cases), rounds):
        found[name].append(measure(cases[name]))
        done(name)
    return found


def _turns(names: Sequence[str], rounds: int) -> Iterator[str]:
    for number in range(rounds):
        yield from names[:: 1 if number % 2 == 0 else -1]


def measure(case: Case) -> Round:
    """One round of one case."""
    before = case.server.cpu_ns()
    closed = whole(run(case.server.target, case.load))
    cpu_ns = case.server.cpu_ns() - before
    return Round(cpu_ns / 1000 / closed.answered, closed.calls_per_s, closed.percentile(50), closed.percentile(99))


def at_rates(
    cases: Mapping[str, Case], rates: Mapping[str, float], parts: int, done: Callable[[str], None] = lambda name: None
) -> dict[str, Figures]:
    """Latencies at steady rates, from the intended time of each call, in so many parts that take turns.

    `rates`: calls a second, by case; `load.calls` is that of all parts. Raises RuntimeError when a call fails.
    """
    found = {name: Result() for name in cases}
    for name in _turns(list(cases), parts):
        case = cases[name]
        load = replace(case.load, calls=max(1, case.load.calls // parts), rate=rates[name])
        found[name].latency.add(whole(run(case.server.target, load)).latency)
        done(name)
    return {name: {"rate": round(rates[name], 1)} | _latencies(one) for name, one in found.items()}


def _latencies(result: Result) -> Figures:
    percentiles = {"p50": 50.0, "p99": 99.0, "p999": 99.9, "most": 100.0}
    return {"calls": result.answered} | {name: result.percentile(at) for name, at in percentiles.items()}


def whole(result: Result) -> Result:
    """The result, unless calls failed: then RuntimeError."""
    if result.failures:
        raise RuntimeError(f"calls failed: {dict(result.failures)}")
    return result


def figures(readings: Sequence[Any]) -> Figures:
    """Median, and least and most as `NAME_range`, of each field of some named tuples of numbers."""
    found: Figures = {}
    for name in readings[0]._fields:
        found |= spread(name, [getattr(one, name) for one in readings])
    return found


def spread(name: str, readings: Sequence[float], digits: int = 3) -> Figures:
    """One figure: its median, and least and most as `NAME_range`."""
    found = Spread.of(readings)
    return {name: round(found.median, digits), f"{name}_range": [round(found.least, digits), round(found.most, digits)]}


def ratios(rounds: Sequence[Round], reference: Sequence[Round]) -> list[float]:
    """CPU time for a call, as a multiple of the reference in the same round."""
    pairs = zip(rounds, reference, strict=True)
    return [one.server_us / other.server_us for one, other in pairs]


def cheapest(found: Mapping[str, Sequence[Round]]) -> str:
    """The name of the server with the least CPU time for a call."""
    return min(found, key=lambda name: statistics.median(one.server_us for one in found[name]))

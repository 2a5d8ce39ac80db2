"""Server CPU of each decision when many are asked for at once: DecideBatch, and pages of several placements."""

from __future__ import annotations

from typing import Final

from maitred.v1 import decision_pb2

from maitred_tools.bench import charts, places, seed
from maitred_tools.bench.measure import Case, Figures, Round, interleaved, spread
from maitred_tools.bench.section import Bench, Section, Table, reading, steps
from maitred_tools.load import Load

BATCHES: Final = (1, 10, 100)
PAGES: Final = (1, 4, 16)
BATCH: Final = "/maitred.v1.DecisionService/DecideBatch"
MANY: Final = 2_000  # different batches are not needed beyond so many requests
ALONE: Final = "alone"


def measure(bench: Bench) -> Figures:
    """Everything on, 1,000 candidates: the learned placement in batches, `habit` in pages."""
    data, scale = bench.put(places.EVERYTHING), bench.scale
    loads = _loads(bench)
    with seed.server(data) as server, steps("batches and pages", scale.rounds * len(loads)) as done:
        server.settle()
        found = interleaved({name: Case(server, load) for name, (load, _) in loads.items()}, scale.rounds, done)
    return {name: _figures(found[name], size) for name, (_, size) in loads.items()}


def _loads(bench: Bench) -> dict[str, tuple[Load, int]]:
    calls = bench.scale.calls
    found = {ALONE: (Load(bench.requests(seed.PLACEMENT), calls), 1)}
    for size in BATCHES:
        asked = _batches(bench.asking[:MANY], size)
        found[f"batch of {size}"] = (Load(asked, max(4, calls // size), method=BATCH), size)
    for size in PAGES:
        found[f"page of {size}"] = (Load(bench.requests(*places.PAGES[:size]), max(10, calls // size)), size)
    return found


def _batches(asking: list[int], size: int) -> list[bytes]:
    requests = [seed.request(number) for number in asking]
    parts = (requests[at : at + size] for at in range(0, len(requests) - size + 1, size))
    return [decision_pb2.DecideBatchRequest(requests=part).SerializeToString() for part in parts]


def _figures(rounds: list[Round], size: int) -> Figures:
    each = spread("us", [one.server_us / size for one in rounds], 1)
    latency = spread("p50", [one.p50 for one in rounds], 0)
    return (
        {"decisions": size} | each | latency | spread("decisions_per_s", [one.calls_per_s * size for one in rounds], 0)
    )


def tables(found: Figures) -> list[Table]:
    """One row for each size."""
    rows = [
        (name, reading(one, "us"), reading(one, "decisions_per_s"), reading(one, "p50")) for name, one in found.items()
    ]
    return [
        Table("Asked together", ("", "server CPU, us a decision", "decisions/s, closed loop", "p50 us of a call"), rows)
    ]


def drawn(found: Figures) -> list[str]:
    """CPU of each decision."""
    bars = [charts.Bar(name, one["us"], *one["us_range"]) for name, one in found.items()]
    return [charts.bars("Server CPU of each decision", bars, "microseconds")]


SECTION: Final = Section(
    "batch",
    "Many decisions in a call",
    "Server CPU of each decision, the call and its messages in it, everything on, 1,000 candidates. Batches are of the "
    "learned placement, pages of placements by `habit`.",
    measure,
    tables,
    drawn,
)

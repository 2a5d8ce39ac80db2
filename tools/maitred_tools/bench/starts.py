"""How long a server takes to its first answer, and a large catalogue to be published."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from maitred_server import admin_client

from maitred_tools.bench import charts, growth, seed
from maitred_tools.bench.deciding import ask
from maitred_tools.bench.measure import Figures, spread
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.section import Bench, Section, Table, reading, seeded, steps

EMPTY, PROFILES, ITEMS, PUBLISH = "empty", "profiles", "items", "publish"

First = Callable[[ServerProcess], object]


def measure(bench: Bench) -> Figures:
    """Starts in turn; then publishes."""
    scale, rounds = bench.scale, max(3, bench.scale.rounds)
    items = scale.items[-1]
    stored = seeded(bench.build, scale.profiles)
    bench.disturbed()
    catalogue = seed.made(bench.build / f"items-{items}", growth.FEW)
    readings: dict[str, list[float]] = {EMPTY: [], PROFILES: [], ITEMS: [], PUBLISH: []}
    with steps("starts", 4 * rounds + 2) as done:
        for data, files in ((stored, seed.playbook()), (catalogue, growth.catalogue(items))):
            growth.put(data, files)
            done(data)
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(dir=bench.build) as folder:
                readings[EMPTY].append(start_s(Path(folder) / "data", _status))
            readings[PROFILES].append(start_s(stored, _decide))
            readings[ITEMS].append(start_s(catalogue, _decide))
            readings[PUBLISH].append(publish_s(catalogue, growth.catalogue(items)))
            for _ in readings:
                done(data)
    sizes = {"profiles": scale.profiles, "items": items}
    return sizes | {"s": {name: spread("s", found) for name, found in readings.items()}}


def start_s(data: Path, first: First) -> float:
    """Seconds from starting the process to its first answer."""
    began = time.perf_counter()
    with seed.server(data) as server:
        first(server)
        return time.perf_counter() - began


def _status(server: ServerProcess) -> None:
    admin_client.status(server.target, None)


def _decide(server: ServerProcess) -> None:
    ask(server.target, seed.request(1).SerializeToString())


def publish_s(data: Path, files: dict[str, bytes]) -> float:
    """Seconds of a publish, until it is acknowledged."""
    with seed.server(data) as server:
        began = time.perf_counter()
        seed.publish(server.target, files)
        return time.perf_counter() - began


def names(found: Figures) -> dict[str, str]:
    """The readings in words."""
    return {
        EMPTY: "start, empty",
        PROFILES: f"start, {found['profiles']:,} profiles",
        ITEMS: f"start, {found['items']:,} items",
        PUBLISH: f"publish of {found['items']:,} items",
    }


def tables(found: Figures) -> list[Table]:
    """One row for each."""
    rows = [(text, reading(found["s"][name], "s", 2)) for name, text in names(found).items()]
    return [Table("Starts and a publish", ("", "seconds"), rows)]


def drawn(found: Figures) -> list[str]:
    """Seconds."""
    bars = [
        charts.Bar(text, found["s"][name]["s"], *found["s"][name]["s_range"]) for name, text in names(found).items()
    ]
    return [charts.bars("Seconds to the first answer, and of a publish", bars, "seconds")]


SECTION: Final = Section(
    "start",
    "Start and publish",
    "From starting the process to its first answer: of a status when the store is empty, else of Decide. A publish "
    "counts from the call to its acknowledgement, checks included.",
    measure,
    tables,
    drawn,
)

"""What more of everything costs: profiles, items, workers. The same server over several sizes, in turn."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from maitred_server.errors import MaitredError

from maitred_tools.bench import charts, places, seed, workers
from maitred_tools.bench.measure import Figures, figures, whole
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.section import Bench, Section, Table, reading, seeded, steps
from maitred_tools.load import Load, run

MIB: Final = 2**20
GIB: Final = 2**30
PROFILE_BYTES: Final = 4_400  # on disk, about
ALL: Final = "all"
SOME_REQUESTS: Final = 5_000
FEW: Final = 1_000  # profiles of a store that grows in another way


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
    done: Callable[[int], None] = lambda size: None,
) -> dict[int, list[Life]]:
    """Start, load and stop the server of each size in turn, `rounds` times, every second time in reverse order."""
    found: dict[int, list[Life]] = {size: [] for size in starts}
    for number in range(rounds):
        for size in sorted(starts, reverse=number % 2 == 1):
            found[size].append(live(starts[size], loads[size]))
            done(size)
    return found


def live(start: Callable[[], ServerProcess], load: Load) -> Life:
    """One life. The load is put on twice; the second time is measured."""
    began = time.perf_counter()
    with start() as server:
        run(server.target, replace(load, calls=1, connections=1))
        start_s = time.perf_counter() - began
        server.settle()
        run(server.target, load)
        before = server.cpu_ns()
        result = whole(run(server.target, load))
        cpu_ns, memory = server.cpu_ns() - before, server.memory()
    return Life(
        start_s=start_s,
        resident_mib=memory.resident / MIB,
        anonymous_mib=memory.anonymous / MIB,
        server_us=cpu_ns / 1000 / result.answered,
        p50=result.percentile(50),
        p99=result.percentile(99),
    )


def measure(bench: Bench) -> Figures:
    """All three. Raises MaitredError when the disk has no room."""
    return {"profiles": _profiles(bench), "items": _items(bench), "workers": workers.measure(bench)}


def _profiles(bench: Bench) -> list[Figures]:
    stores = bench.scale.stores
    for size in stores:
        _room(bench.build, size)
    folders = {size: seeded(bench.build, size) for size in stores}
    bench.disturbed()
    for data in folders.values():
        put(data, seed.playbook())
    starts = {size: _starter(data) for size, data in folders.items()}
    loads = {size: Load(seed.requests(size, SOME_REQUESTS, 17), bench.scale.calls) for size in stores}
    with steps("profiles", bench.scale.rounds * len(stores)) as done:
        found = lives(starts, loads, bench.scale.rounds, done)
    return [{"profiles": size} | figures(one) for size, one in found.items()]


def _room(build: Path, profiles: int) -> None:
    build.mkdir(parents=True, exist_ok=True)
    needed, free = profiles * PROFILE_BYTES, shutil.disk_usage(build).free
    if not seed.is_made(build, profiles) and needed > 0.9 * free:
        raise MaitredError(
            f"{profiles:,} profiles need {needed / GIB:,.0f} GiB below {build}; {free / GIB:,.0f} GiB are free"
        )


def put(data: Path, files: dict[str, bytes]) -> None:
    """Put a playbook in force in a data directory that no server is using."""
    with seed.server(data) as server:
        seed.publish(server.target, files)
        seed.learned(server.target)


def _starter(data: Path) -> Callable[[], ServerProcess]:
    return lambda: seed.server(data)


def _items(bench: Bench) -> list[Figures]:
    """By items of the catalogue: 1,000 candidates among them, and all as candidates."""
    rounds = max(2, bench.scale.rounds - 2)
    found = []
    with steps("items", len(bench.scale.items) * rounds * 2) as done:
        for size in bench.scale.items:
            data = seed.made(bench.build / f"items-{size}", FEW)
            put(data, catalogue(size))
            both = {name: _lived(data, name, bench.scale.calls, rounds, done) for name in (seed.PLACEMENT, ALL)}
            found.append({"items": size, "some": both[seed.PLACEMENT], "all": both[ALL]})
    return found


def _lived(data: Path, placement: str, calls: int, rounds: int, done: Callable[[object], None]) -> Figures:
    requests = [seed.request(number, [placement]).SerializeToString() for number in range(FEW)]
    load = Load(requests, calls if placement != ALL else max(50, calls // 10))
    return figures(lives({0: _starter(data)}, {0: load}, rounds, done)[0])


def catalogue(items: int) -> dict[str, bytes]:
    """The plain playbook with so many items: a placement of 1,000 of them, one of all."""
    chosen = {"items": [seed.item(number) for number in range(places.MAIN)]}
    common = {"slots": seed.SLOTS, "policy": "habit", "counts": seed.PURCHASE}
    named = [{"name": seed.PLACEMENT, "candidates": chosen, **common}, {"name": ALL, **common}]
    lines = (_item_line(number) for number in range(items))
    return {
        **seed.playbook(),
        "placements.yaml": json.dumps({"placements": named}).encode(),
        "items.jsonl": "\n".join(lines).encode(),
    }


def _item_line(number: int) -> str:
    """Short: a playbook has at most 16 MiB."""
    line = {"id": seed.item(number), "groups": [seed.group(number)], "attributes": {"price": number % 97 / 10}}
    return json.dumps(line, separators=(",", ":"))


NAMES: Final = {
    "start_s": ("start to first answer, s", 2),
    "resident_mib": ("resident memory, MiB", 0),
    "anonymous_mib": ("of it not file-backed, MiB", 0),
    "server_us": ("server CPU, us a call", 0),
    "p50": ("p50 us, closed loop", 0),
    "p99": ("p99 us, closed loop", 0),
}


def tables(found: Figures) -> list[Table]:
    """A column for each size."""
    profiles, items = found["profiles"], found["items"]
    of_items = [
        *(
            ("1,000 candidates: " + text, *(reading(one["some"], name, digits) for one in items))
            for name, text, digits in _names()
        ),
        *(
            ("all candidates: " + text, *(reading(one["all"], name, digits) for one in items))
            for name, text, digits in _names()
        ),
    ]
    return [
        Table(
            "More profiles",
            ("", *(f"{one['profiles']:,}" for one in profiles)),
            [(text, *(reading(one, name, digits) for one in profiles)) for name, text, digits in _names()],
        ),
        Table("More items", ("", *(f"{one['items']:,}" for one in items)), of_items),
        workers.table(found["workers"]),
    ]


def _names() -> Sequence[tuple[str, str, int]]:
    return [(name, text, digits) for name, (text, digits) in NAMES.items()]


def drawn(found: Figures) -> list[str]:
    """Latency and memory over profiles, CPU over items, throughput over workers."""
    profiles, items = found["profiles"], found["items"]
    bars = [
        charts.Bar(f"{one['workers']} workers, {text}", one[way]["per_cpu_s"], *one[way]["per_cpu_s_range"])
        for one in found["workers"]["sizes"]
        for way, text in ((workers.IN_TURN, "in turn"), (workers.AT_ONCE, "at once"))
    ]
    return [
        charts.lines("Latency over profiles", {"p50": _line(profiles, "profiles", "p50")}, "microseconds", "profiles"),
        charts.lines(
            "Memory over profiles",
            {
                "resident": _line(profiles, "profiles", "resident_mib"),
                "not file-backed": _line(profiles, "profiles", "anonymous_mib"),
            },
            "MiB",
            "profiles",
        ),
        charts.lines(
            "CPU over items",
            {
                "1,000 candidates": [charts.Point(one["items"], one["some"]["server_us"]) for one in items],
                "all candidates": [charts.Point(one["items"], one["all"]["server_us"]) for one in items],
            },
            "microseconds of server CPU a call",
            "items",
        ),
        charts.bars("Decisions for a second of server CPU", bars, "decisions"),
    ]


def _line(sizes: Sequence[Figures], over: str, name: str) -> list[charts.Point]:
    return [charts.Point(one[over], one[name]) for one in sizes]


SECTION: Final = Section(
    "growth",
    "More of everything",
    "Profiles and items: the policy `habit`, a server started anew for each reading. Workers: everything on, four "
    "connections to each in a closed loop; in turn, so that each has a core for itself, and all at once.",
    measure,
    tables,
    drawn,
)

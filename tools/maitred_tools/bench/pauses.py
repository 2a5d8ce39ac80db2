"""`python -m maitred_tools.bench.pauses`: how long a worker's event loop waits while a published version is taken up.

In one process, as in a worker: a thread polls what is published, the event loop does nothing but wake every 2 ms and
see how late it is. Two versions take turns, so that every poll has a whole new world to make.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import MaitredError
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.runtime import SWITCH_S
from maitred_server.store.published import brand_folder, switch
from rich.console import Console

from maitred_tools.bench import control, report, seed
from maitred_tools.bench.progress import err, progress

REPORT = "pauses.json"
EVERY_S = 0.002
REST_S = 0.2
HEADER = ("ms", "figure")

out = Console()


class Wake(NamedTuple):
    """The loop woke `late_s` after it meant to, at `at` (seconds)."""

    at: float
    late_s: float


class Poll(NamedTuple):
    """A version was taken up, from `begun` to `ended` (seconds)."""

    begun: float
    ended: float

    def covers(self, wake: Wake) -> bool:
        """Whether a wake may have been late because of it."""
        return self.begun <= wake.at <= self.ended + 2 * EVERY_S


def playbook(items: int, placements: int) -> dict[str, bytes]:
    """Placements that each have all items as candidates."""
    lines = (
        json.dumps({"id": f"item {at:06}", "groups": [f"group {at % 40}"], "attributes": {"price": at % 97 / 10}})
        for at in range(items)
    )
    named = [{"name": f"placement {at}", "policy": "habit", "slots": seed.SLOTS} for at in range(placements)]
    return {
        "playbook.yaml": b"name: pauses\n",
        "placements.yaml": json.dumps({"placements": named}).encode(),
        "items.jsonl": "\n".join(lines).encode(),
    }


def measure(files: dict[str, bytes], polls: int, done: Callable[[], None]) -> tuple[list[Wake], list[Poll]]:
    """Take up one of two versions so many times. `done` is told after each."""
    sys.setswitchinterval(SWITCH_S)
    with tempfile.TemporaryDirectory() as data:
        folder = brand_folder(Path(data), seed.BRAND) / "catalogue"
        loaded = loader.load(files)
        versions = [build(loaded, [], folder).version for _ in range(2)]
        worlds = Worlds(Path(data))
        worlds.poll()
        gc.collect()
        gc.freeze()
        return asyncio.run(_measure(worlds, folder, [*versions] * (polls // 2), done))


async def _measure(
    worlds: Worlds, folder: Path, versions: Sequence[str], done: Callable[[], None]
) -> tuple[list[Wake], list[Poll]]:
    wakes: list[Wake] = []
    polls: list[Poll] = []

    def publish() -> None:
        for version in versions:
            time.sleep(REST_S)
            switch(folder, version)
            begun = time.perf_counter()
            worlds.poll()
            polls.append(Poll(begun, time.perf_counter()))
            done()

    publisher = threading.Thread(target=publish)
    publisher.start()
    while publisher.is_alive():
        due = time.perf_counter() + EVERY_S
        await asyncio.sleep(EVERY_S)
        woke = time.perf_counter()
        wakes.append(Wake(woke, woke - due))
    worlds.close()
    return wakes, polls


def figures(wakes: Sequence[Wake], polls: Sequence[Poll]) -> dict[str, float]:
    """Milliseconds."""
    worst = [max((wake.late_s for wake in wakes if poll.covers(wake)), default=0.0) for poll in polls]
    quiet = sorted(wake.late_s for wake in wakes if not any(poll.covers(wake) for poll in polls))
    return {
        "a version is taken up, median": statistics.median(poll.ended - poll.begun for poll in polls) * 1000,
        "longest wait of the loop meanwhile, median": statistics.median(worst) * 1000,
        "longest wait of the loop meanwhile, most": max(worst) * 1000,
        "wait of the loop otherwise, 99%": quiet[int(len(quiet) * 0.99)] * 1000,
        "wait of the loop otherwise, most": quiet[-1] * 1000,
    }


def main(
    items: Annotated[int, typer.Option(min=1, max=1_000_000, help="Items, all candidates everywhere")] = 100_000,
    placements: Annotated[int, typer.Option(min=1, max=100, help="Placements")] = 5,
    rules: Annotated[bool, typer.Option("--rules", help="500 rules and 200 segments over 1,000 items instead")] = False,
    polls: Annotated[int, typer.Option(min=2, max=1_000, help="How often a version is taken up")] = 30,
    build_: Annotated[Path, typer.Option("--build", help="Where the report is kept")] = Path("build/bench"),
) -> None:
    """Take up one version after the other: how long does the event loop of a worker wait?"""
    stamp = report.stamp(f"python -m maitred_tools.bench.pauses {' '.join(sys.argv[1:])}".strip())
    files = control.playbook() if rules else playbook(items, placements)
    with progress("versions", polls // 2 * 2) as done:
        found = figures(*measure(files, polls, done))
    report.save(build_ / REPORT, stamp | {"ms": found})
    what = "500 rules, 200 segments" if rules else f"{items:,} items in each of {placements} placements"
    out.print(report.table(what, HEADER, [(name, f"{value:,.1f}") for name, value in found.items()]))


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, OSError) as error:
        err.print(f"pauses: {error}", markup=False, highlight=False)
        sys.exit(1)

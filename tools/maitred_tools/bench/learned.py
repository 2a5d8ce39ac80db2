"""`python -m maitred_tools.bench.learned`: what a learned placement costs a decision, part by part, in this process.

A thousand candidates, a subject with some thirty counters, and a model that the learner's own functions made. Each part
is timed by itself, many times in a row, in CPU time of this thread; the parts take turns, round after round. Stages are
timed within whole pages of many subjects, where each finds the processor's caches full of the others: they cost more.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from maitred_server.decide.ask import Ask
from maitred_server.decide.filling import draw
from maitred_server.decide.moment import Moment
from maitred_server.decide.pipeline import Page, moment_of
from maitred_server.decide.profile import Known
from maitred_server.decide.world import World
from maitred_server.model import Event, Kind, Record, Trait, Traits, TraitSource, Value
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy import POLICIES
from maitred_server.policy.base import CLOSED
from maitred_server.policy.snapshot import Column, PolicySnapshot
from maitred_server.store import Profile
from maitred_server.store.keys import item_key, type_code
from maitred_server.subjects.assignment import NOT_ASSIGNED
from rich.console import Console

from maitred_tools.bench import lessons, report
from maitred_tools.bench.progress import progress

REPORT: Final = "learned.json"
PLACEMENT: Final = "home"
SUBJECT: Final = b"\x04main" + bytes(16)
NOW: Final = 1_700_000_000_000
DAY_MS: Final = 86_400_000
GROUPS: Final = 40
SLOTS: Final = 3
HASHED: Final = 38  # columns of traits: 64 features in all
SUBJECTS: Final = 40  # of the stages: each with a past of its own
TRAITS: Final[dict[str, Value]] = {"city": "Ghent", "age": 41.0, "loyal": True}
HEADER: Final = ("us of CPU", "median")

out = Console()


def playbook(policy: str, items: int) -> dict[str, bytes]:
    """One placement that learns from all families of features and some traits. JSON is YAML."""
    kinds = {"city": "text", "age": "number", "loyal": "flag"}
    learning = {"traits": [f"subject.{name}" for name in TRAITS] + ["context.device"], "hashed": HASHED}
    home = {"name": PLACEMENT, "slots": SLOTS, "policy": policy, "learning": learning}
    lines = (
        json.dumps({"id": _item(n), "groups": [f"group {n % GROUPS}"], "attributes": {"price": n % 97 / 10}})
        for n in range(items)
    )
    subjects = {
        "traits": [{"name": name, "type": kind} for name, kind in kinds.items()],
        "context": [{"name": "device", "type": "text"}],
    }
    return {
        "playbook.yaml": b"name: learned\n",
        "placements.yaml": json.dumps({"placements": [home]}).encode(),
        "subjects.yaml": json.dumps(subjects).encode(),
        "items.jsonl": "\n".join(lines).encode(),
    }


def world(folder: Path, policy: str, items: int, shown: int) -> World:
    """With what all bought, and a model after `shown` choices; 0: none."""
    build(loader.load(playbook(policy, items), [], POLICIES), [], folder)
    counts = np.random.default_rng(2).zipf(1.3, items).clip(1, 5_000)
    keys, numbers = zip(*sorted((item_key(_item(n)), int(counts[n])) for n in range(items)), strict=True)
    column = Column(np.array(keys, np.uint64), np.array(numbers, np.int64))
    fresh = World(Catalogue.open(folder), PolicySnapshot("1", 0, {type_code("purchase"): column}))
    moments = [moment(fresh, seed, items) for seed in range(20)]
    return lessons.taught(fresh, moments, shown) if shown else fresh


def moment(published: World, seed: int, items: int) -> Moment:
    """Of a subject that bought ten things, some of them often."""
    chance = np.random.default_rng(seed)
    things, times = chance.integers(items, size=10), np.sort(chance.integers(1, 120, size=25))[::-1]
    bought = [
        Record(SUBJECT, Kind.PERSON, NOW - int(day) * DAY_MS, NOW - int(day) * DAY_MS, _purchase(int(thing)))
        for day, thing in zip(times, chance.choice(things, 25), strict=True)
    ]
    said = Traits(tuple(Trait(name, value, TraitSource.EXPLICIT) for name, value in TRAITS.items()))
    told = Record(SUBJECT, Kind.PERSON, NOW - DAY_MS, NOW - DAY_MS, said)
    profile = Profile.empty(Kind.PERSON).with_records(list(enumerate([*bought, told], 1)))
    context = {"device": ("phone", "till")[seed % 2]}
    ask = Ask("main", SUBJECT, Kind.PERSON, {}, [(PLACEMENT, 0)], context=context)
    view = published.sight.see(profile, Kind.PERSON, context)
    return moment_of(published, ask, Known(SUBJECT, Kind.PERSON, profile, SUBJECT), view, NOT_ASSIGNED, NOW)


def parts(published: World, policy: str, asked: Moment) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    learned = published.ground(PLACEMENT).learned
    assert learned is not None
    view = asked.view
    seen = learned.see(view, NOW)
    assert seen is not None
    priority = seen.scores().priority
    seeds = iter(range(10**9))

    def fill() -> object:
        """The slots as the slate fills them, less what it does for all policies alike."""
        left, chooser, seed = priority.copy(), seen.policy(policy, 7), next(seeds)
        rows = []
        for slot in range(SLOTS):
            chosen = chooser.choose(left, draw(seed, slot))
            assert chosen is not None
            left[chosen[0]] = CLOSED
            rows.append(chosen[0])
        return seen.sealed(rows, range(SLOTS))

    def whole() -> object:
        found = learned.see(view, NOW)
        return found and found.scores()

    return {
        "features": lambda: learned.see(view, NOW),
        "features and predictions": whole,
        f"{SLOTS} slots tried, drawn and sealed": fill,
        "a page, all stages of it": lambda: Page(published, asked, next(seeds)).decide("", PLACEMENT, 0),
    }


class Laps:
    """Nanoseconds of CPU by stage, one reading for each page."""

    def __init__(self) -> None:
        self.found: dict[str, list[int]] = defaultdict(list)
        self.last = 0

    def __call__(self, stage: str) -> None:
        """A stage ends."""
        self.found[stage].append(time.thread_time_ns() - self.last)
        self.last = time.thread_time_ns()


def stages(published: World, moments: Sequence[Moment], rounds: int) -> dict[str, float]:
    """Microseconds of CPU of each stage of a page, medians over subjects that take turns; the first round warms up."""
    laps = Laps()
    for seed in range((rounds + 1) * len(moments)):
        laps.last = time.thread_time_ns()
        Page(published, moments[seed % len(moments)], seed * 0x9E3779B97F4A7C15 % 2**64, laps).decide("", PLACEMENT, 0)
    medians = {name: statistics.median(readings[len(moments) :]) for name, readings in laps.found.items()}
    return {f"stage: {name}": value / 1000 for name, value in medians.items()}


def measure(of: dict[str, Callable[[], object]], rounds: int, times: int) -> dict[str, float]:
    """Microseconds of CPU of each, the median of `rounds` rounds of so many `times` each. The first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in of}
    with progress("rounds", rounds + 1) as done:
        for _ in range(rounds + 1):
            for name, part in of.items():
                begun = time.thread_time_ns()
                for _ in range(times):
                    part()
                found[name].append((time.thread_time_ns() - begun) / 1000 / times)
            done()
    return {name: statistics.median(readings[1:]) for name, readings in found.items()}


def _item(number: int) -> str:
    return f"item {number:06}"


def _purchase(number: int) -> Event:
    return Event("purchase", _item(number), groups=(f"group {number % GROUPS}",))


def main(
    policy: Annotated[str, typer.Option(help="The learned policy that serves")] = "inverse_gap",
    items: Annotated[int, typer.Option(min=SLOTS, max=100_000, help="Candidates")] = 1_000,
    shown: Annotated[int, typer.Option(min=0, help="Choices that the model was made of; 0: no model yet")] = 20_000,
    rounds: Annotated[int, typer.Option(min=3, help="Rounds, all parts in each")] = 15,
    times: Annotated[int, typer.Option(min=10, help="How often a part is done in a round")] = 300,
    build_: Annotated[Path, typer.Option("--build", help="Where the report is kept")] = Path("build/bench"),
) -> None:
    """Time the parts of a learned placement's decision."""
    stamp = report.stamp(f"python -m maitred_tools.bench.learned {' '.join(sys.argv[1:])}".strip())
    with tempfile.TemporaryDirectory() as folder:
        published = world(Path(folder), policy, items, shown)
        asked = moment(published, 1, items)
        found = measure(parts(published, policy, asked), rounds, times)
        found |= stages(published, [moment(published, seed, items) for seed in range(SUBJECTS)], 4 * rounds)
        before, snapshot = published, published.snapshot
        assert snapshot is not None
        found["a snapshot is taken up"] = measure(
            {"": lambda: World(before.catalogue, PolicySnapshot("2", 0, snapshot.columns, 0, snapshot.models), before)},
            5,
            5,
        )[""]
    report.save(build_ / REPORT, stamp | {"us": found})
    out.print(
        report.table(f"{policy}, {items:,} items", HEADER, [(name, f"{value:,.1f}") for name, value in found.items()])
    )


if __name__ == "__main__":
    typer.run(main)

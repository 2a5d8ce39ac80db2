"""`python -m maitred_tools.bench.segments`: what may be seen of a subject, and its segments, kept and worked out.

200 segments of the benchmark's playbook: as they are (a quarter asks for the context), and without that, all timeless.
Figures are medians of CPU time in microseconds, measured in turn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import thread_time_ns
from typing import Annotated, Any, Final

import typer
from maitred_server.decide.stamps import Stamper
from maitred_server.decide.world import World
from maitred_server.model import Event, Kind, Record, Trait, Traits, TraitSource
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.store import Profile
from maitred_server.store.keys import brand_prefix
from maitred_server.store.stamping import stamped
from rich.console import Console
from rich.table import Table

from maitred_tools.bench import control

SUBJECT: Final = brand_prefix("shop") + bytes(16)
CONTEXT: Final = {"device": "till", "store": "330"}
NOW: Final = 1_700_000_000_000
CALLS: Final = 200  # in one measurement


def main(rounds: Annotated[int, typer.Option(min=1, help="Rounds; each measures everything once")] = 40) -> None:
    """Measure segments that are kept with the profile beside segments that are worked out in each decision."""
    table = Table("microseconds", "a quarter asks for the context", "all timeless")
    found = [measured(published(timeless), rounds) for timeless in (False, True)]
    for name in found[0]:
        table.add_row(name, *(f"{one[name]:.1f}" for one in found))
    Console().print(table)


def published(timeless: bool) -> World:
    """The playbook with 200 segments in force; `timeless`: none of them asks for the context."""
    files = control.playbook()
    if timeless:
        files["segments.yaml"] = files["segments.yaml"].replace(b"context.device == 'till' && ", b"")
    with tempfile.TemporaryDirectory() as folder:
        build(loader.load(files, imported=[]), [], Path(folder))
        return World(Catalogue.open(Path(folder)), None)


def known() -> Profile:
    """Somebody with the four traits that the segments ask for, and six others."""
    given: dict[str, Any] = {"age": 40.0, "city": "Lyon", "loyal": True, "likes": ("tea", "milk")}
    given |= {f"other {number}": "something" for number in range(6)}
    traits = tuple(Trait(name, value, TraitSource.EXPLICIT, "service", NOW) for name, value in given.items())
    return Profile.empty(Kind.PERSON).with_records([(1, Record(SUBJECT, Kind.PERSON, NOW, NOW, Traits(traits)))])


def measured(world: World, rounds: int) -> dict[str, float]:
    """Medians by what was measured."""
    stamper = Stamper(lambda brand: world)
    bare = known()
    kept = stamped(SUBJECT, bare, stamper)
    view, other = (world.sight.see(profile, Kind.PERSON, CONTEXT) for profile in (bare, kept))
    timeless = world.rulebook.rules.timeless
    assert timeless is not None
    assert timeless.segments(view, NOW) == timeless.segments(other, NOW)
    event = [(2, Record(SUBJECT, Kind.PERSON, NOW, NOW, Event("view", "MILK")))]
    return in_turn(
        {
            "view of a profile with 10 traits": lambda: world.sight.see(bare, Kind.PERSON, CONTEXT),
            "segments, worked out": lambda: timeless.segments(view, NOW),
            "segments, as kept": lambda: timeless.segments(other, NOW),
            "segments and rules, worked out": lambda: world.rulebook.ask(view, NOW),
            "segments and rules, as kept": lambda: world.rulebook.ask(other, NOW),
            "writer: an event, without stamps": lambda: bare.with_records(event).encode(SUBJECT),
            "writer: a stamp that is good": lambda: stamped(SUBJECT, kept, stamper),
            "writer: a stamp that is made": lambda: stamped(SUBJECT, bare, stamper),
        },
        rounds,
    )


def in_turn(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median CPU time of one call of each, in microseconds."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            begun = thread_time_ns()
            for _ in range(CALLS):
                call()
            times[name].append((thread_time_ns() - begun) / CALLS / 1_000)
    return {name: median(found) for name, found in times.items()}


if __name__ == "__main__":
    typer.run(main)

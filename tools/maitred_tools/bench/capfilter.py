"""How long the filter of contact policies takes, inside one process: twenty policies, by how much was shown before."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from maitred_server.decide.ask import Ask
from maitred_server.decide.contact_filter import TooOften
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.pipeline import moment_of
from maitred_server.decide.profile import Known
from maitred_server.decide.world import World
from maitred_server.model import Exposure, Item, Kind, Outcome, Reason, Record, Shown
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import ContactPolicy, Control, Counted, Scope
from maitred_server.store import Profile
from maitred_server.subjects.assignment import NOT_ASSIGNED
from msgspec.structs import replace

from maitred_tools.bench import seed
from maitred_tools.bench.plainly import DAY

SIZES = (1_000, 10_000)
CALLS = 300
NOW = seed.FIRST_MS + 100 * DAY
HEADER = ("us of CPU, median of the rounds", *(f"{size:,} items" for size in SIZES))
_KINDS: tuple[tuple[str, int, int, int, Counted], ...] = (
    ("exposure", 4, 7, 0, "item"),
    ("outcome.dismiss", 1, 1, 30, "item"),
    ("exposure", 15, 1, 0, "group"),
    ("exposure", 30, 7, 0, "placement"),
    ("exposure", 8, 30, 10, "item"),
)


def policies() -> tuple[ContactPolicy, ...]:
    """Twenty: a few about everything, most about some groups."""
    return tuple(
        ContactPolicy(f"policy {n}", counts, most + n // 5, days * DAY, pause * DAY, per, _scope(n))
        for n in range(20)
        for counts, most, days, pause, per in (_KINDS[n % len(_KINDS)],)
    )


def _scope(number: int) -> Scope:
    return Scope(groups=tuple(seed.group(n) for n in range(number, seed.GROUPS, 4))) if number > 4 else Scope()


def filter_us(folder: Path, rounds: int) -> dict[str, list[float]]:
    """By how much was shown: microseconds at each of SIZES."""
    grounds = [_world(folder / str(size), size) for size in SIZES]
    found: dict[str, list[float]] = {}
    for name, showings in (("a new subject", 0), ("5 showings", 5), ("20 showings", 20), ("100 showings", 100)):
        found[name] = [_time(world, _profiles(world, showings), rounds) for world in grounds]
    found["to compare: 64 features of each times a vector"] = [_product(size, rounds) for size in SIZES]
    return found


def _product(size: int, rounds: int) -> float:
    """What the scoring of so many candidates takes at least, on this machine and at this moment."""
    features, weights = np.ones((size, 64), np.float32), np.ones(64, np.float32)
    times = []
    for _ in range(rounds + 1):
        begun = time.process_time_ns()
        for _ in range(CALLS):
            features @ weights
        times.append((time.process_time_ns() - begun) / 1_000 / CALLS)
    return statistics.median(times[1:])


def _world(folder: Path, size: int) -> World:
    items = [Item(f"item-{number:05}", (seed.group(number),)) for number in range(size)]
    placement = f"placements:\n- {{name: {seed.PLACEMENT}, slots: {seed.SLOTS}, policy: habit}}\n"
    files = {"playbook.yaml": b"name: caps\n", "placements.yaml": placement.encode()}
    playbook = replace(loader.load(files, imported=items), control=Control(contact_policies=policies()))
    build(playbook, items, folder)
    return World(Catalogue.open(folder), None)


def _profiles(world: World, showings: int) -> list[Profile | None]:
    """Of subjects that were shown three items of some thirty that suit them, each time, over sixty days."""
    return [_profile(world, showings, random.Random(number)) if showings else None for number in range(10)]  # noqa: S311


def _profile(world: World, showings: int, chance: random.Random) -> Profile:
    catalogue = world.catalogue
    suiting = [chance.randrange(catalogue.size) for _ in range(30)]
    records: list[tuple[int, Record]] = []
    for at in sorted(NOW - chance.randrange(60 * DAY) for _ in range(showings)):
        chosen = chance.sample(suiting, 3)
        bodies: list[Exposure | Outcome] = [_exposure(catalogue, chosen)]
        if chance.random() < 0.05:
            item = catalogue.item(chosen[0])
            bodies.append(Outcome("dismiss", 0.0, item, "", catalogue.groups_of(item), "d", seed.PLACEMENT))
        records += [(len(records) + n, Record(b"", Kind.PERSON, at, at, body)) for n, body in enumerate(bodies, 1)]
    return Profile.empty(Kind.PERSON).with_records(records)


def _exposure(catalogue: Catalogue, actions: Sequence[int]) -> Exposure:
    shown = tuple(
        Shown(slot, catalogue.item(one), "", catalogue.item_groups(one), 1.0, None, 0.0, Reason.HABIT)
        for slot, one in enumerate(actions)
    )
    return Exposure("d", seed.PLACEMENT, 1, shown, "habit", Reason.HABIT, (), "1", "1", 0, 1, 0)


def _time(world: World, profiles: Sequence[Profile | None], rounds: int) -> float:
    """CPU, so that other work on the machine counts less. A round before the first warms up."""
    ground = world.ground(seed.PLACEMENT)
    moments = [_moment(world, profile) for profile in profiles]
    return statistics.median([_round(ground, moments) for _ in range(rounds + 1)][1:])


def _moment(world: World, profile: Profile | None) -> Moment:
    ask = Ask(seed.BRAND, b"", Kind.PERSON, {}, [(seed.PLACEMENT, 0)])
    view = world.sight.see(profile, Kind.PERSON, {})
    return moment_of(world, ask, Known(b"", Kind.PERSON, profile, b""), view, NOT_ASSIGNED, NOW)


def _round(ground: Ground, moments: Sequence[Moment]) -> float:
    too_often = TooOften()
    begun = time.process_time_ns()
    for _ in range(CALLS):
        for moment in moments:
            too_often.open(ground, moment, ())
    return (time.process_time_ns() - begun) / 1_000 / CALLS / len(moments)

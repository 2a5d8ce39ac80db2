"""The decision itself, without gRPC: stage by stage, beside vowpalwabbit and gittins, and the filters of 500 rules."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from maitred_tools.bench import charts, peers, places, seed, stages, uncompiled
from maitred_tools.bench.measure import Figures, spread
from maitred_tools.bench.section import Bench, Section, Table, reading, steps

OUTSIDE: Final = ("request", "response")  # parsing and building messages: not the decision
PEER_US: Final = {10: 20, 100: 200, 1_000: 1_500, 10_000: 20_000}  # about what a choice takes
ROUND_US: Final = 150_000
FILTERED: Final = (1_000, 10_000)

Stages = dict[str, float]
Done = Callable[[object], None]


def measure(bench: Bench) -> Figures:
    """Ours with both playbooks, each size beside the same choice by others, in turns in this process."""
    cases = [one for playbook in (places.PLAIN, places.EVERYTHING) for one in _of(bench, playbook)]
    versions = {name: peers.there(name) or None for name in peers.PACKAGES}
    own, shared = peers.widths()
    widths = {"own": own, "shared": shared}
    used = uncompiled.in_use()
    return {"widths": widths, "peers": versions, "compiled": used, "cases": cases, "filters": _filters(bench)}


def _of(bench: Bench, playbook: str) -> list[Figures]:
    data, scale = bench.put(playbook), bench.scale
    others = [name for name in peers.PACKAGES if peers.there(name)]
    bar = steps(f"in process, {playbook}", len(places.SIZES) * scale.rounds)
    with bar as done, stages.inside(data, seed.BRAND) as decide, _without(data) as pure:
        ways = {size: {False: decide} | ({True: pure} if pure and size == places.MAIN else {}) for size in places.SIZES}
        found = [one for size in places.SIZES for one in _size(bench, ways[size], size, others, done)]
    return [{"playbook": playbook, **one} for one in found]


def _without(data: Path) -> AbstractContextManager[stages.Decide | None]:
    """The same without what was compiled, where anything was."""
    return uncompiled.inside(data) if uncompiled.there() else nullcontext()


def _size(
    bench: Bench, ways: Mapping[bool, stages.Decide], size: int, others: Sequence[str], done: Done
) -> Iterator[Figures]:
    """Of each way, by whether it is the one without what was compiled; all take turns, and with the others."""
    asked = bench.requests(places.placement(size))
    calls = bench.scale.decisions if size <= places.MAIN else max(20, bench.scale.decisions // 4)
    choosers = {name: peers.chooser(name, size) for name in others}
    times = max(1, ROUND_US // PEER_US[size] // (10 if bench.scale.quick else 1))
    for decide in ways.values():
        decide(asked[:calls])
    ours: dict[bool, list[Stages]] = {pure: [] for pure in ways}
    theirs: dict[str, list[float]] = {name: [] for name in others}
    for number in range(bench.scale.rounds):
        for pure, decide in ways.items():
            ours[pure].append(decide([asked[(number * calls + at) % len(asked)] for at in range(calls)]))
        for name, chooser in choosers.items():
            theirs[name].append(peers.micros(chooser, max(1, times // (30 if name == peers.GITTINS else 1))))
        done(size)
    for pure, mine in ours.items():
        beside = {name: _beside(mine, one) for name, one in theirs.items()}
        yield {"candidates": size, "pure": pure, **_ours(mine), "peers": beside}


def _ours(rounds: Sequence[Stages]) -> Figures:
    median = {stage: round(statistics.median(one[stage] for one in rounds), 2) for stage in rounds[0]}
    return {"stages_us": median} | spread("decision_us", list(map(_decision, rounds)), 1)


def _decision(stages: Stages) -> float:
    return sum(us for stage, us in stages.items() if stage not in OUTSIDE)


def _beside(ours: Sequence[Stages], theirs: Sequence[float]) -> Figures:
    ratios = [_decision(one) / other for one, other in zip(ours, theirs, strict=True)]
    return spread("us", theirs, 1) | spread("ratio", ratios, 4)


def _filters(bench: Bench) -> Figures:
    if find_spec("cel_expr_python") is None:
        return {}
    from maitred_tools.bench import rules

    return dict(rules.measured(FILTERED, 0.004, 200 if bench.scale.quick else 2_000))


def case(found: Figures, playbook: str, candidates: int = places.MAIN) -> Figures | None:
    """One of the cases, with what was compiled."""
    wanted = (playbook, candidates, False)
    return next((one for one in found["cases"] if (one["playbook"], one["candidates"], one["pure"]) == wanted), None)


def tables(found: Figures) -> list[Table]:
    """Ours beside others; the stages; the filters."""
    names = [name for name, version in found["peers"].items() if version]
    header = ("", "decision, us", *(f"{name}, us" for name in names), *(f"of {name}" for name in names))
    rows = [(_name(one), reading(one, "decision_us"), *_others(one, names)) for one in found["cases"]]
    filters = [(name, f"{value:,.2f}") for name, value in found["filters"].items()]
    return [
        Table("The decision beside one choice by others", header, rows),
        uncompiled.table("in the process", found["compiled"]),
        _stages(found["cases"]),
        *([Table("500 rules and 200 segments", ("", "us"), filters)] if filters else []),
    ]


def _others(one: Figures, names: Sequence[str]) -> tuple[str, ...]:
    beside: Mapping[str, Figures] = one["peers"]
    costs = tuple(reading(beside[name], "us") for name in names)
    return (*costs, *(f"{beside[name]['ratio']:.3f}" for name in names))


def _stages(cases: Sequence[Figures]) -> Table:
    names = list(dict.fromkeys(stage for one in cases for stage in one["stages_us"]))
    columns = [(_name(one), one["stages_us"]) for one in cases if one["candidates"] >= places.MAIN]
    rows = [(stage, *(f"{us.get(stage, 0.0):.1f}" for _, us in columns)) for stage in names]
    whole = ("all", *(f"{sum(us.values()):.1f}" for _, us in columns))
    return Table("Stages of a decision, us", ("stage", *(name for name, _ in columns)), [*rows, whole])


def _name(one: Figures) -> str:
    playbook = "everything on" if one["playbook"] == places.EVERYTHING else "plain"
    return f"{playbook}, {one['candidates']:,}{', not compiled' if one['pure'] else ''}"


def drawn(found: Figures) -> list[str]:
    """The stages, and the growth over candidates beside others."""
    rows = {_name(one): one["stages_us"] for one in found["cases"]}
    full = [one for one in found["cases"] if one["playbook"] == places.EVERYTHING and not one["pure"]]
    series = {"ours": [charts.Point(one["candidates"], one["decision_us"]) for one in full]}
    for name in full[0]["peers"]:
        if name != peers.GITTINS:  # it would leave no room for the others
            series[name] = [charts.Point(one["candidates"], one["peers"][name]["us"]) for one in full]
    return [
        charts.stacked("Stages of a decision", rows, "microseconds of CPU"),
        charts.lines("A choice among more candidates", series, "microseconds of CPU", "candidates"),
    ]


SECTION: Final = Section(
    "process",
    "The decision itself",
    "CPU inside one process, without gRPC. A decision fills three slots; the others choose once, and look at no "
    "profile, rule or cap. `request` and `response` are messages, and not counted as the decision.",
    measure,
    tables,
    drawn,
)

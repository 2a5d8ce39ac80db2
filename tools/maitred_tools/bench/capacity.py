"""`python -m maitred_tools.bench.capacity`: what more decisions a second would need, from the last report's figures.

Nothing is measured here but the size of journal records; everything else is the report's, times what is assumed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from maitred_server.model import Exposure, Kind, Outcome, Reason, Record, Shown
from maitred_server.store.journal import encode_record
from rich.console import Console

from maitred_tools.bench import deciding, places, report, seed
from maitred_tools.bench.growth import PROFILE_BYTES
from maitred_tools.bench.measure import Figures

RATES: Final = (1_000, 100_000, 10_000_000)  # decisions a second
BUSY: Final = 0.5  # of a core: the other half is for peaks, and for a machine that is lost
CORES: Final = 32  # of a machine
OUTCOMES: Final = 0.1  # for each decision; each is shown
HEADER: Final = ("", *(f"{rate:,}/s" for rate in RATES))
MANY: Final = 10_000_000  # profiles
DAY_S: Final = 86_400

Rows = list[tuple[str, ...]]
out = Console()


class Cost(NamedTuple):
    """What the report says of one way to serve. `server_us`: CPU of a decision."""

    name: str
    server_us: float


class Feedback(NamedTuple):
    """`cpu_us`: the server's, for an event; `most_per_s`: durable events of one node; `bytes_each`: in the journal."""

    cpu_us: float
    most_per_s: float
    bytes_each: float


def costs(sections: Mapping[str, Figures]) -> list[Cost]:
    """Every way to serve 1,000 candidates that was measured."""
    found = sections["decide"]
    return [
        Cost(deciding.name_of(case), case["server_us"])
        for playbook in (places.PLAIN, places.EVERYTHING)
        for front in (seed.GRPCIO, seed.ENVOY)
        for policy in ("habit", "inverse_gap")
        if (case := deciding.find(found, playbook, front, policy)) is not None
    ]


def feedback(sections: Mapping[str, Figures]) -> Feedback:
    """Of events that come ten in a row about a subject, from 100 clients."""
    streams = [one for one in sections["feedback"]["streams"] if (one["clients"], one["events_a_subject"]) == (100, 10)]
    best = max(streams, key=lambda one: one["events_per_s"])
    return Feedback(best["server_cpu_us"], best["events_per_s"], journal_bytes())


def journal_bytes() -> float:
    """Of an exposure of three choices with 64 features each, and of its share of outcomes."""
    exposure = len(encode_record(_record(_exposure())))
    outcome = len(encode_record(_record(Outcome(seed.PURCHASE, 1.0, seed.item(1), "", (seed.group(1),), "0" * 32))))
    return (exposure + OUTCOMES * outcome) / (1.0 + OUTCOMES)


def _exposure() -> Exposure:
    shown = tuple(
        Shown(slot, seed.item(slot), "", (seed.group(slot),), 0.1, 0.9, 0.1, Reason.LEARNED, features=bytes(128))
        for slot in range(seed.SLOTS)
    )
    return Exposure("0" * 32, seed.PLACEMENT, 1, shown, "inverse_gap", Reason.LEARNED, (), "1", "1", 1, 0, 0)


def _record(body: Exposure | Outcome) -> Record:
    return Record(b"0" * 24, Kind.PERSON, 1, 1, body)


def rows(sections: Mapping[str, Figures]) -> Rows:
    """What each rate needs."""
    told = feedback(sections)
    return [
        *(row for cost in costs(sections) for row in _serving(cost)),
        *_telling(told),
        *_keeping(sections),
    ]


def _serving(cost: Cost) -> Iterator[tuple[str, ...]]:
    cores = [rate * cost.server_us / 1e6 / BUSY for rate in RATES]
    yield (f"cores to decide ({cost.name})", *_counts(cores))
    yield (f"machines of {CORES} cores ({cost.name})", *_counts(one / CORES for one in cores))


def _telling(told: Feedback) -> Iterator[tuple[str, ...]]:
    events = [rate * (1.0 + OUTCOMES) for rate in RATES]
    yield ("feedback, events a second", *(f"{one:,.0f}" for one in events))
    yield ("cores for feedback", *_counts(one * told.cpu_us / 1e6 / BUSY for one in events))
    yield ("stores, each with one writer", *_counts(one / (told.most_per_s * BUSY) for one in events))
    yield ("journal, MB a second", *(f"{one * told.bytes_each / 1e6:,.1f}" for one in events))
    yield ("journal, TB a day", *(f"{one * told.bytes_each * DAY_S / 1e12:,.2f}" for one in events))


def _keeping(sections: Mapping[str, Figures]) -> Iterator[tuple[str, ...]]:
    grown: list[Figures] = sections["growth"]["profiles"]
    most = max(grown, key=lambda one: float(one["profiles"]))
    beside = f"a worker's and the learner's own memory, MiB (over {most['profiles']:,} profiles)"
    yield (beside, *[f"{math.ceil(most['anonymous_mib']):,}"] * len(RATES))
    disk = f"{PROFILE_BYTES * MANY / 1e9:,.0f}"
    yield (f"store of {MANY:,} of the benchmark's profiles, GB", *[disk] * len(RATES))


def _counts(found: Iterable[float]) -> list[str]:
    return [f"{max(1, math.ceil(round(one, 6))):,}" for one in found]


def main(
    build: Annotated[Path, typer.Option(help="Where the report is")] = Path("build/bench"),
    write_docs: Annotated[Path | None, typer.Option(help="Put the table into this page")] = None,
) -> None:
    """Print what 1,000, 100,000 and 10 million decisions a second would need."""
    read: dict[str, Any] = json.loads((build / "report.json").read_text())
    sections = {name: one["figures"] for name, one in read["sections"].items()}
    found = rows(sections)
    out.print(report.table("Capacity", HEADER, found))
    if write_docs is not None:
        report.write_section(write_docs, "capacity", report.markdown(HEADER, found))


if __name__ == "__main__":
    typer.run(main)

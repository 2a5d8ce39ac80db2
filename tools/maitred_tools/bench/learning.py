"""`python -m maitred_tools.bench.learning`: what learning costs, and whether it survives being killed.

`--rate`: records a second, exposures of three choices and what came of them, read, summed up, and made into models.
`--latency`: from the acknowledgement of an outcome until a worker, which looks every 0.2 s, has models that know it.
`--kills`: kill -9 of the learner again and again while records come and subjects are erased; in the end its sums and
counts must be those of a clean replay, bit for bit.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from maitred_server.errors import MaitredError
from maitred_server.learn import learner as learning
from maitred_server.learn import models
from maitred_server.learn.fixed import UNIT
from maitred_server.learn.learner import Learner
from maitred_server.learn.plans import Plan, plan_of
from maitred_server.learn.publish import learned_through, policy_folder
from maitred_server.model import Entry, Exposure, Item, Kind, Outcome, Reason, Record, Shown
from maitred_server.playbook import loader
from maitred_server.playbook.build import build as build_catalogue
from maitred_server.playbook.control import Control, Learning, Response
from maitred_server.policy.fitted import Stamp
from maitred_server.policy.snapshot import PolicySnapshot, open_snapshot
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix
from maitred_server.store.published import CATALOGUE, Follower, brand_folder
from msgspec.structs import replace
from rich.console import Console

from maitred_tools.bench import report
from maitred_tools.bench.progress import err, progress
from maitred_tools.throwaway import accept_any_disk

REPORT = "learning.json"
HEADER = ("what", "figure")
BRAND, PLACEMENT = "default", "home"
GROUPS, SUBJECTS, SLOTS = 20, 500, 3
MAP_SIZE = 4 << 30
DAY_MS = 86_400_000
POLL_S = 0.2  # as workers look for what was published
INTERVAL_S = 0.5  # the default of `publish_interval_s`
LEARNING = Learning(PLACEMENT, (Response("bought", 7 * DAY_MS), Response("dismissed", DAY_MS, worth=-0.2)))
SPAWN = multiprocessing.get_context("spawn")

out = Console()


class Shop(NamedTuple):
    """Who is told, and what they are shown."""

    plan: Plan
    items: int
    random: np.random.Generator

    def exposure(self, number: int) -> Entry:
        """Of three items, with features of their own."""
        items = self.random.choice(self.items, SLOTS, replace=False).tolist()
        shown = tuple(
            Shown(
                slot,
                f"item-{item}",
                "",
                (f"group-{item % GROUPS}",),
                0.3,
                0.1,
                0.1,
                Reason.LEARNED,
                False,
                self._features(),
            )
            for slot, item in enumerate(items)
        )
        body = Exposure(
            f"d{number}",
            PLACEMENT,
            1,
            shown,
            "inverse_gap",
            Reason.LEARNED,
            (),
            "1",
            "",
            _now(),
            0,
            0,
            space=self.plan.space.name,
        )
        return _entry(number, body)

    def outcome(self, number: int, exposure: Entry, kind: str = "bought") -> Entry:
        """Of the first slot."""
        body = exposure.record.body
        if not isinstance(body, Exposure):
            raise TypeError("an outcome is of an exposure")
        first = body.shown[0]
        return _entry(number, Outcome(kind, 1.0, first.item, "", first.groups, body.decision_id, PLACEMENT))

    def entries(self, begin: int, size: int) -> list[Entry]:
        """Exposures, of each fourth an outcome."""
        exposures = [self.exposure(number) for number in range(begin, begin + size)]
        outcomes = [self.outcome(begin + at, one) for at, one in enumerate(exposures) if at % 4 == 0]
        return [*exposures, *outcomes]

    def _features(self) -> bytes:
        found = self.random.integers(0, UNIT, self.plan.space.width).astype("<i2")
        found[-1] = UNIT
        return bytes(found.tobytes())


def _now() -> int:
    return time.time_ns() // 1_000_000


def subject_key(number: int) -> bytes:
    """The key of a subject."""
    return brand_prefix(BRAND) + (number % SUBJECTS).to_bytes(16, "big")


def _entry(number: int, body: Exposure | Outcome) -> Entry:
    return Entry(Record(subject_key(number), Kind.PERSON, _now(), _now(), body))


def publish(data: Path, items: int) -> Shop:
    """A playbook that learns one placement."""
    line = f"placements:\n- {{name: {PLACEMENT}, slots: {SLOTS}, candidates: all, policy: habit}}\n"
    playbook = loader.load({"playbook.yaml": b"name: bench\n", "placements.yaml": line.encode()}, imported=[])
    sold = [Item(f"item-{number}", (f"group-{number % GROUPS}",)) for number in range(items)]
    build_catalogue(
        replace(playbook, control=Control(learning=(LEARNING,))), sold, brand_folder(data, BRAND) / CATALOGUE
    )
    return Shop(plan_of(LEARNING), items, np.random.default_rng(7))


def _learn(data: Path, stop: ProcessEvent, interval_s: float, checkpoint_s: float) -> None:
    models.CHECKPOINT_S = checkpoint_s  # type: ignore[misc]
    learning.run(data, MAP_SIZE, stop, interval_s)  # type: ignore[arg-type]


@contextmanager
def learner(data: Path, interval_s: float, checkpoint_s: float = models.CHECKPOINT_S) -> Iterator[Any]:
    """The learner's process."""
    stop = SPAWN.Event()
    child = SPAWN.Process(target=_learn, args=(data, stop, interval_s, checkpoint_s), daemon=True)
    child.start()
    try:
        yield child
    finally:
        if child.is_alive():  # one that was killed may have died with the event's lock
            stop.set()
        child.join(60)


# What is measured


def rate(data: Path, items: int, records: int) -> dict[str, float]:
    """How fast a learner catches up, and how large what it leaves is."""
    shop = publish(data, items)
    with Store.open(data, map_size=MAP_SIZE) as store:
        for begin in range(0, records * 4 // 5, 1_000):
            store.submit(shop.entries(begin, 1_000)).result(60)
        reader = Learner(store.read_changes, data)
        began = time.perf_counter()
        while reader.step():
            pass
        read = time.perf_counter()
        reader.publish(last=True)
        published = time.perf_counter()
        store.submit(shop.entries(10**9, 20)).result(60)
        reader.step()
        again = time.perf_counter()
        reader.publish()
        done = time.perf_counter()
        sizes = [path.stat().st_size for path in (data / "learner" / BRAND).iterdir()]
        snapshots = [path.stat().st_size for path in policy_folder(data, BRAND).glob("*.snapshot")]
        return {
            "records": float(reader.cursor),
            "records_per_s": reader.cursor / (read - began),
            "first_publish_s": published - read,
            "next_publish_s": done - again,
            "check_point_bytes": float(sum(sizes)),
            "snapshot_bytes": float(max(snapshots)),
        }


def latency(data: Path, items: int, outcomes: int, told: Callable[[], None]) -> dict[str, float]:
    """Milliseconds from the acknowledgement of outcomes until a worker's snapshot knows them."""
    shop = publish(data, items)
    waits: list[float] = []
    with Store.open(data, map_size=MAP_SIZE) as store, learner(data, INTERVAL_S):
        follower: Follower[PolicySnapshot] = Follower(policy_folder(data, BRAND), open_snapshot)
        first = store.submit(shop.entries(0, 1_000)).result(60).last_sequence
        _until(lambda: _known(follower) >= first)
        waiting: list[tuple[int, float]] = []
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(POLL_S) or waiting:
                through = _known(follower)
                now = time.perf_counter()
                while waiting and waiting[0][0] <= through:
                    waits.append((now - waiting.pop(0)[1]) * 1000)
                    told()

        thread = threading.Thread(target=look)
        thread.start()
        for number in range(outcomes):
            exposure = shop.exposure(10_000 + number)
            store.submit([exposure]).result(60)
            sequence = store.submit([shop.outcome(10_000 + number, exposure)]).result(60).last_sequence
            waiting.append((sequence, time.perf_counter()))
            time.sleep(0.03)
        ended.set()
        thread.join(120)
    p50, p99 = np.percentile(waits, [50, 99]).tolist()
    return {"outcomes": float(len(waits)), "p50_ms": p50, "p99_ms": p99, "most_ms": max(waits)}


def _known(follower: Follower[PolicySnapshot]) -> int:
    follower.poll()
    stamp = Stamp.of(follower.version or "")
    return stamp.through if stamp else 0


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError("the learner publishes nothing")
        time.sleep(0.05)


def kills(data: Path, items: int, times: int, told: Callable[[], None]) -> dict[str, float]:
    """Kill the learner so often under load, and compare. Raises RuntimeError when anything differs."""
    shop = publish(data, items)
    with Store.open(data, map_size=MAP_SIZE) as store:
        ended = threading.Event()
        load = threading.Thread(target=_load, args=(store, shop, ended))
        load.start()
        try:
            for _ in range(times):
                before = learned_through(data)
                with learner(data, 0.02, 0.05) as child:
                    _until(lambda seen=before: learned_through(data) > seen)  # type: ignore[misc]
                    time.sleep(random.uniform(0.0, 0.4))  # noqa: S311 - not for secrets
                    child.kill()
                    child.join(60)
                told()
        finally:
            ended.set()
            load.join()
        kept = len(list((data / "learner").glob("*/*.lane")))
        survivor = _caught_up(store, data)
        with tempfile.TemporaryDirectory(dir=data.parent) as folder:
            publish(Path(folder), items)
            clean = _caught_up(store, Path(folder))
            same = survivor.sums(BRAND) == clean.sums(BRAND) and _lane_bytes(survivor) == _lane_bytes(clean)
        if not same:
            raise RuntimeError("sums after kills are not those of a clean replay")
        return {"kills": float(times), "records": float(clean.cursor), "check_points": float(kept), "different": 0.0}


def _load(store: Store, shop: Shop, ended: threading.Event) -> None:
    number = 0
    while not ended.wait(0.02):
        entries = shop.entries(number, 10)
        random.shuffle(entries)
        store.submit(entries).result(60)
        number += 10
        if number % 300 == 0:
            store.delete(subject_key(number // 7), _now()).result(60)


def _caught_up(store: Store, data: Path) -> Learner:
    found = Learner(store.read_changes, data)
    while found.step():
        pass
    return found


def _lane_bytes(found: Learner) -> bytes:
    lane = found.lane(BRAND, PLACEMENT)
    return b"" if lane is None else lane.sums.to_bytes()


def rows(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    """One line for each figure."""
    names = {
        "records_per_s": "records read and summed up, per second",
        "first_publish_s": "all weights made, check-pointed and published, s",
        "next_publish_s": "a few records more published, s",
        "check_point_bytes": "check-point, bytes",
        "snapshot_bytes": "snapshot, bytes",
        "p50_ms": "outcome acknowledged to known by a worker, median, ms",
        "p99_ms": "the same, 99th percentile, ms",
        "kills": "kills of the learner under load",
        "different": "sums that differ from a clean replay",
    }
    found = {name: value for part in ("rate", "latency", "kills") for name, value in measured.get(part, {}).items()}
    return [
        (text, f"{found[name]:,.3g}" if found[name] < 100 else f"{found[name]:,.0f}")
        for name, text in names.items()
        if name in found
    ]


def main(
    records: Annotated[int, typer.Option("--rate", min=0, help="Records of the rate; 0: not measured")] = 0,
    outcomes: Annotated[int, typer.Option("--latency", min=0, help="Outcomes of the latency; 0: not measured")] = 0,
    times: Annotated[int, typer.Option("--kills", min=0, help="Kills; 0: none")] = 0,
    items: Annotated[int, typer.Option(min=SLOTS, help="Items")] = 1_000,
    write_docs: Annotated[
        Path | None, typer.Option(help="Measure nothing: put the figures of the last report into this page")
    ] = None,
    build: Annotated[Path, typer.Option(help="Where data directories and reports are kept")] = Path("build/bench"),
) -> None:
    """Measure the learner on its own, over a real store."""
    accept_any_disk()
    saved = build / REPORT
    measured = json.loads(saved.read_text()) if saved.exists() else {}
    if write_docs is not None:
        text = f"{report.markdown(HEADER, rows(measured))}\n\n{report.stamped(measured)}"
        report.write_section(write_docs, "learning", text)
        return
    build.mkdir(parents=True, exist_ok=True)
    measured |= report.stamp(f"python -m maitred_tools.bench.learning {' '.join(sys.argv[1:])}".strip())
    with tempfile.TemporaryDirectory(dir=build) as folder:
        if records:
            measured["rate"] = rate(Path(folder) / "rate", items, records)
        if outcomes:
            with progress("outcomes", outcomes) as done:
                measured["latency"] = latency(Path(folder) / "latency", items, outcomes, done)
        if times:
            with progress("kills", times) as done:
                measured["kills"] = kills(Path(folder) / "kills", items, times, done)
    report.save(saved, measured)
    out.print(report.table("Learning", HEADER, rows(measured)))
    out.print(f"written to {saved}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError, ValueError) as error:
        err.print(f"learning: {error}", markup=False, highlight=False)
        sys.exit(1)

"""`python -m maitred_tools.bench.feedback`: durable events a second, waits for acknowledgements, speed of learning.

A real server and real streams. An event counts once it is acknowledged: on disk, fsynced, with the counters of its
subject changed in the same transaction. The clients' processes take a good part of the machine, so the CPU time of the
server for an event stands beside the rate.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from maitred_server.errors import MaitredError
from maitred_server.learn.learner import Learner
from maitred_server.store import Store
from rich.console import Console

from maitred_tools.bench import feedclients, laying, learning, report, seed
from maitred_tools.bench.feedclients import Sent, Work
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.progress import err, progress
from maitred_tools.throwaway import accept_any_disk

REPORT = "feedback.json"
HEADER = ("what", "events/s", "server CPU, us/event", "acknowledged p50", "p99")
CLIENTS = (1, 10, 100)
BATCH = 100
MOST_WAITING = 15_000  # events under way at once: the server turns away what is beyond 20,000
SUBJECTS = 20_000  # whose turn comes again
CHUNK = 5_000
MAP_SIZE = 64 << 30
SPAWN = multiprocessing.get_context("spawn")
Figures = dict[str, Any]

out = Console()


def measure(
    build: Path, quick: bool, events: int | None = None, workers: Sequence[int] = (1, 2), drivers: int = 1
) -> Figures:
    """All figures, as plain JSON. `events`: of the journal that the learner catches up with; `drivers`: processes of
    clients; `build`: where data goes, which is removed again.
    """
    accept_any_disk()
    build.mkdir(parents=True, exist_ok=True)
    each, journal = (50_000, 100_000) if quick else (400_000, 1_000_000)
    found: Figures = {"streams": [], "batch": BATCH}
    plans = [(count, clients, run) for count in workers for run in (10, 1) for clients in CLIENTS]
    with progress("feedback", len(plans)) as done:
        for count, clients, run in plans:
            sent = max(each if run > 1 else each // 2, clients * BATCH * 2) // (10 if clients == 1 else 1)
            found["streams"].append(durable(build, clients, run, sent, count, drivers))
            done()
    return found | {"learner": catch_up(build, events or journal)}


# Durable events


def durable(build: Path, clients: int, run: int, events: int, workers: int, drivers: int) -> Figures:
    """So many events by so many clients, `run` in a row about one subject; run 1: all subjects are distinct."""
    batches = max(2, events // (clients * BATCH))
    under_way = max(1, min(4, MOST_WAITING // (clients * BATCH)))
    with tempfile.TemporaryDirectory(dir=build, prefix="feedback-") as folder, server(Path(folder), workers) as running:
        seed.publish(running.target, seed.playbook())
        subjects = SUBJECTS if run > 1 else 1 << 40
        work = Work(running.target, clients, batches, BATCH, under_way, run, subjects)
        loads(running, [Work(running.target, 1, 20, BATCH, 1, run, subjects, name="warm")])
        before = running.cpu_ns()
        results = loads(running, _shares(work, min(drivers, clients)))
        cpu_ns = running.cpu_ns() - before
    accepted = sum(one.accepted for one in results)
    if accepted != clients * batches * BATCH:
        raise RuntimeError(f"{accepted} of {clients * batches * BATCH} events were accepted")
    latencies = np.concatenate([one.latencies for one in results]) * 1000
    return {
        "workers": workers,
        "clients": clients,
        "events_a_subject": run,
        "events": accepted,
        "under_way": under_way,
        "events_per_s": round(accepted / max(one.seconds for one in results)),
        "server_cpu_us": round(cpu_ns / 1000 / accepted, 2),
        "ack_p50_ms": round(float(np.percentile(latencies, 50)), 2),
        "ack_p99_ms": round(float(np.percentile(latencies, 99)), 2),
    }


def server(folder: Path, workers: int) -> ServerProcess:
    """The real server on a data directory of its own."""
    settings = ["--data", str(folder / "data"), "--listen", "127.0.0.1:0", "--metrics", "", "--workers", str(workers)]
    return ServerProcess("maitred_server", ["serve", *settings, "--set", "drain_s=0"])


def _shares(work: Work, drivers: int) -> list[Work]:
    """The same clients, by several processes."""
    bounds = [work.clients * number // drivers for number in range(drivers + 1)]
    return [Work(**(vars(work) | {"first": begin, "clients": end - begin})) for begin, end in pairwise(bounds)]


def loads(running: ServerProcess, works: Sequence[Work]) -> list[Sent]:
    """Clients that begin together. Raises RuntimeError when a stream fails."""
    with _processes(works) as pipes:
        for pipe in pipes:
            pipe.recv()
        for pipe in pipes:
            pipe.send("go")
        results: list[Sent] = [pipe.recv() for pipe in pipes]
    failures = [failure for one in results for failure in one.failures]
    if failures or running.returncode is not None:
        raise RuntimeError(f"feedback failed: {failures[:3] or 'the server ended'}")
    return results


@contextmanager
def _processes(works: Sequence[Work]) -> Iterator[list[Connection]]:
    pipes, children = [], []
    try:
        for work in works:
            ours, theirs = SPAWN.Pipe()
            child = SPAWN.Process(target=feedclients.serve, args=(work, theirs), daemon=True)
            child.start()
            pipes.append(ours)
            children.append(child)
        yield pipes
    finally:
        for child in children:
            child.join(10)
            child.terminate()


# Learning


def catch_up(build: Path, events: int) -> Figures:
    """A learner that begins with a journal of so many records: exposures, outcomes and events. Progress is shown."""
    with tempfile.TemporaryDirectory(dir=build, prefix="journal-") as folder:
        shop = learning.publish(Path(folder), 300)
        with progress("journal", events) as done:
            laying.lay(Path(folder), MAP_SIZE, shop, events, done)
        with Store.open(folder, map_size=MAP_SIZE, read_only=True) as store:
            return _caught_up(Learner(store.read_changes, Path(folder), CHUNK), events)


def _caught_up(reader: Learner, events: int) -> Figures:
    began, cpu = time.perf_counter(), time.process_time()
    with progress("learning", events) as done:
        while reader.step():
            done(CHUNK)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    reader.publish(last=True)
    return {
        "records": reader.cursor,
        "records_per_s": round(reader.cursor / took),
        "cpu_us": round(cpu * 1e6 / reader.cursor, 2),
        "catch_up_10m_s": round(took * 10_000_000 / reader.cursor),
        "seconds": round(took, 1),
    }


# For people


def rows(found: Figures) -> list[tuple[str, ...]]:
    """Durable events as a table has them."""
    return [
        (
            f"{one['clients']} clients, {one['events_a_subject']} a subject, {one['workers']} workers",
            f"{one['events_per_s']:,}",
            f"{one['server_cpu_us']:g}",
            f"{one['ack_p50_ms']:g} ms",
            f"{one['ack_p99_ms']:g} ms",
        )
        for one in found["streams"]
    ]


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A look, in a minute")] = False,
    events: Annotated[int | None, typer.Option(min=10_000, help="Journal records for the learner")] = None,
    workers: Annotated[list[int], typer.Option(min=1, help="Workers of the server; may be given again")] = [1, 2],  # noqa: B006
    drivers: Annotated[int, typer.Option(min=1, help="Processes of clients")] = 1,
    build: Annotated[Path, typer.Option(help="Where data directories and reports are kept")] = Path("build/bench"),
) -> None:
    """What feedback costs, and how fast it is durable and learned."""
    command = " ".join(["python -m maitred_tools.bench.feedback", *sys.argv[1:]])
    measured = report.stamp(command) | measure(build, quick, events, workers, drivers)
    report.save(build / REPORT, measured)
    out.print(report.table(f"Durable events, batches of {BATCH}", HEADER, rows(measured)))
    learned = measured["learner"]
    out.print(f"learner: {learned['records_per_s']:,} records/s, {learned['cpu_us']:g} us of CPU each;", end=" ")
    out.print(f"{learned['records']:,} records took {learned['seconds']:g} s")
    out.print(f"written to {build / REPORT}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError) as error:
        err.print(f"bench: {error}", markup=False, highlight=False)
        sys.exit(1)

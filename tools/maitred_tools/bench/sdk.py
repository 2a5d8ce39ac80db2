"""`python -m maitred_tools.bench.sdk`: what the SDK costs its caller, with a real server, and once that is gone.

Times are of the calling thread alone (its CPU, as the kernel counts it), by blocks of calls; the delivery runs beside
it on a thread of its own and is counted apart. Allocations are those of one call while nothing else of the SDK runs.
"""

from __future__ import annotations

import gc
import os
import signal
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from maitred import CacheConfig, Client, Config, Decision, Request
from maitred_server.errors import MaitredError
from rich.console import Console

from maitred_tools.bench import report, seed
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.progress import err, progress
from maitred_tools.throwaway import accept_any_disk

REPORT = "sdk.json"
HEADER = ("what", "figure")
PLACEMENT = "kept"
SUBJECT = "subject-1"
CONTEXT = {"store": "330", "device": "till"}
DEADLINE_S = 0.05
BLOCK_CALLS = 500
DRAIN_CALLS = 20_000  # of feedback, before its delivery is waited for
TRACED_CALLS = 200
FULL_ENTRIES = 100_000
Figures = dict[str, Any]

out = Console()


def measure(build: Path, quick: bool) -> Figures:
    """All figures, as plain JSON. `build`: where the server's data goes, which is removed again."""
    accept_any_disk()
    build.mkdir(parents=True, exist_ok=True)
    calls, entries, lost = (20_000, 5_000, 40) if quick else (200_000, FULL_ENTRIES, 200)
    found: Figures = {}
    with progress("SDK", 6) as done, tempfile.TemporaryDirectory(dir=build, prefix="sdk-") as folder:
        running = seed.server(Path(folder) / "data")
        with running, clients(running.target, entries) as (client, other):
            seed.publish(running.target, playbook())
            found |= decides(client, calls)
            done()
            found |= tells(client, calls // 4)
            done()
            found |= allocations(other)
            done()
            found |= memory(other, entries)
            done()
            found |= silence(running, client, lost)
            running.stop()
            found |= outage(client, calls, lost)
            done()
    return found


def playbook() -> dict[str, bytes]:
    """One placement whose answers are kept for as long as anything is measured."""
    line = f"placements:\n- {{name: {PLACEMENT}, slots: 1, policy: habit, ttl: 24h, stale: 24h}}\n"
    return {
        "playbook.yaml": b"name: bench\n",
        "placements.yaml": line.encode(),
        "items.jsonl": b"\n".join(seed.playbook()["items.jsonl"].splitlines()[:20]),
        "groups.yaml": seed.playbook()["groups.yaml"],
    }


@contextmanager
def clients(target: str, entries: int) -> Iterator[tuple[Client, Client]]:
    """One with the defaults but for room in its cache, and one that is not told what must go from it."""
    config = Config(deadline=DEADLINE_S, cache=CacheConfig(entries=entries + 1))
    quiet = Config(deadline=5.0, cache=CacheConfig(entries=entries, watch=False), outbox=None)
    with Client(target, config) as client, Client(target, quiet) as other:
        yield client, other


# Times


def decides(client: Client, calls: int) -> Figures:
    """Cached answers, without and with a context. Microseconds of the caller."""
    plain = kept(client, lambda: client.decide(PLACEMENT, SUBJECT))
    rich = kept(client, lambda: client.decide(PLACEMENT, SUBJECT, context=CONTEXT))
    return {
        "decide_cached_us": _rounded(blocks(plain, calls)),
        "decide_cached_context_us": _rounded(blocks(rich, calls)),
    }


def kept(client: Client, decide: Callable[[], Decision]) -> Callable[[], Decision]:
    """The same call once its answer is in the cache. Raises RuntimeError when it does not get there."""
    until = time.monotonic() + 30.0
    while time.monotonic() < until:
        if decide().reason == "CACHED" and client.statistics().watching:
            return decide
        time.sleep(0.02)  # the first call connects; the server says once that it is heard
    raise RuntimeError("the answer is not kept")


def tells(client: Client, calls: int) -> Figures:
    """Exposures and events while the delivery runs beside, and what both threads take together."""
    decision = client.decide(PLACEMENT, SUBJECT)
    verbs: dict[str, Callable[[], object]] = {
        "expose_us": lambda: client.expose(decision),
        "record_us": lambda: client.record("purchase", SUBJECT, item=seed.item(1), value=2.5),
        "record_outcome_us": lambda: client.record("bought", SUBJECT, item=decision.items[0], decision=decision),
    }
    found: Figures = {}
    for name, verb in verbs.items():
        before = time.process_time_ns()
        times: list[float] = []
        for _ in range(0, calls, DRAIN_CALLS):
            times += blocks(verb, min(calls, DRAIN_CALLS))
            if not client.flush(60.0):
                raise RuntimeError("feedback is not acknowledged")
        with_delivery = (time.process_time_ns() - before) / 1000 / (len(times) * BLOCK_CALLS)
        found |= {name: _rounded(times), name.replace("_us", "_with_delivery_us"): round(with_delivery, 2)}
    if client.statistics().dropped:
        raise RuntimeError("feedback was dropped while it was measured")
    return found


def blocks(call: Callable[[], object], calls: int) -> list[float]:
    """Microseconds of this thread's CPU for a call, one reading for each block of calls."""
    clock, found = time.thread_time_ns, []
    for _ in range(max(1, calls // BLOCK_CALLS)):
        began = clock()
        for _ in range(BLOCK_CALLS):
            call()
        found.append((clock() - began) / 1000 / BLOCK_CALLS)
    return found


def _rounded(readings: list[float]) -> Figures:
    ordered = sorted(readings)
    return {
        "median": round(statistics.median(ordered), 3),
        "least": round(ordered[0], 3),
        "p90": round(ordered[len(ordered) * 9 // 10], 3),
    }


# Memory


def allocations(client: Client) -> Figures:
    """Bytes at the peak of one call, and memory blocks that are still held after it (of feedback: until it is sent)."""
    client.decide(PLACEMENT, SUBJECT)
    decision = client.decide(PLACEMENT, SUBJECT)
    client.expose(decision)
    client.flush(30.0)
    verbs: dict[str, Callable[[], object]] = {
        "decide": lambda: client.decide(PLACEMENT, SUBJECT),
        "expose": lambda: client.expose(decision),
        "record": lambda: client.record("purchase", SUBJECT, item=seed.item(1), value=2.5),
    }
    return {"allocations": {name: _allocated(verb) for name, verb in verbs.items()}}


def _allocated(verb: Callable[[], object]) -> Figures:
    gc.collect()
    gc.disable()
    try:
        verb()
        before = sys.getallocatedblocks()
        for _ in range(TRACED_CALLS):
            verb()
        held = (sys.getallocatedblocks() - before) / TRACED_CALLS
        peaks = [_peak(verb) for _ in range(TRACED_CALLS // 10)]
    finally:
        gc.enable()
    return {"blocks_held": round(held, 2), "peak_bytes": statistics.median(peaks)}


def _peak(verb: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        verb()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def memory(client: Client, entries: int) -> Figures:
    """Bytes of many kept answers, from the real server, as Python counts them."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        fill(client, entries)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    each = held / client.statistics().cache_entries
    return {"cached_entries": entries, "cached_bytes_each": round(each), "cached_100k_mb": round(each / 10, 1)}


def fill(client: Client, entries: int) -> None:
    """Have so many answers kept. Raises RuntimeError when they are not."""
    for begin in range(0, entries, seed.ITEMS):
        numbers = range(begin, min(begin + seed.ITEMS, entries))
        client.decide_many([Request(PLACEMENT, seed.subject(number)) for number in numbers], timeout=60.0)
    if client.statistics().cache_entries < entries:
        raise RuntimeError("not all answers were kept")


# Without a server


def silence(running: ServerProcess, client: Client, lost: int) -> Figures:
    """The server hangs: by how much unknown answers pass their deadline, ms, and how long known ones take, us."""
    known = kept(client, lambda: client.decide(PLACEMENT, SUBJECT))
    with paused(running):
        unknown = sorted(strangers(client, lost // 2, "silent"))
        told = sorted(timed(known) / 1000 for _ in range(2_000))
    return {
        "silence_unknown_ms": _percentiles(unknown),
        "silence_known_us": _percentiles(told),
        "over_deadline_ms": round(max(0.0, unknown[-1] - DEADLINE_S * 1000), 3),
    }


@contextmanager
def paused(running: ServerProcess) -> Iterator[None]:
    """The processes that hold the server's connections do nothing meanwhile."""
    holders = set(running.connections().values())
    for pid in holders:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in holders:
            os.kill(pid, signal.SIGCONT)


def strangers(client: Client, count: int, name: str) -> list[float]:
    """Milliseconds of decisions for subjects that nothing is known of."""
    return [timed(partial(client.decide, PLACEMENT, f"{name}-{n}", fallback=["BREAD"])) / 1e6 for n in range(count)]


def outage(client: Client, calls: int, lost: int) -> Figures:
    """The server is down: known answers in microseconds, and by how much unknown ones pass their deadline, ms."""
    client.decide(PLACEMENT, SUBJECT)
    known = sorted(timed(lambda: client.decide(PLACEMENT, SUBJECT)) / 1000 for _ in range(min(calls, 20_000)))
    unknown = sorted(strangers(client, lost, "down"))
    told = sorted(timed(lambda: client.record("purchase", SUBJECT, item="BREAD")) / 1000 for _ in range(2_000))
    return {
        "outage_known_us": _percentiles(known),
        "outage_known_reason": str(client.decide(PLACEMENT, SUBJECT).reason),
        "outage_unknown_ms": _percentiles(unknown),
        "outage_record_us": _percentiles(told),
    }


def timed(call: Callable[[], object]) -> int:
    """Nanoseconds until a call is back."""
    began = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - began


def _percentiles(ordered: list[float]) -> Figures:
    picked = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {name: round(ordered[at], 3) for name, at in picked.items()}


# For people


def rows(found: Figures) -> list[tuple[str, str]]:
    """The figures as a table has them."""
    return [
        *((_words(name), _shown(found[name])) for name in found if name.startswith(("decide", "expose", "record"))),
        *(
            (f"{name}: bytes at its peak, blocks held after", f"{one['peak_bytes']:,.0f}, {one['blocks_held']:g}")
            for name, one in found["allocations"].items()
        ),
        ("100,000 kept answers", f"{found['cached_100k_mb']:g} MB"),
        (f"server down, known answer ({found['outage_known_reason']}), us", _shown(found["outage_known_us"])),
        ("server down, record, us", _shown(found["outage_record_us"])),
        (f"server down, unknown, deadline {DEADLINE_S * 1000:g} ms, ms", _shown(found["outage_unknown_ms"])),
        ("server hangs, known answer, us", _shown(found["silence_known_us"])),
        (f"server hangs, unknown, deadline {DEADLINE_S * 1000:g} ms, ms", _shown(found["silence_unknown_ms"])),
        ("longest over its deadline, ms", f"{found['over_deadline_ms']:g}"),
    ]


def _words(name: str) -> str:
    return name.removesuffix("_us").replace("_", " ") + ", us"


def _shown(figure: Figures | float) -> str:
    if isinstance(figure, dict):
        return ", ".join(f"{name} {value:g}" for name, value in figure.items())
    return f"{figure:g}"


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A look, in seconds")] = False,
    build: Annotated[Path, typer.Option(help="Where data directories and reports are kept")] = Path("build/bench"),
) -> None:
    """What the SDK costs its caller."""
    measured = report.stamp("python -m maitred_tools.bench.sdk" + " --quick" * quick) | measure(build, quick)
    report.save(build / REPORT, measured)
    out.print(report.table("The SDK, on the caller's thread", HEADER, rows(measured)))
    out.print(f"written to {build / REPORT}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError) as error:
        err.print(f"bench: {error}", markup=False, highlight=False)
        sys.exit(1)

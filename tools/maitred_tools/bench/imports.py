"""`python -m maitred_tools.bench.imports`: import many profiles and events, again, and with a kill in the middle.

The files are made once for a size and used again: customers of a CRM, behaviour on the web (JSONL), orders of a shop
(CSV with a mapping), calls (JSONL, packed). Some subjects do far more than others. A few rows are bad on purpose.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

import numpy as np
import typer
from maitred_server.errors import MaitredError
from maitred_server.store import Audit, Store
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

LAYOUT = 1  # raise it when files of before must not be used again
ITEMS = 20_000
BEGIN_S = 1_704_067_200
YEAR_S = 366 * 86_400
BAD_EVERY = 100_000
AT_ONCE = 100_000
ZIPF, SHIFT = 0.9, 100  # of how often a subject does anything, by its rank
SHARES = {"web": 0.7, "orders": 0.25, "calls": 0.05}
POLL_S = 0.05
WATCH_S = 0.25

ORDERS = """
columns: {order: event_id, customer: subject, sku: item, amount: value, pieces: quantity, bought: time}
constants: {type: purchase, source: orders, touchpoint: web-shop}
time: s
"""

out = Console()


class File(NamedTuple):
    """A file to import. `rows`: how many, the bad ones too."""

    what: str
    path: Path
    rows: int
    options: tuple[str, ...]


class Run(NamedTuple):
    """One import, or its two halves. `cpu_s`: of all its processes. `peak_mib`: of all together, what no file backs."""

    seconds: float
    cpu_s: float
    peak_mib: float
    summary: dict[str, Any]


def main(
    profiles: Annotated[int, typer.Option(min=100, help="Profiles")] = 1_000_000,
    events: Annotated[int, typer.Option(min=100, help="Events")] = 10_000_000,
    kill: Annotated[bool, typer.Option("--kill/--no-kill", help="Also with kills, each file once")] = True,
    build: Annotated[Path, typer.Option(help="Where files and data directories are made")] = Path("build/bench"),
) -> None:
    """Import, import again, import with kills; compare what the journals then hold."""
    began = time.monotonic()
    files = made(build / f"import-{LAYOUT}-{profiles}-{events}", profiles, events)
    out.print(f"files: {time.monotonic() - began:.0f} s")
    data = fresh(build / "import-data")
    first = told("imported", files, lambda file: imported(file, data))
    audits = {"imported": audited(data)}
    told("again", files, lambda file: imported(file, data))
    audits["again"] = audited(data)
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    shutil.rmtree(data)
    if kill:
        chance = random.Random(5)  # noqa: S311
        told("with kills", files, lambda file: killed(file, fresh(data, keep=True), chance))
        audits["with kills"] = audited(data)
        shutil.rmtree(data)
    totals = {name: {kind: n for kind, n in audit.journalled.items() if n} for name, audit in audits.items()}
    bad = sum(run.summary["rejected"] for run in first)
    out.print(
        f"total {sum(run.seconds for run in first):.0f} s, data directory {size / 2**20:,.0f} MiB, rejected {bad:,}"
    )
    for name, total in totals.items():
        out.print(f"{name}: {total}, sound: {audits[name].sound}", highlight=False)
    if len({json.dumps(total) for total in totals.values()}) > 1 or not all(audit.sound for audit in audits.values()):
        raise RuntimeError("the totals differ")


def told(title: str, files: list[File], run: Callable[[File], Run]) -> list[Run]:
    """Run it for every file and print how it was."""
    names = ("file", "rows", "seconds", "CPU s", "rows/s", "peak MiB", "accepted", "before", "rejected")
    table = Table(*names, title=title)
    runs = []
    for file in files:
        done = run(file)
        runs.append(done)
        figures = (file.rows, done.seconds, done.cpu_s, file.rows / done.seconds, done.peak_mib)
        counts = [done.summary[name] for name in ("accepted", "before", "rejected")]
        table.add_row(file.path.name, *(f"{figure:,.0f}" for figure in (*figures, *counts)))
    out.print(table)
    return runs


# Importing


def imported(file: File, data: Path) -> Run:
    """Run the command to its end."""
    began, used, peak = time.monotonic(), cpu_s(), 0
    with started(file, data) as process:
        assert process.stdout is not None
        while process.poll() is None:
            peak = max(peak, anonymous(process.pid))
            time.sleep(WATCH_S)
        answer = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the import of {file.path.name} failed")
    return Run(time.monotonic() - began, cpu_s() - used, peak / 2**20, json.loads(answer))


def killed(file: File, data: Path, chance: random.Random) -> Run:
    """Kill it while it records, then run it again."""
    began, used = time.monotonic(), cpu_s()
    before, wanted = journal(data), int(file.rows * chance.uniform(0.2, 0.8))
    with started(file, data) as process:
        while process.poll() is None and journal(data) < before + wanted:
            time.sleep(POLL_S)
        process.send_signal(signal.SIGKILL)
    run = imported(file, data)
    return run._replace(seconds=time.monotonic() - began, cpu_s=cpu_s() - used)


def cpu_s() -> float:
    """CPU time of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def started(file: File, data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "maitred_server", "import", file.what, str(file.path), "--data", str(data)]
    return subprocess.Popen([*command, "--json", *file.options], stdout=subprocess.PIPE, text=True)


def journal(data: Path) -> int:
    """The journal's last sequence."""
    if not (data / "store").exists():
        return 0
    try:
        with Store.open(data, read_only=True) as store:
            return store.last_sequence()
    except MaitredError:  # it is being made
        return 0


def anonymous(pid: int) -> int:
    """Bytes of a process and its children that no file backs; what ended in the meantime counts nothing."""
    try:
        family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        states = [Path(f"/proc/{one}/status").read_text() for one in family]
    except OSError:
        return 0
    return sum(int(found[1]) << 10 for state in states if (found := re.search(r"^RssAnon:\s+(\d+) kB", state, re.M)))


def audited(data: Path) -> Audit:
    with Store.open(data, read_only=True) as store:
        return store.audit()


def fresh(data: Path, keep: bool = False) -> Path:
    """A data directory, empty unless kept."""
    if not keep:
        shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True, exist_ok=True)
    return data


# Files


def made(folder: Path, profiles: int, events: int) -> list[File]:
    """The files of a size; made when they are not there."""
    files = wanted(folder, profiles, events)
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "orders.yaml").write_text(ORDERS)
        writers = {"crm": write_crm, "web": write_web, "orders": write_orders, "calls": write_calls}
        for seed, file in enumerate(files):
            name = file.path.name.partition(".")[0]
            with (
                gzip.open(file.path, "wt", 1) if file.path.suffix == ".gz" else file.path.open("w", newline="") as text
            ):
                writers[name](text, np.random.default_rng(seed), profiles, file.rows)
        (folder / "done").touch()
    return files


def wanted(folder: Path, profiles: int, events: int) -> list[File]:
    rows = {name: int(events * share) for name, share in SHARES.items()}
    return [
        File("profiles", folder / "crm.jsonl", profiles, ("--source", "crm")),
        File("events", folder / "web.jsonl", rows["web"], ("--source", "web", "--touchpoint", "web")),
        File("events", folder / "orders.csv", rows["orders"], ("--mapping", str(folder / "orders.yaml"))),
        File("events", folder / "calls.jsonl.gz", rows["calls"], ("--source", "call-centre", "--touchpoint", "phone")),
    ]


Chance = np.random.Generator


def subjects(chance: Chance, profiles: int, count: int) -> NDArray[np.int64]:
    """Who did something: the higher the rank, the more often."""
    weights = 1 / (np.arange(profiles) + SHIFT) ** ZIPF
    return np.searchsorted(weights.cumsum() / weights.sum(), chance.random(count)).clip(0, profiles - 1)


def columns(chance: Chance, profiles: int, count: int) -> Iterator[tuple[list[int], list[int], list[int], list[int]]]:
    """Numbers of rows, subjects, items and times (s), in the order of their times."""
    step = YEAR_S / count
    for first in range(0, count, AT_ONCE):
        numbers = np.arange(first, min(first + AT_ONCE, count))
        items = (ITEMS * chance.random(len(numbers)) ** 2).astype(int)
        times = BEGIN_S + (numbers * step).astype(int)
        yield numbers.tolist(), subjects(chance, profiles, len(numbers)).tolist(), items.tolist(), times.tolist()


def write_crm(file: IO[str], chance: Chance, profiles: int, count: int) -> None:
    at = datetime.fromtimestamp(BEGIN_S, UTC).isoformat()
    ages, cities = chance.integers(18, 90, count).tolist(), chance.integers(0, 300, count).tolist()
    for number in range(count):
        traits = f'{{"age": {ages[number]}, "city": "city-{cities[number]}", "member": {str(number % 3 == 0).lower()}}}'
        state = "maybe" if number % BAD_EVERY == 7 else ("granted", "denied")[number % 5 == 0]
        file.write(
            f'{{"subject": "customer-{number}", "time": "{at}", "traits": {traits},'
            f' "consents": {{"personalization": "{state}"}}}}\n'
        )


def write_web(file: IO[str], chance: Chance, profiles: int, count: int) -> None:
    for numbers, who, items, times in columns(chance, profiles, count):
        for number, subject, item, at in zip(numbers, who, items, times, strict=True):
            when = '"soon"' if number % BAD_EVERY == 7 else at * 1000
            file.write(
                f'{{"subject": "customer-{subject}", "type": "view", "item": "item-{item}", "time": {when},'
                f' "attributes": {{"page": "product", "seconds": {number % 97}}}}}\n'
            )


def write_orders(file: IO[str], chance: Chance, profiles: int, count: int) -> None:
    rows = csv.writer(file)
    rows.writerow(["order", "customer", "sku", "amount", "pieces", "bought", "till"])
    for numbers, who, items, times in columns(chance, profiles, count):
        for number, subject, item, at in zip(numbers, who, items, times, strict=True):
            pieces = 0 if number % BAD_EVERY == 7 else 1 + number % 3
            rows.writerow([f"A-{number}", f"customer-{subject}", f"item-{item}", item % 97 / 4, pieces, at, number % 9])


def write_calls(file: IO[str], chance: Chance, profiles: int, count: int) -> None:
    for numbers, who, items, times in columns(chance, profiles, count):
        for number, subject, item, at in zip(numbers, who, items, times, strict=True):
            when = datetime.fromtimestamp(at, UTC).isoformat()
            text = (
                "{"
                if number % BAD_EVERY == 7
                else f'{{"subject": "customer-{subject}", "type": "call", "time": "{when}"'
            )
            file.write(f'{text}, "value": {item % 30}, "attributes": {{"topic": "topic-{item % 12}"}}}}\n')


if __name__ == "__main__":
    try:
        typer.run(main)
    except (MaitredError, RuntimeError, OSError) as error:
        out.print(f"bench: {error}", markup=False, highlight=False)
        sys.exit(1)

"""Serve real shopping visits through the SDK and a live server, and say how it went."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from maitred import Client, Config, MaitredError
from rich.console import Console

from maitred_tools.demo import playbook, summary
from maitred_tools.demo.funnel import explain, sampled, segments
from maitred_tools.demo.groceries import DataMissingError, Groceries, load, package_folder
from maitred_tools.demo.latency import Buckets, scrape
from maitred_tools.demo.page import render
from maitred_tools.demo.process import Server, ServerFailedError
from maitred_tools.demo.progress import watching
from maitred_tools.demo.reference import simulate
from maitred_tools.demo.replay import Replay
from maitred_tools.demo.results import Events, Results, write_json
from maitred_tools.demo.setting import describe
from maitred_tools.demo.till import Till
from maitred_tools.throwaway import accept_any_disk

CONFIG = Config(deadline=2.0, channels=1, touchpoint="till")
METRICS_S = 2.0
INTERRUPTED = 130
PLAIN_WIDTH = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo. Returns 0 when all is well, 1 when not, 130 when it was interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    accept_any_disk()
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(options, given, console)
    except (DataMissingError, ServerFailedError, MaitredError, OSError) as error:
        console.print(f"[bold red]failed[/]: {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m maitred_tools.demo", description=__doc__)
    parser.add_argument("--visits", default="40000", type=_visits, help="how many visits, in time order, or `all`")
    parser.add_argument(
        "--out", default=Path("build/demo"), type=Path, help="folder for the report and the server's data"
    )
    parser.add_argument("--keep", action="store_true", help="keep the server's data when all is well")
    parser.add_argument(
        "--kill-at",
        action="append",
        default=[],
        type=_share,
        metavar="SHARE",
        help="kill the server with SIGKILL after this share of the visits (0 to 1) and start it again; may be repeated",
    )
    return parser


def _visits(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("a whole number above 0, or `all`")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError("a number between 0 and 1")
    return share


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace, given: list[str], console: Console) -> int:
    shop = load(package_folder())
    visits = min(options.visits or len(shop), len(shop))
    folder = _fresh(options.out)
    playbook.write(shop, folder / "playbook")
    console.print(
        f"{len(shop.categories)} categories, {len(shop):,} visits; serving the first {visits:,}", highlight=False
    )
    kills = frozenset(max(1, int(share * visits)) for share in options.kill_at)
    results = _measure(shop, visits, kills, folder, console, describe(given))
    return _report(results, folder, console, keep=options.keep)


def _fresh(folder: Path) -> Path:
    """The folder without what an earlier run of the demo left there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("data", "playbook"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("server.log", "server.ready", "report.json", "report.html"):
        (folder / name).unlink(missing_ok=True)
    return folder


def _measure(
    shop: Groceries, visits: int, kills: frozenset[int], folder: Path, console: Console, measured: dict[str, str]
) -> Results:
    with _serving(folder, console) as server, Client(server.address, config=CONFIG) as client:
        server.publish(folder / "playbook")
        replay = Replay(client, Till(client, shop), server, console, kills, sampled(visits))
        started = time.perf_counter()
        with watching(console, visits) as watch:
            replay.run(shop.visits(visits), watch)
        seconds = time.perf_counter() - started
        statistics = client.statistics()
        _read_latency(server, replay.buckets, 0 if kills else visits)  # a killed server took its last ones with it
        console.print(f"asking how {len(replay.receipts)} of the decisions came about", highlight=False)
        funnel = explain(server.address, replay.receipts)
        inside = segments(server.address, (row[0] for row in replay.more.rows), shop.traits)
    found = server.verify()
    return Results(
        tally=replay.tally,
        latency=replay.till.latency,
        server=replay.buckets,
        events=Events(
            sent=statistics.sent,
            acknowledged=statistics.acknowledged,
            journalled=sum(found["journalled"].values()),
            counted=sum(found["counted"].values()),
        ),
        reference=simulate(shop, visits),
        recorded=replay.till.recorded,
        seconds=seconds,
        outage=replay.till.outage,
        unacknowledged=tuple(replay.unacknowledged),
        measured=measured,
        more=replay.more,
        segments=inside,
        funnel=funnel,
        lag=replay.lag,
    )


@contextmanager
def _serving(folder: Path, console: Console) -> Iterator[Server]:
    """A running server that is stopped at the end, whatever happens."""
    server = Server(folder)
    try:
        server.start()
        console.print(f"the server (process {server.pid}) listens on {server.address}", highlight=False)
        yield server
    finally:
        server.stop()


def _read_latency(server: Server, buckets: Buckets, least: int) -> None:
    """Adds the server's histogram, once it has `least` decisions: the server hands them over twice a second."""
    before = dict(buckets.counts)
    deadline = time.monotonic() + METRICS_S
    while True:
        buckets.counts.clear()
        buckets.counts.update(before)
        buckets.add(scrape(server.metrics))
        if buckets.calls() >= least or time.monotonic() > deadline:
            return
        time.sleep(0.1)


def _report(results: Results, folder: Path, console: Console, *, keep: bool) -> int:
    write_json(results, folder / "report.json")
    (folder / "report.html").write_text(render(results), encoding="utf-8")
    report = results.report()
    summary.show(console, report)
    console.print(f"report: {folder / 'report.html'}, {folder / 'report.json'}", highlight=False, soft_wrap=True)
    if report["problems"]:
        return 1
    if not keep:
        shutil.rmtree(folder / "data", ignore_errors=True)
    return 0

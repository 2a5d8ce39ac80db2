"""How far the replay is, with the hit rates so far: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from maitred_tools.demo.tally import POLICIES, Tally

_REDRAW_S = 0.1
_LINES = 20


class Watcher(Protocol):
    """Is told after each visit."""

    def __call__(self, done: int, tally: Tally) -> None: ...


def rates(tally: Tally) -> str:
    """The hit rates so far, as in "habit 29.8%  popular 23.9%  uniform 2.3%"."""
    known = ((policy, tally.running(policy)) for policy in POLICIES)
    return "  ".join(f"{policy} {rate:.1%}" for policy, rate in known if rate is not None)


@contextmanager
def watching(console: Console, visits: int) -> Iterator[Watcher]:
    """Shows progress over `visits` visits until the block ends."""
    if not console.is_terminal:
        yield _lines(console, visits)
        return
    columns = (
        TextColumn("[bold]visits"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rates]}"),
    )
    with Progress(*columns, console=console, auto_refresh=False, expand=True) as progress:
        yield _bar(progress, visits)


def _bar(progress: Progress, visits: int) -> Watcher:
    task = progress.add_task("", total=visits, rates="", speed="")
    started = time.monotonic()
    drawn = 0.0

    def watch(done: int, tally: Tally) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn >= _REDRAW_S or done == visits:
            drawn = now
            speed = f"{done / max(now - started, 1e-9):,.0f}/s"
            progress.update(task, completed=done, rates=rates(tally), speed=speed, refresh=True)

    return watch


def _lines(console: Console, visits: int) -> Watcher:
    started = time.monotonic()
    every = max(1, visits // _LINES)

    def watch(done: int, tally: Tally) -> None:
        if done % every == 0 or done == visits:
            speed = done / max(time.monotonic() - started, 1e-9)
            console.print(f"{done:>9,} of {visits:,} visits  {speed:>6,.0f}/s  {rates(tally)}", highlight=False)

    return watch

"""What is kept, and for how long, carried out in small transactions that others can write between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from maitred_server.store import retention, sessions
from maitred_server.store.env import Environment, Txn
from maitred_server.store.retention import Keeping


class Run(Protocol):
    """Does some work in a transaction of its own."""

    def __call__(self, work: Callable[[Environment, Txn], Any]) -> Future[Any]: ...


def keep(current: Callable[[], Environment], run: Run, keeping: Keeping, most: int, now_ms: int) -> None:
    """Take out what is over the bound of a subject or expired, and end sessions in which nothing happens any more."""
    while crowded := retention.crowded(current()):
        for subject in crowded:
            run(partial(retention.trim_crowded, key=subject, most=most)).result()
    for name in keeping.ages:
        _expire(current, run, keeping, name, now_ms)
    after = b""
    while after := run(
        partial(sessions.end_idle, after=after, before_ms=now_ms - keeping.session_ms, at_ms=now_ms)
    ).result():
        pass


def _expire(current: Callable[[], Environment], run: Run, keeping: Keeping, name: str, now_ms: int) -> None:
    before = through = retention.searched_through(current(), name)
    more = True
    while more:
        found = retention.aged(current(), name, keeping.ages, now_ms, through)
        through, more = found.through, found.more
        if found.subjects or (not more and through > before):
            work = partial(retention.trim_aged, name=name, found=found, ages=keeping.ages, now_ms=now_ms)
            run(work).result()

"""Parts in, results out, in order: in some processes when there is much to do, in this one when there is little."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from maitred_server.errors import MaitredError
from maitred_server.importing.sources import Part
from maitred_server.importing.staged import Block
from maitred_server.importing.stager import Plan, Stager
from maitred_server.processes import end_with_parent, spawn

MOST_READERS = 4

_stager: Stager | None = None


def blocks(plan: Plan, parts: Iterable[Part], *, alone: bool) -> Iterator[Block]:
    """The blocks of a file's parts, in order. `alone`: without other processes. Raises MaitredError."""
    if alone:
        stager = Stager(plan)
        yield from map(stager.block, parts)
        return
    Stager(plan)  # says what is wrong before any process starts
    readers = min(MOST_READERS, os.cpu_count() or 1)
    with ProcessPoolExecutor(readers, mp_context=spawn, initializer=_begin, initargs=(plan,)) as pool:
        try:
            yield from _in_order(lambda part: pool.submit(_block, part), parts, readers + 1)
        except BrokenProcessPool:
            raise MaitredError("a reading process ended; run the same command again to go on") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _in_order(submit: Callable[[Part], Future[Block]], parts: Iterable[Part], under_way: int) -> Iterator[Block]:
    waiting: deque[Future[Block]] = deque()
    for part in parts:
        waiting.append(submit(part))
        if len(waiting) > under_way:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begin(plan: Plan) -> None:
    global _stager
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to everybody; the main process decides
    _stager = Stager(plan)


def _block(part: Part) -> Block:
    assert _stager is not None
    return _stager.block(part)

"""Answers that wait for the disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple


class Durable(NamedTuple):
    """An answer that waits for the disk."""

    future: Future[Any]
    answer: Callable[[Any], bytes]


def when_asked(answer: Callable[[], bytes]) -> Durable:
    """Waits for nothing, and is computed when its turn has come: after the batches before it are durable."""
    done: Future[None] = Future()
    done.set_result(None)
    return Durable(done, lambda _: answer())

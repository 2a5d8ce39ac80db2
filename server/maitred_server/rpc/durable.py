"""Answers that wait for the disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Durable(NamedTuple):
    """An answer that waits for the disk."""

    future: Future[Any]
    answer: Callable[[Any], bytes]


def when_asked(answer: Callable[[], bytes]) -> Durable:
    """Waits for nothing, and is computed when its turn has come: after the batches before it are durable."""
    done: Future[None] = Future()
    done.set_result(None)
    return Durable(done, lambda _: answer())


def after(first: Future[T], then: Callable[[], Future[Any]]) -> Future[T]:
    """The result of `first`, once what `then` begins has ended too. Who gives up waiting calls `first` off."""
    both: Future[T] = Future()

    def go_on(done: Future[T]) -> None:
        try:
            going = None if done.cancelled() or done.exception() is not None else then()
        except RuntimeError:  # nothing is begun any more: the server ends
            going = None
        if going is None:
            _settle(both, done)
        else:
            going.add_done_callback(lambda _: _settle(both, done))

    both.add_done_callback(lambda _: first.cancel() if both.cancelled() else None)
    first.add_done_callback(go_on)
    return both


def _settle(future: Future[T], done: Future[T]) -> None:
    if done.cancelled():
        future.cancel()
    elif not future.set_running_or_notify_cancel():
        return
    elif (error := done.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(done.result())

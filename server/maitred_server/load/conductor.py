"""Lets the processes play the steps, one after the other, and listens."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import msgspec

from maitred_server.load import knee
from maitred_server.load.asked import Asked, Plan, Step, Wire
from maitred_server.load.crew import Crew
from maitred_server.load.measured import Measured


class Watcher(Protocol):
    """Who looks on while a load runs."""

    def see(self, measured: Measured) -> None:
        """Called a few times a second."""


class _Interrupt:
    """The first Ctrl-C asks for an end; the second one is an interrupt like any other."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def run(plan: Plan, asked: Asked, wire: Wire, watcher: Watcher) -> Measured:
    """Put the load on the server. Raises MaitredError; Ctrl-C ends it with what was measured until then."""
    measured = Measured(plan, wire.deadline_s)
    with _interruptible() as interrupt, Crew(plan, asked, wire) as crew:
        first_begin = 0.0
        for number, step in enumerate(plan.steps):
            if (bounded := _bounded(step, plan, measured)) is None:
                break
            begin = crew.go(number, bounded)
            first_begin = first_begin or begin
            measured.begin(bounded, begin - first_begin)
            _listen(crew, measured, watcher, interrupt)
            if measured.interrupted or (plan.ramp and knee.is_past(plan, measured.steps)):
                break
    return measured


def _bounded(step: Step, plan: Plan, measured: Measured) -> Step | None:
    """The step within what is left of the calls; None when nothing is."""
    if not plan.calls:
        return step
    left = plan.calls - sum(one.count.wanted for one in measured.steps)
    return msgspec.structs.replace(step, calls=left) if left > 0 else None


def _listen(crew: Crew, measured: Measured, watcher: Watcher, interrupt: _Interrupt) -> None:
    for message in crew.heard():
        if message is not None:
            measured.add(message)
        if interrupt.asked and not measured.interrupted:
            measured.interrupted = True
            crew.stop()
        watcher.see(measured)
    measured.end()
    watcher.see(measured)


@contextmanager
def _interruptible() -> Iterator[_Interrupt]:
    interrupt = _Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)

"""The load processes, as their parent sees them."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from maitred_server.errors import MaitredError
from maitred_server.load import generator, told
from maitred_server.load.asked import Asked, Place, Plan, Step, Wire

SOON_S = 0.1  # from the order to the first call, so that all begin together
TICK_S = 0.25
START_S = 60.0
END_S = 10.0


class Crew:
    """Processes that are connected and wait for orders."""

    def __init__(self, plan: Plan, asked: Asked, wire: Wire) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for number in range(plan.processes):
            ours, theirs = spawn.Pipe()
            job = generator.Job(asked, wire, Place(number, plan.processes), plan.poisson)
            process = spawn.Process(target=generator.main, args=(job, theirs), daemon=True, name=f"load-{number}")
            _start(process)
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        try:
            self._wait_until_ready()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(0 if error else END_S)
            if process.is_alive():
                process.terminate()
                process.join()

    def _wait_until_ready(self) -> None:
        waiting, until = set(self._pipes), time.monotonic() + START_S
        while waiting:
            if time.monotonic() > until:
                raise MaitredError(f"the load processes were not ready within {START_S:.0f} s")
            for pipe, _ in self._heard(waiting):
                waiting.discard(pipe)

    def go(self, number: int, step: Step) -> float:
        """Order a step; gives its begin on the monotonic clock."""
        begin = time.monotonic() + SOON_S
        self._order(told.Go(number, begin, step))
        return begin

    def stop(self) -> None:
        """Order an end."""
        self._order(told.Stop())

    def heard(self) -> Iterator[told.Interval | told.Done | None]:
        """What the processes tell until each is done with the step; None now and then. Raises MaitredError."""
        waiting = set(self._pipes)
        while waiting:
            yield None
            for pipe, message in self._heard(waiting):
                if isinstance(message, told.Done):
                    waiting.discard(pipe)
                if isinstance(message, told.Done | told.Interval):
                    yield message

    def _order(self, order: told.Order) -> None:
        for pipe in self._pipes:
            try:
                pipe.send_bytes(told.encode(order))
            except OSError:
                continue  # it is gone; reading tells

    def _heard(self, pipes: set[Connection]) -> Iterator[tuple[Connection, told.Told]]:
        for pipe in wait(list(pipes), TICK_S):
            assert isinstance(pipe, Connection)
            try:
                message: told.Told = told.read_told(pipe.recv_bytes())
            except (EOFError, OSError):
                raise MaitredError("a load process ended unasked; what it measured is lost") from None
            if isinstance(message, told.Broken):
                raise MaitredError(message.message)
            yield pipe, message


def _start(process: BaseProcess) -> None:
    """Ctrl-C is the parent's: a process is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)

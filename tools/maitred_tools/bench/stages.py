"""Microseconds of CPU of each stage of a decision, measured inside one process, without gRPC."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maitred_server.decide.answer import Answer
from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline, Stopwatch, wall_clock
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.worlds import Worlds
from maitred_server.model import Kind
from maitred_server.rpc.access import Access, Caller
from maitred_server.rpc.admission import Admission, Limits
from maitred_server.rpc.decisions import Decisions
from maitred_server.rpc.people import People
from maitred_server.store import Store
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms
from maitred_server.telemetry import Telemetry

Decide = Callable[[Sequence[bytes]], dict[str, float]]


class Laps:
    """Adds up the CPU time between one stage's end and the next's, nanoseconds by stage: other work on the machine is
    not in it.
    """

    def __init__(self) -> None:
        self.total: dict[str, int] = defaultdict(int)
        self._last = 0

    def begin(self) -> None:
        """The next stage begins now."""
        self._last = time.thread_time_ns()

    def __call__(self, stage: str) -> None:
        now = time.thread_time_ns()
        self.total[stage] += now - self._last
        self._last = time.thread_time_ns()


class TimedPipeline(Pipeline):
    """The pipeline, with laps."""

    laps: Laps

    def decide(self, ask: Ask, stopwatch: Stopwatch | None = None) -> Answer:
        """As the pipeline does."""
        self.laps("request")
        return super().decide(ask, self.laps)


@contextmanager
def inside(data: Path, brand: str) -> Iterator[Decide]:
    """What decides requests in this process: microseconds of CPU a decision, by stage, as a mean over the requests.

    `data`: a data directory that no server is using.
    """
    with _opened(data, brand) as (decisions, caller, pipeline):

        def decide(requests: Sequence[bytes]) -> dict[str, float]:
            found = _round(decisions, caller, pipeline, requests)
            return {stage: ns / 1000 / len(requests) for stage, ns in found.items()}

        yield decide


def _round(decisions: Decisions, caller: Caller, pipeline: TimedPipeline, requests: Sequence[bytes]) -> dict[str, int]:
    laps = pipeline.laps = Laps()
    for request in requests:
        laps.begin()
        decisions.decide(request, caller)
        laps("response")
    return dict(laps.total)


@contextmanager
def _opened(data: Path, brand: str) -> Iterator[tuple[Decisions, Caller, TimedPipeline]]:
    """What a worker is made of, without its front."""
    keys, worlds = KeyDirectory(data / "keys"), Worlds(data)
    worlds.poll()
    sealer, people = Sealer(keys.sealing(), keys.find), People(Pseudonyms(keys.pseudonym_key()), Kind.PERSON)
    store: Any = Store.open(data, read_only=True)
    pipeline = TimedPipeline(store, worlds.world, sealer, wall_clock)
    limits = Limits(receipt_ms=0, replay_clock=False)
    admission = Admission(people, sealer, worlds.world, wall_clock, limits, lambda key: None)
    decisions = Decisions(pipeline, admission, people, Telemetry(), replay_clock=False)
    try:
        yield decisions, Access.open_to_all(brand).caller(None), pipeline
    finally:
        store.close()

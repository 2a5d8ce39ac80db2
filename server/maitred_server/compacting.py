"""When the running server compacts its store: in a process of its own, so that it takes nothing from decisions."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import NamedTuple

import structlog

from maitred_server.decide.pipeline import wall_clock
from maitred_server.errors import StoreError
from maitred_server.processes import end_with_parent, spawn
from maitred_server.settings import Settings
from maitred_server.store.compaction import compact, is_due
from maitred_server.telemetry import set_up_logging

HOUR_S = 3_600.0
LEAST_S = 3.0  # between two looks: each starts a process

log = structlog.get_logger()


class Schedule(NamedTuple):
    """How long what was erased may stay readable on the disk, and how often that is looked at, in seconds."""

    wait_s: float
    every_s: float

    @classmethod
    def of(cls, compact_hours: float) -> Schedule:
        """`compact_hours`: the setting."""
        wait_s = compact_hours * HOUR_S
        return cls(wait_s, max(LEAST_S, wait_s / 8))


class Compactor:
    """Looks now and then, on a thread of its own, whether the store is to be compacted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="compactor", daemon=True)
        if settings.compact_hours:
            self._thread.start()

    def _watch(self) -> None:
        every_s = Schedule.of(self._settings.compact_hours).every_s
        while not self._stopping.wait(every_s):
            _in_process(self._settings)

    def stop(self) -> None:
        """What is under way ends with the main process, and leaves the store as it was."""
        self._stopping.set()


def _in_process(settings: Settings) -> None:
    process = spawn.Process(target=_main, args=(settings,), daemon=True)
    process.start()
    process.join()


def _main(settings: Settings) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_up_logging(settings.log_format, settings.log_level)
    compact_when_due(settings.data, settings.map_size, Schedule.of(settings.compact_hours))


def compact_when_due(data: Path, map_size: int, schedule: Schedule) -> None:
    """Compact if an erasure has waited long enough. What the disk refuses is logged, and tried again later."""
    try:
        if is_due(data, wall_clock(), int(schedule.wait_s * 1_000), map_size):
            log.info("store_compacted", **compact(data, map_size)._asdict())
    except (StoreError, OSError) as error:
        log.error("compaction_failed", error=type(error).__name__, reason=str(error))

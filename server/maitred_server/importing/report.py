"""How an import tells how it goes: a bar on a terminal, lines elsewhere, figures at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

LINE_EVERY_S = 5.0


class Summary(msgspec.Struct):
    """What became of a file. Records: a row of a profile may be two, its traits and its consents."""

    kind: str
    file: str
    rows: int = 0
    rejected: int = 0  # rows
    accepted: int = 0  # records that are new and durable
    duplicates: int = 0  # records known by their own ids, or by number when they were sent again
    before: int = 0  # records that an earlier run had recorded
    erased: int = 0  # records older than the erasure of their subject, left out
    refused: int = 0  # records that the store could not apply, or that the server refused
    imported_before: bool = False
    resumed: bool = False
    seconds: float = 0.0
    rejects_file: str = ""

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0


class Watcher(Protocol):
    """Who is told how it goes."""

    def stage(self, what: str, total: int) -> None:
        """Something new begins; `total` of whatever is counted then."""

    def at(self, done: int, said: str) -> None:
        """How far it is, and in words what came of it."""


class Bar:
    """A bar on a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[said]}"), console=console)
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, what: str, total: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=self._progress.tasks[-1].total)
        self._task = self._progress.add_task(what, total=max(total, 1), said="")

    def at(self, done: int, said: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done, said=said)


class Said:
    """Plain lines, one every few seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._what, self._total = "", 0
        self._next = time.monotonic() + LINE_EVERY_S

    def __enter__(self) -> Said:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def stage(self, what: str, total: int) -> None:
        self._what, self._total = what, max(total, 1)

    def at(self, done: int, said: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY_S
            self._say(f"{self._what}: {100 * done // self._total}%  {said}")


class Rate:
    """How many a second, since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, count: int) -> str:
        return f"{count / max(time.monotonic() - self._began, 1e-3):,.0f}/s"

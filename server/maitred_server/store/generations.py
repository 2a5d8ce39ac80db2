"""Which environment is the store's: a compaction rewrites it into another folder, and every process follows at once.

The folder is `store`, then `store-2`, `store-3` ...; the file CURRENT beside them names it, once there was a
compaction.
What decides is in the environments themselves: one that was rewritten says so, and names its successor, in the very
transaction after which nothing is written to it any more. So CURRENT may be late, but no write goes astray.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from maitred_server.errors import StoreRefused
from maitred_server.store.env import Environment, Retired
from maitred_server.store.flag import unused
from maitred_server.store.published import current, switch, sync_folder

FIRST = "store"
GRACE_S = 1.0  # how long an environment that was left stays open for threads that are still reading in it

T = TypeVar("T")

log = structlog.get_logger(__name__)


def number_of(folder: Path) -> int:
    """The number of a generation: 1 for `store`, 2 for `store-2` ..."""
    _, dash, number = folder.name.partition("-")
    return int(number) if dash else 1


def folder_after(folder: Path) -> Path:
    """Where the next generation goes."""
    return folder.with_name(f"{FIRST}-{number_of(folder) + 1}")


def folder_in_use(data: Path) -> Path:
    """The folder that CURRENT names."""
    return data / (current(data) or FIRST)


def open_current(
    data: Path, map_size: int, read_only: bool, allow_overlay: bool | None, folder: Path | None = None
) -> Environment:
    """Open the environment in use, made when there is none unless read-only. Raises StoreRefused.

    `folder`: one that is known to be as new as what CURRENT names; None: that.
    """
    folder = folder or folder_in_use(data)
    while True:
        try:
            env = Environment.open(folder, map_size, read_only, allow_overlay)
        except StoreRefused:
            if folder_in_use(data) == folder:
                raise
            folder = folder_in_use(data)
            continue
        successor = env.successor()
        following = data / successor if successor else folder_in_use(data)
        if number_of(following) <= number_of(folder):
            return env
        env.close()
        folder = following


class Generations:
    """The environment in use, for all threads of one process."""

    def __init__(self, data: Path, map_size: int, read_only: bool, allow_overlay: bool | None) -> None:
        """Opens it. Raises StoreRefused."""
        self.data = data
        self._open = partial(open_current, data, map_size, read_only, allow_overlay)
        self._lock = threading.Lock()
        self._left: list[tuple[float, Environment]] = []
        self._env = self._open()

    def current(self) -> Environment:
        """The environment to use now. To be asked for once in a piece of work, for handles are of one environment."""
        env = self._env
        if env.flag.byte[0] and env.successor() is not None:
            self._follow(env)
            return self._env
        return env

    def write(self, work: Callable[[Environment], T]) -> T:
        """Do `work`, which writes to the environment that it is given; again, when that turns out to be retired."""
        while True:
            env = self.current()
            try:
                return work(env)
            except Retired:
                self._follow(env)

    def _follow(self, env: Environment) -> None:
        with self._lock:
            if self._env is env:
                self._env = self._open(self.data / (env.successor() or env.path.name))
                self._left.append((time.monotonic(), env))
                log.info("store_reopened", generation=number_of(self._env.path))

    def tidy(self) -> None:
        """Close what was left, once nobody can be reading in it."""
        with self._lock:
            due = [env for at, env in self._left if time.monotonic() - at > GRACE_S and not env.busy]
            self._left = [one for one in self._left if one[1] not in due]
        for env in due:
            env.close()

    def close(self) -> None:
        with self._lock:
            for _, env in self._left:
                env.close()
            self._left.clear()
            self._env.close()


def sweep(data: Path, keep: Path) -> bool:
    """Remove the generations before `keep` that no process has open; whether none is left. Raises OSError."""
    clean = True
    for folder in data.glob(f"{FIRST}*"):
        if not folder.is_dir() or number_of(folder) >= number_of(keep):
            continue
        with unused(folder) as free:
            if free:
                shutil.rmtree(folder, ignore_errors=True)  # another process may be at it too
                sync_folder(data)
        clean = clean and not folder.exists()
    return clean


def settle_on(data: Path, folder: Path) -> None:
    """Let CURRENT name a generation, durably, unless it names a later one. Raises OSError."""
    if number_of(folder_in_use(data)) < number_of(folder):
        switch(data, folder.name)

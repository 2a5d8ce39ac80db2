"""Rewriting the store so that nothing of what was deleted stays readable on the disk.

LMDB leaves deleted bytes where they were until their pages are used again. So the environment is rewritten into a fresh
one beside it. That is done under LMDB's write lock, which keeps the writers of all processes waiting; decisions go on.
The last thing that is written to the old environment, in the same transaction, is the name of its successor: whoever
gets the lock after that finds it and goes there. The old one is removed when the last process has left it.
"""

from __future__ import annotations

import shutil
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from maitred_server.store import erasures
from maitred_server.store.env import DEFAULT_MAP_SIZE, Environment, Retired, Txn
from maitred_server.store.generations import folder_after, open_current, settle_on, sweep
from maitred_server.store.rewriting import rewrite


class Compaction(NamedTuple):
    """What a compaction did."""

    folder: str  # where the store is now, in the data directory
    entries: int
    bytes_before: int  # of the file
    bytes_after: int
    seconds: float


def compact(data: Path, map_size: int = DEFAULT_MAP_SIZE, allow_overlay: bool | None = None) -> Compaction:
    """Rewrite the store of a data directory, from a process that has not opened it; beside a running server or not.

    A crash in the middle leaves the store as it was. Raises StoreError, OSError.
    """
    while True:
        env = open_current(data, map_size, False, allow_overlay)
        try:
            return _compacted(data, env)
        except Retired:
            continue
        finally:
            env.close()


def _compacted(data: Path, env: Environment) -> Compaction:
    began, folder = time.monotonic(), folder_after(env.path)
    before = _size(env.path)
    entries = env.write(partial(_move, env, folder))
    settle_on(data, folder)
    return Compaction(folder.name, entries, before, _size(folder), time.monotonic() - began)


def _move(env: Environment, folder: Path, txn: Txn) -> int:
    """Whatever is in the folder is of a compaction that did not end: only who has the lock may be at it."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        entries = rewrite(env, txn, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    env.flag.put(True)
    env.retire(txn, folder.name)
    return entries


def compact_and_sweep(
    data: Path, map_size: int = DEFAULT_MAP_SIZE, allow_overlay: bool | None = None
) -> tuple[Compaction, bool]:
    """The same, and remove the old environment if nobody else has it open; whether it is gone."""
    done = compact(data, map_size, allow_overlay)
    return done, sweep(data, data / done.folder)


def is_due(data: Path, at_ms: int, wait_ms: int, map_size: int, allow_overlay: bool | None = None) -> bool:
    """Whether an erasure has waited for so long that its bytes go from the disk. Raises StoreError."""
    env = open_current(data, map_size, True, allow_overlay)
    try:
        since = erasures.longest_waiting(env)
    finally:
        env.close()
    return since is not None and at_ms - since >= wait_ms


def _size(folder: Path) -> int:
    return (folder / "data.mdb").stat().st_size

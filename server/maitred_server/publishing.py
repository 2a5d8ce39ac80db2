"""Publishing a playbook: in a process of its own, so that building a catalogue takes nothing from decisions."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from maitred_server.playbook import loader
from maitred_server.playbook.build import BuildResult, build
from maitred_server.policy import POLICIES
from maitred_server.rpc.admin import Published
from maitred_server.store import Store
from maitred_server.store.published import brand_folder


class Job(NamedTuple):
    """One publish; goes to another process."""

    data: Path
    map_size: int
    brand: str
    files: dict[str, bytes]
    author: str
    dry_run: bool


class ProcessPublisher:
    """Runs one publish at a time in a process that ends with it."""

    def __init__(self, data: Path, map_size: int) -> None:
        self._data = data
        self._map_size = map_size
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1)

    def publish(self, brand: str, files: dict[str, bytes], author: str, dry_run: bool) -> Future[Published]:
        return self._pool.submit(run, Job(self._data, self._map_size, brand, files, author, dry_run))

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def run(job: Job) -> Published:
    """Check, build, put in force. Raises PlaybookError with every mistake, StoreRefused."""
    store = Store.open(job.data, map_size=job.map_size, read_only=True)
    try:
        items = list(store.items(job.brand))
    finally:
        store.close()
    playbook = loader.load(job.files, imported=items, policies=frozenset(POLICIES))
    if job.dry_run:
        with TemporaryDirectory() as scratch:
            return _published(build(playbook, items, Path(scratch)), version="")
    folder = brand_folder(job.data, job.brand) / "catalogue"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        return _published(build(playbook, items, folder))


def _published(result: BuildResult, version: str | None = None) -> Published:
    return Published(
        result.version if version is None else version,
        result.items,
        result.actions,
        result.placements,
        tuple(result.warnings),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two workers may be told to publish at once; versions are made one after the other."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""The one writer of a process: a thread that commits what was handed in, in groups.

It never waits for more: a group is what came while the one before was being committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import structlog

from maitred_server.errors import StoreBroken, StoreError, StoreFull
from maitred_server.model import Entry, EventId
from maitred_server.store.env import Environment, Txn
from maitred_server.store.generations import Generations
from maitred_server.store.group import Batch, Outcome, commit_group, prepared
from maitred_server.store.making import Maker, Making
from maitred_server.store.results import DUPLICATE, FORGOTTEN, REFUSED, Commit
from maitred_server.store.retention import HISTORY_RECORDS
from maitred_server.store.stamping import Stamp, no_stamp

log = structlog.get_logger(__name__)

QUEUE_ENTRIES = 20_000
GROUP_ENTRIES = 4_096


class _Entries(NamedTuple):
    future: Future[Commit]
    entries: Sequence[Entry]
    mark: EventId | None

    @property
    def size(self) -> int:
        return max(1, len(self.entries))


class _Task(NamedTuple):
    future: Future[Any]
    work: Callable[[Environment, Txn], Any]
    size: int = 1


_Job: TypeAlias = _Entries | Making | _Task


class Writer:
    """Owns the writing side of a store."""

    def __init__(
        self, generations: Generations, queue_entries: int = QUEUE_ENTRIES, history_records: int = HISTORY_RECORDS
    ) -> None:
        self._generations = generations
        self.history_records = history_records
        self.stamp: Stamp = no_stamp
        self._limit = queue_entries
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._broken: StoreBroken | None = None
        self._names: frozenset[str] = frozenset()
        self._named: Environment | None = None  # the environment that has these names
        self.waiting = self.groups = self.entries = self.duplicates = self.refused = self.turned_away = 0
        self._maker = Maker()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether writes can succeed."""
        return self._broken is None and not self._closing

    def submit(self, entries: Sequence[Entry], mark: EventId | None = None) -> Future[Commit]:
        """Hand in a batch; `mark`: its id as a whole.

        Raises StoreFull at once when too much is waiting, StoreBroken when all is lost.
        """
        job = _Entries(Future(), entries, mark)
        self._put(job)
        return job.future

    def submit_made(self, size: int, make: Callable[[], Sequence[Entry]]) -> Future[Commit]:
        """Hand in about `size` entries that `make` gives, on a thread of ours before their transaction.

        What `make` raises is what the future raises. Raises as `submit`.
        """
        job = Making(make, size)
        self._put(job)
        return job.future

    def run(self, work: Callable[[Environment, Txn], Any], size: int = 1) -> Future[Any]:
        """Do `work` in a transaction of its own, after what was handed in before. Raises as `submit`.

        It is undone and done again from the start when the environment turns out to be retired.
        """
        job = _Task(Future(), work, size)
        self._put(job)
        return job.future

    def close(self) -> None:
        """Commit what is waiting and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._maker.close()

    def _put(self, job: _Job) -> None:
        with self._changed:
            if self._broken is not None or self._closing:
                raise StoreBroken("the store is closed" if self._broken is None else self._broken.message)
            if self.waiting and self.waiting + job.size > self._limit:
                self.turned_away += 1
                raise StoreFull("too much is waiting to be written")
            self.waiting += job.size
            self._jobs.append(job)
            if isinstance(job, Making):
                self._maker.add(job)
            self._changed.notify()

    def _run(self) -> None:
        while jobs := self._next():
            try:
                self._commit(jobs)
            except StoreError as error:
                self._fail(jobs, error)
            except Exception as error:  # noqa: BLE001  (the thread must outlive a defect, and every caller get an answer)
                log.error("group_failed", error=type(error).__name__)
                self._fail(jobs, StoreError("the store met a defect; nothing of this was kept"))

    def _next(self) -> list[_Job]:
        """A run of batches, or one task; empty when there is no more to do."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            taken: list[_Job] = []
            size = 0
            while self._jobs and self._fits(self._jobs[0], taken, size):
                job = self._jobs.popleft()
                size += job.size
                taken.append(job)
                if isinstance(job, Making):
                    self._maker.taken(job)
            self.waiting -= size
        return taken

    @staticmethod
    def _fits(job: _Job, taken: list[_Job], size: int) -> bool:
        if not taken:
            return True
        return not isinstance(job, _Task) and not isinstance(taken[0], _Task) and size + job.size <= GROUP_ENTRIES

    def _commit(self, jobs: list[_Job]) -> None:
        if self._broken is not None:
            raise self._broken
        live = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        made = [(job, batch) for job in live if not isinstance(job, _Task) and (batch := _made(job)) is not None]
        if made:
            self._commit_batches([job.future for job, _ in made], [batch for _, batch in made])
        for job in live:
            if isinstance(job, _Task):
                job.future.set_result(self._generations.write(partial(_in_transaction, job.work)))

    def _commit_batches(self, futures: list[Future[Commit]], batches: list[Batch]) -> None:
        with self._maker.waiting():
            outcome = self._generations.write(lambda env: self._group_in(env, batches))
        self._names = outcome.names
        self.groups += 1
        for future, result in zip(futures, outcome.results, strict=True):
            if isinstance(result, StoreError):
                future.set_exception(result)
            else:
                self._count(result)
                future.set_result(result)

    def _group_in(self, env: Environment, batches: list[Batch]) -> Outcome:
        if env is not self._named:
            self._names, self._named = frozenset(), env
        return commit_group(env, batches, self._names, self.history_records, self.stamp, self._maker.computing)

    def _count(self, commit: Commit) -> None:
        duplicates = commit.sequences.count(DUPLICATE)
        refused = commit.sequences.count(REFUSED) + commit.sequences.count(FORGOTTEN)
        self.duplicates += duplicates
        self.refused += refused
        self.entries += len(commit.sequences) - duplicates - refused

    def _fail(self, jobs: list[_Job], error: StoreError) -> None:
        if isinstance(error, StoreBroken) and self._broken is None:
            log.error("store_broken", reason=error.message)
            self._broken = error
        if isinstance(error, StoreFull):
            self.turned_away += 1
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(error)


def _made(job: _Entries | Making) -> Batch | None:
    """The batch of a job; None: it could not be made, and whoever waits for it knows."""
    if isinstance(job, _Entries):
        return prepared(job.entries, job.mark)
    try:
        return job.made()
    except Exception as error:  # noqa: BLE001  (whatever it is, it costs this batch alone)
        job.future.set_exception(error)
        return None


def _in_transaction(work: Callable[[Environment, Txn], Any], env: Environment) -> Any:
    return env.write(lambda txn: work(env, txn))

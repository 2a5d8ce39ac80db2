"""Importing into a data directory: read, check and sort the file aside, then record it subject by subject.

Sorting first is what makes it fast: a subject's profile is read and written once, not once for each of its rows.
It is recorded in batches, each durable as a whole or not at all, and numbered; what is in which depends on the file and
on how it is read alone. So the store's own resend windows tell what of it is durable, after whatever kill.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from maitred_server.errors import InvalidRequest, MaitredError
from maitred_server.importing import progress, rejects
from maitred_server.importing.pool import blocks
from maitred_server.importing.progress import Identity, Place, State
from maitred_server.importing.report import Rate, Summary, Watcher
from maitred_server.importing.sources import opened
from maitred_server.importing.staged import Block, Staged, StagingFile
from maitred_server.importing.stager import Plan
from maitred_server.model import Entry, Foreign, Record, Sequenced
from maitred_server.store import Commit, Store
from maitred_server.store.keys import client_key
from maitred_server.store.results import DUPLICATE, FORGOTTEN, REFUSED

BATCH = 4_000  # records in one commit: others wait for a fraction of a second. It is part of `progress.FORMAT`
UNDER_WAY = 3  # commits
SMALL = 8 << 20  # bytes: what is read without other processes
SYNC_ROWS = 1_000_000


class Job(NamedTuple):
    """One file to import. `max_rejects`: the most bad rows before it stops; None: any number."""

    file: Path
    rejects: Path
    max_rejects: int | None = None


def now_ms() -> int:
    """The time."""
    return time.time_ns() // 1_000_000


def run(store: Store, plan: Plan, job: Job, identity: Identity, watcher: Watcher) -> Summary:
    """Import a file. Raises MaitredError; what was recorded until then stays, and the same call goes on from there."""
    summary = Summary(plan.reading.kind, str(job.file))
    client = client_key(plan.brand, identity.name)
    with progress.held(plan.data, plan.brand, identity) as place:
        state = place.begin(job.file.name, now_ms())
        known = store.acknowledged_through(client, identity.epoch)
        if state.finished_at and known >= state.acknowledged:
            return _known(summary, state)
        summary.resumed = known > 0 or state.staged
        with place.staging() as staging:
            _stage(plan._replace(now=state.begun_at), job, place, state, staging, watcher)
            _tell_rejects(staging, job, summary)
            _record(_To(store, plan.brand, client, identity.epoch, known), staging, summary, watcher)
            summary.rows = staging.rows
            _finish(place, state, staging, store.acknowledged_through(client, identity.epoch))
    return summary


def _known(summary: Summary, state: State) -> Summary:
    summary.imported_before = True
    summary.rows, summary.rejected, summary.before = state.rows, state.rejected, state.records
    return summary


def _finish(place: Place, state: State, staging: StagingFile, acknowledged: int) -> None:
    done = {"rows": staging.rows, "records": staging.records, "rejected": staging.rejected}
    place.keep(replace(state, staged=False, finished_at=now_ms(), acknowledged=acknowledged, **done))
    place.drop_staged()


# Reading


def _stage(plan: Plan, job: Job, place: Place, state: State, staging: StagingFile, watcher: Watcher) -> None:
    """Put the rest of the file into the staging file."""
    if state.staged and (state.rows, state.records) == (staging.rows, staging.records):
        return
    with opened(job.file, plan.reading.mapping) as source:
        size = job.file.stat().st_size
        watcher.stage("reading", size)
        rest = islice(source.parts(), staging.blocks, None)
        rate, synced = Rate(), staging.rows
        before = staging.rows
        for block in blocks(plan, rest, alone=size < SMALL):
            _append(staging, block)
            _enough(job, place, staging)
            watcher.at(source.position(), _read_so_far(staging, rate(staging.rows - before)))
            if staging.rows - synced > SYNC_ROWS:
                staging.sync()
                synced = staging.rows
    staging.sync()
    place.keep(replace(state, staged=True, rows=staging.rows, records=staging.records))


def _append(staging: StagingFile, block: Block) -> None:
    try:
        staging.append(block)
    except OSError as error:
        raise MaitredError(f"cannot set aside what was read, in the data directory: {error.strerror}") from None


def _read_so_far(staging: StagingFile, rate: str) -> str:
    return f"{staging.rows:,} rows, {rate}, {staging.rejected:,} rejected"


def _enough(job: Job, place: Place, staging: StagingFile) -> None:
    if job.max_rejects is not None and staging.rejected > job.max_rejects:
        rejects.write(job.rejects, staging.rejects())
        place.remove()
        raise InvalidRequest(
            f"more than {job.max_rejects} bad rows; nothing of the file was recorded, the bad rows are in {job.rejects}"
        )


def _tell_rejects(staging: StagingFile, job: Job, summary: Summary) -> None:
    summary.rejected = staging.rejected
    if staging.rejected:
        rejects.write(job.rejects, staging.rejects())
        summary.rejects_file = str(job.rejects)


# Recording


class _To(NamedTuple):
    """Where records go, and whose batches they are. `known`: so many batches are durable already."""

    store: Store
    brand: str
    client: bytes
    epoch: int
    known: int


def _record(to: _To, staging: StagingFile, summary: Summary, watcher: Watcher) -> None:
    watcher.stage("recording", staging.records)
    summary.before = min(to.known * BATCH, staging.records)
    rate, waiting = Rate(), deque[Future[Commit]]()
    for number, batch in enumerate(_batches(staging), start=1):
        if number > to.known:
            waiting.append(to.store.submit(_entries(to.brand, batch), Sequenced(to.client, to.epoch, number)))
        if len(waiting) == UNDER_WAY:
            _count(waiting.popleft().result(), summary)
            watcher.at(summary.before + _done(summary), _recorded_so_far(summary, rate(_done(summary))))
    while waiting:
        _count(waiting.popleft().result(), summary)


def _batches(staging: StagingFile) -> Iterator[list[Staged]]:
    """All records, `BATCH` at a time: which are together depends on what was staged alone."""
    rest: list[Staged] = []
    for staged in staging.by_subject():
        rest += staged
        whole = len(rest) - len(rest) % BATCH
        for at in range(0, whole, BATCH):
            yield rest[at : at + BATCH]
        rest = rest[whole:]
    if rest:
        yield rest


def _entries(brand: str, batch: list[Staged]) -> list[Entry]:
    now = now_ms()
    return [Entry(_received(record, now), Foreign(brand, own) if own else None) for record, own in batch]


def _received(record: Record, now: int) -> Record:
    return Record(
        record.subject,
        record.kind,
        now,
        record.occurred_at,
        record.body,
        record.source,
        record.touchpoint,
        record.purpose,
    )


def _count(commit: Commit, summary: Summary) -> None:
    sequences = commit.sequences
    summary.duplicates += sequences.count(DUPLICATE)
    summary.refused += sequences.count(REFUSED)
    summary.erased += sequences.count(FORGOTTEN)
    summary.accepted += sum(1 for sequence in sequences if sequence > 0)


def _done(summary: Summary) -> int:
    return summary.accepted + summary.duplicates + summary.refused + summary.erased


def _recorded_so_far(summary: Summary, rate: str) -> str:
    return f"{summary.accepted:,} accepted, {rate}, {summary.duplicates:,} duplicates, {summary.rejected:,} rejected"

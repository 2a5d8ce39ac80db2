"""Importing items: they replace those of the same id, and are in force with the next publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeAlias

from maitred_server.errors import InvalidRequest
from maitred_server.importing import rejects
from maitred_server.importing.items import ItemParser
from maitred_server.importing.local import Job
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.report import Rate, Summary, Watcher
from maitred_server.importing.rows import Reject
from maitred_server.importing.sources import opened
from maitred_server.model import Item

BATCH = 1_000

# Puts items into the catalogue, and waits until they are durable; gives the refused ones' positions and why.
PutItems: TypeAlias = Callable[[list[Item]], list[tuple[int, str, str]]]


def run(put: PutItems, mapping: Mapping | None, job: Job, watcher: Watcher) -> Summary:
    """Import a file of items. Raises MaitredError; what was put until then stays."""
    summary, bad = Summary("items", str(job.file)), list[Reject]()
    rate = Rate()
    with opened(job.file, mapping) as source:
        watcher.stage("items", job.file.stat().st_size)
        parser = ItemParser(mapping, source.names)
        found = chain.from_iterable(parser.items(part, bad) for part in source.parts())
        for batch in _batches(found):
            refused = put([item for _, item in batch])
            bad += [Reject(batch[at][0], field, reason, "") for at, field, reason in refused]
            summary.accepted += len(batch) - len(refused)
            summary.rejected = len(bad)
            summary.rows = summary.accepted + summary.rejected
            watcher.at(source.position(), f"{summary.accepted:,} items, {rate(summary.rows)}, {len(bad):,} rejected")
            _enough(job, bad)
    _enough(job, bad)
    summary.rejected, summary.rows = len(bad), summary.accepted + len(bad)
    if bad:
        rejects.write(job.rejects, bad)
        summary.rejects_file = str(job.rejects)
    return summary


def _batches(found: Iterator[tuple[int, Item]]) -> Iterator[list[tuple[int, Item]]]:
    batch: list[tuple[int, Item]] = []
    for one in found:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _enough(job: Job, bad: list[Reject]) -> None:
    if job.max_rejects is not None and len(bad) > job.max_rejects:
        rejects.write(job.rejects, bad)
        raise InvalidRequest(f"more than {job.max_rejects} bad rows; they are in {job.rejects}")

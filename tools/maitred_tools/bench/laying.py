"""A long journal, laid quickly, for a learner to read.

Its bytes are the store's own: records are encoded, framed and counted by the store's functions, in its environment.
What a learner does not read is left out, and with it most of the time that feedback takes: profiles, the index by
subject, resend windows, and a commit for every few thousand records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from maitred_server.model import Entry, Event, Exposure, Kind, Record
from maitred_server.store import Store
from maitred_server.store.env import Counts, Environment, Txn
from maitred_server.store.journal import encode_record, framed, kind_index
from maitred_server.store.keys import sequence_key, type_code
from maitred_server.store.touches import counter_types
from msgspec.structs import replace

from maitred_tools.bench import learning

CHUNK: Final = 5_000
EXPOSURES: Final = CHUNK // 5
COMMIT_RECORDS: Final = 50_000
SLATES: Final = 5_000  # different ones, whose items and features are drawn; each is shown again and again

Done = Callable[[int], object]


def lay(data: Path, map_size: int, shop: learning.Shop, records: int, done: Done = lambda count: None) -> None:
    """A journal of so many records in a new store: see `records_of`. `done` is told of every commit's records."""
    Store.open(data, map_size=map_size).close()
    environment = Environment.open(data / "store", map_size, read_only=False, allow_overlay=None)
    coming = records_of(shop, records)
    try:
        while part := list(islice(coming, COMMIT_RECORDS)):
            environment.write(lambda txn, part=part: _append(environment, txn, part))  # type: ignore[misc]
            done(len(part))
    finally:
        environment.close()


def records_of(shop: learning.Shop, records: int) -> Iterator[Record]:
    """One exposure in five records, an outcome of each fourth of them, and purchases."""
    slates = [shop.exposure(number) for number in range(min(SLATES, records))]
    coming = (record for begin in range(0, records, CHUNK) for record in _chunk(shop, slates, begin))
    return islice(coming, records)


def _chunk(shop: learning.Shop, slates: Sequence[Entry], begin: int) -> Iterator[Record]:
    numbers = range(begin, begin + EXPOSURES)
    exposures = [_again(slates[number % len(slates)], number) for number in numbers]
    outcomes = [shop.outcome(begin + at, one) for at, one in enumerate(exposures) if at % 4 == 0]
    yield from (one.record for one in (*exposures, *outcomes))
    for number in range(CHUNK - len(exposures) - len(outcomes)):
        yield bought(begin + number)


def _again(slate: Entry, number: int) -> Entry:
    """The same slate, shown as a decision of its own."""
    body = slate.record.body
    assert isinstance(body, Exposure)
    now = time.time_ns() // 1_000_000
    shown = replace(body, decision_id=f"d{number}", decided_at=now)
    return Entry(Record(learning.subject_key(number), Kind.PERSON, now, now, shown))


def bought(number: int) -> Record:
    """A purchase; ten in a row are of one subject."""
    item = number * 7 % 300
    body = Event("purchase", f"item-{item}", groups=(f"group-{item % learning.GROUPS}",), value=2.5)
    now = time.time_ns() // 1_000_000
    return Record(learning.subject_key(number // 10), Kind.PERSON, now, now, body)


def _append(environment: Environment, txn: Txn, part: Sequence[Record]) -> None:
    counts, databases = environment.counts(txn), environment.databases
    by_kind, names = list(counts.by_kind), set[str]()
    rows = []
    for sequence, record in enumerate(part, start=counts.sequence + 1):
        key = sequence_key(sequence)
        rows.append((key, framed(key, encode_record(record))))
        by_kind[kind_index(record)] += 1
        names.update(counter_types(record))
    with txn.cursor(db=databases.journal) as journal:
        journal.putmulti(rows, append=True)
    for name in names:
        txn.put(type_code(name).to_bytes(4, "big"), name.encode(), db=databases.names)
    environment.put_counts(txn, Counts(counts.sequence + len(part), tuple(by_kind)))

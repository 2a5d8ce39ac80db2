"""What was acknowledged survives a kill, and what is sent again counts once."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from maitred_server.model import Entry, Event, Kind, Record, Sequenced
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix, client_key

KILLS = 20
LOST = 3 * 20  # acknowledged events whose acknowledgement is taken to be lost on the way

# Sends batches of 20 for ever, four under way at a time; says through which event it was acknowledged.
SENDER = """
import sys
from maitred_server.model import Entry, Event, Kind, Record, Sequenced
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix, client_key
folder, begin, remember = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "yes"
till = client_key("shop", "till")
def entry(n):
    subject = brand_prefix("shop") + (n % 13).to_bytes(16, "big")
    record = Record(subject, Kind.PERSON, n, n, Event("view", f"ITEM{n % 50}"))
    return Entry(record, Sequenced(till, 1, n) if remember else None)
store = Store.open(folder, map_size=256 << 20, allow_overlay=True)
pending = []
while True:
    pending.append((begin, store.submit([entry(n) for n in range(begin, begin + 20)])))
    begin += 20
    if len(pending) == 4:
        first, future = pending.pop(0)
        future.result(30)
        print(first + 19, flush=True)
"""


def killed_run(folder: Path, begin: int, rng: random.Random, remember: bool) -> int:
    """Let a sender send from `begin` on, kill it after some acknowledgements; the last one it told."""
    command = [sys.executable, "-c", SENDER, str(folder), str(begin), "yes" if remember else "no"]
    acknowledged = begin - 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        for _ in range(rng.randrange(1, 30)):
            acknowledged = int(sender.stdout.readline())
        sender.kill()
        rest = sender.stdout.read().rpartition("\n")[0].split()
    return int(rest[-1]) if rest else acknowledged


def killed_again_and_again(folder: Path, kills: int, remember: bool) -> tuple[int, list[int]]:
    """The last acknowledged event, and the events of the journal in order."""
    rng, acknowledged = random.Random(4), 0
    for _ in range(kills):
        acknowledged = max(acknowledged, killed_run(folder, max(1, acknowledged + 1 - LOST), rng, remember))
    with Store.open(folder, map_size=256 << 20, allow_overlay=True) as store:
        journal = store.read_journal(0, 10_000_000)
        assert [sequence for sequence, _ in journal] == list(range(1, len(journal) + 1))
        audit = store.audit()
        assert (len(journal), len(journal), 0) == (audit.counted["event"], audit.recorded["event"], audit.damaged)
    return acknowledged, [record.occurred_at for _, record in journal]


def test_kills_lose_nothing_acknowledged_and_count_nothing_twice(tmp_path: Path) -> None:
    """After twenty kills at random moments, with resends, every acknowledged event is in the journal, once."""
    acknowledged, events = killed_again_and_again(tmp_path, KILLS, remember=True)
    assert set(range(1, acknowledged + 1)) - set(events) == set()
    assert len(events) == len(set(events))


def test_without_event_ids_resends_are_counted_twice(tmp_path: Path) -> None:
    """The test above can fail: the same kills and resends without ids leave events that are counted twice."""
    acknowledged, events = killed_again_and_again(tmp_path, 2, remember=False)
    assert acknowledged > 0
    assert len(events) > len(set(events))


def test_a_kill_leaves_the_store_open_to_the_next(tmp_path: Path) -> None:
    """A writer that is killed while it holds the write lock does not hold up another process's writer."""
    subject = brand_prefix("shop") + bytes(16)
    with Store.open(tmp_path, map_size=256 << 20, allow_overlay=True) as store:
        killed_run(tmp_path, 1, random.Random(5), remember=True)
        mine = Entry(Record(subject, Kind.PERSON, 1, 1, Event("view")), Sequenced(client_key("shop", "other"), 1, 1))
        assert store.submit([mine]).result(30).last_sequence == store.last_sequence()

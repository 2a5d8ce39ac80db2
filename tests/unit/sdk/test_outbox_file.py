"""The outbox's file: what is in it outlives the process, and comes back under its own numbers."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maitred import Client, OutboxUnavailable
from maitred._draft import who
from maitred._feedback import Event, Feedback
from maitred._outbox import Outbox, open_outbox
from maitred._outbox_file import OutboxFile, Row
from maitred.config import Config, OutboxConfig
from maitred.testing import FakeTransport
from maitred.v1 import feedback_pb2


def open_at(path: Path, events: int = 100) -> Outbox:
    return open_outbox(OutboxConfig(path=path, events=events))


def view(subject: str) -> Feedback:
    return Feedback(subject, 1, "", "", Event("view", 0.0, "A", "", 1, {}))


def batches(outbox: Outbox) -> list[tuple[int, list[int]]]:
    found = []
    while (batch := outbox.take(500, 1_000_000)) is not None:
        events = feedback_pb2.FeedbackBatch.FromString(batch.message).events
        found.append((batch.epoch, [event.sequence for event in events]))
    return found


def test_events_come_back_with_their_own_numbers(tmp_path: Path) -> None:
    """Client, epoch and sequence of what was stored stay; new events are numbered in a new, higher epoch."""
    first = open_at(tmp_path / "box")
    for number in range(3):
        first.add(view(f"s{number}"))
    first.close()
    second = open_at(tmp_path / "box")
    second.add(view("s9"))
    assert second.client == first.client
    assert second.epoch > first.epoch
    assert second.statistics().recorded == 4
    assert batches(second) == [(first.epoch, [1, 2, 3]), (second.epoch, [1])]
    assert second.pending(who("s1"), 1000) != b""
    second.close()


def test_what_is_settled_or_dropped_does_not_come_back(tmp_path: Path) -> None:
    """The file holds what is pending and nothing else."""
    first = open_at(tmp_path / "box", events=4)
    for number in range(6):
        first.add(view(f"s{number}"))
    first.take(1, 1000)
    first.settle(first.epoch, 3, {}, 0)
    first.tidy(0.0)
    assert first.statistics().stored == 3
    first.close()
    second = open_at(tmp_path / "box")
    assert batches(second) == [(first.epoch, [4, 5, 6])]
    second.close()


def test_a_smaller_bound_holds_for_what_is_found(tmp_path: Path) -> None:
    """What is found above the bound is dropped and counted."""
    first = open_at(tmp_path / "box")
    for number in range(6):
        first.add(view(f"s{number}"))
    first.close()
    second = open_at(tmp_path / "box", events=2)
    assert (len(second), second.statistics().dropped) == (2, {"event": 4})
    second.close()


def test_two_clients_of_one_process_may_share_a_file(tmp_path: Path) -> None:
    """Each has its epoch; neither takes what the other still holds; what one leaves, the next to open adopts."""
    first, second = open_at(tmp_path / "box"), open_at(tmp_path / "box")
    first.add(view("a"))
    second.add(view("b"))
    third = open_at(tmp_path / "box")
    assert len({first.epoch, second.epoch, third.epoch}) == 3
    assert len(third) == 0
    first.close()
    fourth = open_at(tmp_path / "box")
    assert batches(fourth) == [(first.epoch, [1])]
    for one in (second, third, fourth):
        one.close()


HOLD = """
import sys
from maitred._outbox import open_outbox
from maitred._feedback import Event, Feedback
from maitred.config import OutboxConfig
outbox = open_outbox(OutboxConfig(path=sys.argv[1]))
for number in range(int(sys.argv[2])):
    outbox.add(Feedback(f"s{number}", 1, "", "", Event("view", 0.0, "A", "", 1, {})))
print(outbox.epoch, flush=True)
sys.stdin.read() if len(sys.argv) > 3 else __import__("os").kill(__import__("os").getpid(), 9)
"""


def test_kill_9_loses_nothing(tmp_path: Path, start_script: Callable[..., Any]) -> None:
    """What `record` has taken is in the file, whatever becomes of the process in the next moment."""
    process = start_script(HOLD, tmp_path / "box", 300)
    epoch = int(process.stdout.readline())
    assert process.wait(20) == -9
    outbox = open_at(tmp_path / "box", events=1000)
    assert batches(outbox) == [(epoch, list(range(1, 301)))]
    outbox.close()


def test_what_a_living_process_holds_is_left_to_it(tmp_path: Path, start_script: Callable[..., Any]) -> None:
    """Another process's events are adopted only once that process is gone."""
    process = start_script(HOLD, tmp_path / "box", 2, "stay")
    epoch = int(process.stdout.readline())
    early = open_at(tmp_path / "box")
    assert batches(early) == []
    process.kill()
    process.wait(20)
    late = open_at(tmp_path / "box")
    assert batches(late) == [(epoch, [1, 2])]
    early.close()
    late.close()


def test_a_busy_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    """While another writer holds the file, events wait in memory; they are stored as soon as it is free."""
    outbox = open_at(tmp_path / "box")
    other = sqlite3.connect(tmp_path / "box", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outbox.add(view("a"))
    assert (len(outbox), outbox.statistics().stored) == (1, 0)
    other.execute("ROLLBACK")
    other.close()
    outbox.add(view("b"))
    outbox.tidy(1.0)
    assert outbox.statistics().stored == 2
    outbox.close()


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    """The file holds subject ids: nobody else may read it."""
    open_at(tmp_path / "box").close()
    assert stat.S_IMODE((tmp_path / "box").stat().st_mode) == 0o600


def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: Any) -> None:
    """A file that is no database does not stop the client: it is kept under another name, and that is said."""
    (tmp_path / "box").write_bytes(os.urandom(8192))
    outbox = open_at(tmp_path / "box")
    outbox.add(view("a"))
    assert outbox.statistics().stored == 1
    outbox.close()
    assert len(list(tmp_path.glob("box.damaged-*"))) == 1
    assert "damaged" in caplog.text


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file of a newer version is left alone, with a clear error."""
    with sqlite3.connect(tmp_path / "box") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(OutboxUnavailable, match="newer version"):
        open_at(tmp_path / "box")


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    """A folder that does not exist is a clear error at the start, not a loss later."""
    with pytest.raises(OutboxUnavailable):
        Client(transport=FakeTransport.serving({}), config=Config(outbox=tmp_path / "nowhere" / "box"))


def test_numbers_rise_when_the_clock_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch is higher than the last one, whatever the clock says."""
    first = OutboxFile(tmp_path / "box")
    first.put(Row(first.epoch, 1, 0, "", "s", b""))
    first.close()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    second = OutboxFile(tmp_path / "box")
    assert second.epoch == first.epoch + 1
    second.close()

"""The learner's process over a real store: it follows the journal, stops when told, and goes on where it stood."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import structlog
from maitred_server.errors import StoreBroken
from maitred_server.learn.learner import run
from maitred_server.learn.publish import learned_through, policy_folder
from maitred_server.model import Entry, Event, Kind, Record
from maitred_server.policy.snapshot import PolicySnapshot, open_snapshot
from maitred_server.store import AnyStore, Changes, MemoryStore, Store
from maitred_server.store.keys import brand_prefix, item_key
from maitred_server.store.published import Follower
from maitred_tools.bench import learning

MAP_SIZE = 64 * 1024 * 1024
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, map_size=MAP_SIZE) as opened:
        yield opened


def buy(store: AnyStore, item: str, times: int) -> int:
    """Purchases, durable; the last one's sequence."""
    subject = brand_prefix("main") + bytes(16)
    record = Record(subject, Kind.HOUSEHOLD, 1_000, 1_000, Event("purchase", item))
    return store.submit([Entry(record)] * times).result(timeout=20).last_sequence


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def bought(data: Path, item: str) -> int:
    """What the published snapshot says."""
    follower: Follower[PolicySnapshot] = Follower(policy_folder(data, "main"), open_snapshot)
    follower.poll()
    if follower.value is None:
        return 0
    return int(follower.value.counts("purchase", np.array([item_key(item)], np.uint64))[0])


@contextmanager
def process(data: Path) -> Iterator[Callable[[], None]]:
    """The learner in a process of its own; gives what ends it the hard way."""
    stop = SPAWN.Event()
    child = SPAWN.Process(target=run, args=(data, MAP_SIZE, stop, 0.05))
    child.start()

    def kill() -> None:
        child.kill()
        child.join(20)

    try:
        yield kill
    finally:
        if child.exitcode is None:
            stop.set()
            child.join(20)
            assert child.exitcode == 0


def test_it_follows_restarts_and_survives_a_kill(tmp_path: Path, store: Store) -> None:
    """Purchases show in the published snapshot; after kill -9 and an orderly stop none is lost or counted twice."""
    last = buy(store, "apples", 500)
    with process(tmp_path) as kill:
        wait_until(lambda: learned_through(tmp_path) >= last)
        assert bought(tmp_path, "apples") == 500
        last = buy(store, "apples", 100)
        kill()
    with process(tmp_path):
        wait_until(lambda: learned_through(tmp_path) >= last)
        assert bought(tmp_path, "apples") == 600
        buy(store, "apples", 7)
    assert bought(tmp_path, "apples") == 607


class Failing(MemoryStore):
    """A store that cannot be read until it is healed."""

    failing = True

    def read_changes(self, after: int, limit: int, noted_through: int) -> Changes:
        if self.failing:
            raise StoreBroken("the environment must be reopened")
        return super().read_changes(after, limit, noted_through)


@contextmanager
def thread(data: Path) -> Iterator[None]:
    """The learner in a thread."""
    stop = SPAWN.Event()
    runner = threading.Thread(target=run, args=(data, MAP_SIZE, stop, 0.01))
    runner.start()
    try:
        yield
    finally:
        stop.set()
        runner.join(20)
        assert not runner.is_alive()


def test_what_the_store_refuses_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails for a while is logged in one line, and read again when it has healed."""
    store = Failing()
    buy(store, "apples", 3)
    monkeypatch.setattr("maitred_server.learn.learner.Store.open", lambda *_, **__: nullcontext(store))
    with structlog.testing.capture_logs() as logs, thread(tmp_path):
        wait_until(lambda: any(one["event"] == "learner_failed" for one in logs))
        store.failing = False
        wait_until(lambda: bought(tmp_path, "apples") == 3)
    failure = next(one for one in logs if one["event"] == "learner_failed")
    assert (failure["error"], failure["reason"]) == ("StoreBroken", "the environment must be reopened")
    assert "exc_info" not in failure


def test_a_journal_put_back_from_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the journal ends before the cursor, what was learned of the other one is dropped."""
    for items in ({"apples": 5}, {"pears": 2}):
        store = MemoryStore()
        last = max(buy(store, item, times) for item, times in items.items())
        monkeypatch.setattr("maitred_server.learn.learner.Store.open", lambda *_, one=store, **__: nullcontext(one))
        with thread(tmp_path):
            wait_until(lambda expected=last: learned_through(tmp_path) == expected)  # type: ignore[misc]
    assert (bought(tmp_path, "apples"), bought(tmp_path, "pears")) == (0, 2)


def test_killed_under_load_it_has_the_sums_of_a_clean_replay(tmp_path: Path) -> None:
    """Killed while records come and subjects are erased, it ends with the very sums and counts of a replay."""
    found = learning.kills(tmp_path / "data", 20, 2, lambda: None)
    assert (found["kills"], found["different"], found["check_points"]) == (2.0, 0.0, 1.0)

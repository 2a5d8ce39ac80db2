from __future__ import annotations

import io
from pathlib import Path

import pytest
from maitred import Client, Config
from maitred.testing import FakeTransport
from maitred_tools.demo import replay
from maitred_tools.demo.groceries import Groceries
from maitred_tools.demo.process import Server, ServerFailedError
from maitred_tools.demo.replay import Replay
from maitred_tools.demo.tally import Tally
from maitred_tools.demo.till import Till
from rich.console import Console


class _Killed(Server):
    """Only notes what it is asked for."""

    pid = 1234

    def __init__(self, folder: Path, calls: list[str]) -> None:
        super().__init__(folder)
        self.calls = calls

    def kill(self) -> None:
        self.calls.append("kill")

    def start(self) -> None:
        self.calls.append("start")


def _silent(done: int, tally: Tally) -> None: ...


def _replay(shop: Groceries, client: Client, server: Server, kills: frozenset[int] = frozenset()) -> Replay:
    return Replay(client, Till(client, shop), server, Console(file=io.StringIO()), kills)


def test_every_visit_is_served_and_all_feedback_acknowledged(
    shop: Groceries, fake: FakeTransport, tmp_path: Path
) -> None:
    """After a replay there is a row for each visit and nothing waits to be delivered."""
    with Client(transport=fake, config=Config(deadline=5.0)) as client:
        run = _replay(shop, client, Server(tmp_path))
        run.run(shop.visits(5), _silent)
        assert [row[0] for row in run.tally.rows] == [0, 1, 2, 3, 4]
        assert client.statistics().pending == 0


def test_both_placements_are_counted_and_receipts_of_a_sample_kept(
    shop: Groceries, fake: FakeTransport, tmp_path: Path
) -> None:
    """There is a row of the second placement for each visit, and a receipt for each visit that is sampled."""
    with Client(transport=fake, config=Config(deadline=5.0)) as client:
        run = _replay(shop, client, Server(tmp_path))
        run.sampled = frozenset({1, 3})
        run.run(shop.visits(5), _silent)
    assert [row[0] for row in run.more.rows] == [row[1] for row in run.tally.rows]
    assert run.receipts == [b"receipt of a fake"] * 2


def test_killed_and_started_at_the_visit_named(
    shop: Groceries, fake: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is killed once, right after the visit asked for, and started again before the next one."""
    monkeypatch.setattr(replay, "scrape", lambda _address: "")
    calls: list[str] = []
    with Client(transport=fake, config=Config(deadline=5.0)) as client:
        run = _replay(shop, client, _Killed(tmp_path, calls), kills=frozenset({2}))
        run.run(shop.visits(5), lambda done, _tally: calls.append(str(done)))
    assert calls == ["1", "2", "kill", "start", "3", "4", "5"]
    assert len(run.unacknowledged) == 1


def test_feedback_that_is_never_acknowledged_is_said(
    shop: Groceries, fake: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes no feedback fails the replay with the number of events that wait."""
    monkeypatch.setattr(replay, "FLUSH_S", 0.1)
    fake.fail()
    with Client(transport=fake, config=Config(deadline=5.0)) as client:
        run = _replay(shop, client, Server(tmp_path))
        with pytest.raises(ServerFailedError, match="4 events were not acknowledged"):
            run.run(shop.visits(1), _silent)

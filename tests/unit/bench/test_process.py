"""Servers as processes, and what is read of them from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred_tools.bench.measure import Case, Round, at_rates, cheapest, interleaved, ratios
from maitred_tools.bench.process import ServerProcess
from maitred_tools.load import Load, run


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    path = tmp_path / "answer"
    path.write_bytes(b"answer")
    return path


@pytest.mark.parametrize("front", ["aio", "sync"])
def test_an_echo_server_answers_and_is_watched(front: str, answer: Path) -> None:
    """Either echo server answers every call, its CPU time grows with them, and it stops when told."""
    with ServerProcess("maitred_tools.bench.echo", ["--front", front, "--answer", str(answer)]) as server:
        before = server.cpu_ns()
        assert run(server.target, Load([b"request"], calls=300)).answered == 300
        assert server.cpu_ns() > before
        assert server.memory().resident > server.memory().anonymous > 0
    assert server.returncode == 0


def test_a_server_that_does_not_serve_says_why() -> None:
    """A server that ends before it serves is reported with its last words."""
    with (
        pytest.raises(RuntimeError, match="Nothing-Here"),
        ServerProcess("maitred_tools.bench.echo", ["--Nothing-Here"]),
    ):
        pass


def test_servers_are_measured_in_turn(answer: Path) -> None:
    """Each round measures every server once, and every second round in reverse order."""
    arguments = ["--answer", str(answer), "--answer", str(answer)]
    order: list[str] = []
    with (
        ServerProcess("maitred_tools.bench.echo", arguments) as one,
        ServerProcess("maitred_tools.bench.echo", arguments) as other,
    ):
        second = Load([b"request"], calls=50, method="/maitred.v1.DecisionService/Decide1")
        cases = {"one": Case(one, Load([b"request"], calls=50)), "other": Case(other, second)}
        found = interleaved(cases, 2, order.append)
        latencies = at_rates(cases, {"one": 500.0, "other": 400.0}, 2)
    assert order == ["one", "other", "other", "one"]
    assert {name: len(rounds) for name, rounds in found.items()} == {"one": 2, "other": 2}
    assert min(one.server_us for rounds in found.values() for one in rounds) > 0
    assert cheapest(found) in found
    assert {name: (one["rate"], one["calls"]) for name, one in latencies.items()} == {
        "one": (500, 50),
        "other": (400, 50),
    }
    assert all(one["p50"] <= one["p99"] <= one["p999"] <= one["most"] for one in latencies.values())


def test_a_server_comes_to_rest(answer: Path) -> None:
    """One that does nothing is at rest at once."""
    with ServerProcess("maitred_tools.bench.echo", ["--answer", str(answer)]) as server:
        server.settle()
        assert server.returncode is None


def test_a_ratio_compares_the_same_round() -> None:
    """Each ratio is of one round, so that a slow moment of the machine meets both."""

    def rounds(*costs: float) -> list[Round]:
        return [Round(cost, 1.0, 1.0, 1.0) for cost in costs]

    assert ratios(rounds(200, 900, 210), rounds(100, 300, 100)) == [2.0, 3.0, 2.1]
    assert cheapest({"dear": rounds(5, 6, 7), "cheap": rounds(4, 5, 60)}) == "cheap"

"""Servers as processes, and what is read of them from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred_tools.bench.measure import Plan, cheapest, interleaved, ratios
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
    arguments = ["--answer", str(answer)]
    order: list[str] = []
    plan = Plan(Load([b"request"], calls=50), rounds=2, open_rate=500, open_calls=20, warm_calls=10)
    with (
        ServerProcess("maitred_tools.bench.echo", arguments) as one,
        ServerProcess("maitred_tools.bench.echo", arguments) as other,
    ):
        found = interleaved({"one": one, "other": other}, plan, order.append)
    assert order == ["one", "other", "other", "one"]
    assert {name: len(rounds) for name, rounds in found.items()} == {"one": 2, "other": 2}
    assert min(one.server_us for rounds in found.values() for one in rounds) > 0
    assert cheapest(found) in found


def test_a_ratio_compares_the_same_round() -> None:
    """The ratio is the median of the rounds' own ratios, so that a slow moment of the machine meets both."""
    from maitred_tools.bench.measure import Round

    def rounds(*costs: float) -> list[Round]:
        return [Round(cost, 1.0, 1.0, 1.0, 1.0, 1.0) for cost in costs]

    assert ratios(rounds(200, 900, 210), rounds(100, 300, 100)) == (2.1, 2.0, 3.0)
    assert cheapest({"dear": rounds(5, 6, 7), "cheap": rounds(4, 5, 60)}) == "cheap"

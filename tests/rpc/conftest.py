"""Servers for the tests of the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from harness.server import Running

# What is promised of calls holds whatever carries them: these are run over every front, the others over the default.
OVER_ALL_FRONTS = {
    "test_bad_input",
    "test_decide",
    "test_feedback",
    "test_fronts",
    "test_full",
    "test_life",
    "test_watch",
}
WITHOUT_ENVOY = pytest.mark.skipif(find_spec("pyvoy") is None, reason="pyvoy has no wheel for this platform")
FRONTS = ("grpcio", pytest.param("envoy", marks=WITHOUT_ENVOY))
OVER_ASYNCIO_TOO = {"test_fronts", "test_feedback", "test_watch"}  # statuses and streams: what this front does itself


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    module = metafunc.module.__name__.rpartition(".")[2]
    if "front" in metafunc.fixturenames and module in OVER_ALL_FRONTS:
        more = ("asyncio",) if module in OVER_ASYNCIO_TOO else ()
        metafunc.parametrize("front", (*FRONTS, *more), scope="session")


@pytest.fixture(scope="session")
def front() -> str:
    """What carries the calls of the servers of a test."""
    return "grpcio"


@pytest.fixture
def start(tmp_path: Path, front: str) -> Iterator[Callable[..., Running]]:
    """Start servers of a test's own; they are stopped at its end."""
    started: list[Running] = []

    def start_one(*options: str, name: str = "data") -> Running:
        started.append(Running(tmp_path / name, *options, front=front))
        return started[-1]

    yield start_one
    for server in started:
        server.stop()
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, front: str) -> Iterator[Running]:
    """One server with a published playbook, shared by the tests that each use subjects and clients of their own."""
    running = Running(tmp_path_factory.mktemp("shared") / "data", front=front)
    running.publish()
    yield running
    assert running.stop() == 0, running.log.read_text()
    assert "Traceback" not in running.log.read_text()

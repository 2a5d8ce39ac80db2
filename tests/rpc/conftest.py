"""Servers for the tests of the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.server import Running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start servers of a test's own; they are stopped at its end."""
    started: list[Running] = []

    def start_one(*options: str, name: str = "data") -> Running:
        started.append(Running(tmp_path / name, *options))
        return started[-1]

    yield start_one
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server with a published playbook, shared by the tests that each use subjects and clients of their own."""
    running = Running(tmp_path_factory.mktemp("shared") / "data")
    running.publish()
    yield running
    assert running.stop() == 0, running.log.read_text()

"""The walks in docs/ are true: their playbooks are published and their code is run against a real server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.server import Running, eventually
from maitred import Client

DOCS = Path(__file__).parents[2] / "docs"
STEPS = {"walk": 9, "skier": 9}  # at least so many blocks of code


class Walk:
    """A page with a playbook and steps."""

    def __init__(self, name: str) -> None:
        page = (DOCS / f"{name}.md").read_text()
        files = re.finditer(r"^`(?P<file>[\w.]+)`\n\n```yaml\n(?P<body>.*?)^```", page, re.M | re.S)
        self.playbook = {match["file"]: match["body"].encode() for match in files}
        self.steps = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", STEPS)
def test_a_walk(start: Callable[..., Running], name: str, workers: int) -> None:
    """Each step of the page holds, with one worker and with several."""
    walk = Walk(name)
    server = start("--workers", str(workers))
    server.publish(walk.playbook)
    assert eventually(lambda: server.versions() == {"1"})
    names: dict[str, Any] = {"learned": lambda client: _wait_for(server, client)}
    for number, step in enumerate(walk.steps):
        code = step.replace("localhost:7400", server.target)
        exec(compile(code, f"docs/{name}.md, block {number + 1}", "exec"), names)
    assert len(walk.steps) >= STEPS[name]


def _wait_for(server: Running, client: Client) -> None:
    """Until every worker serves what the learner has counted of all that the client recorded."""
    assert client.flush()
    assert eventually(lambda: server.status().learner_lag == 0)
    assert eventually(lambda: all("winter" in _first(server) for _ in range(20)))


def _first(server: Running) -> str:
    with Client(server.target) as client:
        return client.decide("home", "somebody", timeout=5)[0].item

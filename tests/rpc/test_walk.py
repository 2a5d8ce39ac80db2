"""docs/walk.md is true: its playbook is published and its code is run against a real server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.server import Running, eventually

PAGE = (Path(__file__).parents[2] / "docs" / "walk.md").read_text()
PLAYBOOK = {
    match["file"]: match["body"].encode()
    for match in re.finditer(r"^`(?P<file>[\w.]+)`\n\n```yaml\n(?P<body>.*?)^```", PAGE, re.M | re.S)
}
STEPS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_walk(start: Callable[..., Running], workers: int) -> None:
    """Each step of the page holds, with one worker and with several."""
    server = start("--workers", str(workers))
    server.publish(PLAYBOOK)
    assert eventually(lambda: server.versions() == {"1"})
    names: dict[str, Any] = {}
    for number, step in enumerate(STEPS):
        code = step.replace("localhost:7400", server.target)
        exec(compile(code, f"docs/walk.md, block {number + 1}", "exec"), names)
    assert len(STEPS) >= 9

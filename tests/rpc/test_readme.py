from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness.server import Running

ROOT = Path(__file__).parents[2]


def test_the_first_decision_of_the_readme_works(start: Callable[..., Running]) -> None:
    """The README's commands and its Python block do what they say: published, decided, shown, bought, remembered."""
    readme = (ROOT / "README.md").read_text()
    assert "maitred publish docs/examples/grocery" in readme
    assert "--default-kind household" in readme
    running = start("--default-kind", "household")
    command = [sys.executable, "-m", "maitred_server"]
    playbook = str(ROOT / "docs" / "examples" / "grocery")
    published = subprocess.run(
        [*command, "publish", playbook, "--server", running.target],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "published version 1: 1 placements, 4 items" in published.stdout
    block = re.search(r"```python run-with-server\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    script = block[1].replace("localhost:7400", running.target)
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert len(printed.stdout.splitlines()) == 3
    assert running.decide("household-900", "till-welcome").decisions[0].slate[0].item == "BANANAS"
    records = dict(running.status().journal_records)
    assert records.pop("exposure") == 1
    assert sum(records.values()) >= 1

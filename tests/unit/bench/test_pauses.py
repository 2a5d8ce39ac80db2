"""Waits of the event loop while a version is taken up: the reckoning, and a very small run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from maitred_tools.bench.pauses import Poll, Wake, figures


def test_waits_belong_to_the_poll_they_meet() -> None:
    """A late wake counts for the poll during which it came; the others are what the machine does anyway."""
    wakes = [Wake(0.5, 0.001), Wake(1.05, 0.007), Wake(1.08, 0.003), Wake(1.5, 0.002), Wake(2.1, 0.009)]
    found = figures(wakes, [Poll(1.0, 1.1), Poll(2.0, 2.3)])
    assert list(found.values()) == pytest.approx([200.0, 8.0, 9.0, 2.0, 2.0])


def test_a_small_run(tmp_path: Path) -> None:
    """The report has a figure for each line."""
    command = [sys.executable, "-m", "maitred_tools.bench.pauses", "--build", str(tmp_path)]
    arguments = ["--items", "50", "--placements", "2", "--polls", "2"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert min(json.loads((tmp_path / "pauses.json").read_text())["ms"].values()) >= 0.0

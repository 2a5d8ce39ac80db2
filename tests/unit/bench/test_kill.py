"""How long a closed item is still offered: the reckoning, and a very small run against real workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from maitred_tools.bench.kill import Answered, Last, _last, rows


def test_the_last_offer_counts_from_the_acknowledgement() -> None:
    """Of the decisions that offered the item the latest begun and the latest answered count, in milliseconds."""
    answers = [
        Answered(1.0, 1.01, True),
        Answered(1.02, 1.3, True),
        Answered(1.21, 1.25, True),
        Answered(1.4, 1.5, False),
    ]
    assert _last(answers, began=1.15, acknowledged=1.2) == pytest.approx((10.0, 100.0, 3, 50.0))
    assert _last(answers[3:], began=1.15, acknowledged=1.2).answered == pytest.approx(-50.0)


def test_the_table_has_median_and_most() -> None:
    """Each way has a row for when the last offering decision was begun, when it was answered, and for the change."""
    lasts = [Last(float(number), 2.0 * number, 9, 1.0) for number in (1, 2, 6)]
    assert [row[1:] for row in rows({"kill": lasts})] == [("2.0", "6.0"), ("4.0", "12.0"), ("1.0", "1.0")]


def kill(build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maitred_tools.bench.kill", "--build", str(build), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_two_workers_close_an_item(tmp_path: Path) -> None:
    """A connection to each worker, each way once: the report has both, and goes into a page of the docs."""
    done = kill(tmp_path, "--workers", "2", "--repetitions", "1")
    assert done.returncode == 0, done.stderr
    ways = json.loads((tmp_path / "kill.json").read_text())["ways"]
    assert {name: len(lasts) for name, lasts in ways.items()} == {"kill": 1, "stock 0": 1}
    assert min(last["decisions"] for lasts in ways.values() for last in lasts) > 0
    page = tmp_path / "page.md"
    page.write_text("<!-- kill -->\n<!-- /kill -->\n")
    assert kill(tmp_path, "--write-docs", str(page)).returncode == 0
    assert "| stock 0: last offering decision answered | " in page.read_text()


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    """Without a report there is nothing to write into a page."""
    done = kill(tmp_path, "--write-docs", str(tmp_path / "page.md"))
    assert (done.returncode, done.stderr.startswith("kill: "), "Traceback" in done.stderr) == (1, True, False)

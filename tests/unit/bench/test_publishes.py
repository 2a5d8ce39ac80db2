"""Publishes under load: the reckoning, and a small run against real workers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from maitred_tools.bench.publishes import Publish, Seen, delays_ms, misplaced, rows


def seen(first: dict[int, float], marks: dict[int, dict[int, int]]) -> Seen:
    counted = defaultdict(Counter, {version: Counter(found) for version, found in marks.items()})
    return Seen(answers=10, first=first, marks=counted)


def test_the_last_worker_counts() -> None:
    """A publish is served when the slowest worker answers from it, or from a later version that it took up instead."""
    publishes = [Publish(version, version, 0.0, float(version)) for version in (1, 2, 3)]
    workers = [seen({1: 1.0, 2: 2.1, 3: 3.1}, {}), seen({1: 1.2, 3: 3.4}, {})]
    assert delays_ms(publishes, workers) == pytest.approx([1400.0, 400.0])


def test_answers_of_another_publish_are_counted() -> None:
    """What was answered under a version with the items of another one is mixed; what a rollback brought back is not."""
    publishes = [Publish(1, 7, 0.0, 0.0), Publish(2, 8, 0.0, 0.0), Publish(3, 7, 0.0, 0.0)]
    assert misplaced(publishes, [seen({}, {1: {7: 5}, 3: {7: 2}})]) == 0
    assert misplaced(publishes, [seen({}, {1: {7: 5}, 2: {7: 3, 8: 1}}), seen({}, {3: {8: 1}})]) == 4


def test_twenty_publishes_over_two_workers(tmp_path: Path) -> None:
    """A small run: no request fails, no answer is mixed, and what equal items cost on disk is little."""
    command = [sys.executable, "-m", "maitred_tools.bench.publishes", "--build", str(tmp_path)]
    arguments = ["--publishes", "20", "--workers", "2", "--items", "20"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "publishes.json").read_text())
    assert (measured["publishes"], measured["rollbacks"], measured["failed"], measured["mixed"]) == (20, 2, {}, 0)
    assert measured["answers"] > 20
    assert dict(rows(measured))["failed"] == "0"
    page = tmp_path / "page.md"
    page.write_text("<!-- publishes -->\n<!-- /publishes -->\n")
    written = subprocess.run([*command, "--write-docs", str(page)], capture_output=True, text=True, check=False)
    assert (written.returncode, "| mixed | 0 |" in page.read_text()) == (0, True)

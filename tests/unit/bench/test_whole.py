"""The whole benchmark, very small: real servers, real reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = "# Page\n<!-- decide -->\n<!-- /decide -->\n<!-- growth -->\n<!-- /growth -->\n"
SMALL = ["--profiles", "2000", "--rounds", "1", "--calls", "200", "--rate", "200", "--open-s", "0.2"]


def bench(build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maitred_tools.bench", "--build", str(build), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both reports."""
    folder = tmp_path_factory.mktemp("bench")
    for more in ([], ["--growth", "--fewer", "1000"]):
        done = bench(folder, *SMALL, *more)
        assert done.returncode == 0, done.stderr
    return folder


def test_the_report_has_its_keys(build: Path) -> None:
    """Scripts find the figures of the server, of the echo server and of each stage."""
    report: dict[str, Any] = json.loads((build / "report.json").read_text())
    assert report["decide"]["ratio_to_echo"] > 1
    assert report["decide"]["server_us"] > report["echo"]["server_us"] > 0
    assert list(report["stages_us"]) == [
        *(
            "request",
            "profile",
            "view",
            "assignment",
            "rules",
            "candidates",
            "filters",
            "scoring",
            "slate",
            "dimensions",
            "receipt",
            "response",
        )
    ]
    assert min(report["stages_us"].values()) > 0
    for server in ("decide", "echo"):
        assert min(report[server][figure] for figure in ("p50", "p99", "calls_per_s")) > 0


def test_growth_reports_both_sizes(build: Path) -> None:
    """The small and the large store each have their start, memory and latency."""
    small, large = json.loads((build / "growth.json").read_text())["sizes"]
    assert (small["profiles"], large["profiles"]) == (1000, 2000)
    for size in (small, large):
        assert min(size[figure] for figure in ("start_s", "resident_mib", "anonymous_mib", "p50")) > 0


def test_the_docs_are_written_from_the_reports(build: Path, tmp_path: Path) -> None:
    """`--write-docs` measures nothing: it puts the reports' tables into the sections of a page."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert bench(build, "--write-docs", str(page)).returncode == 0
    text = page.read_text()
    ratio = json.loads((build / "report.json").read_text())["decide"]["ratio_to_echo"]
    assert f"| ratio to echo, CPU | 1 | {ratio:.2f} (" in text
    assert "| profiles | 1,000 | 2,000 |" in text


def test_a_mistake_is_one_line(build: Path, tmp_path: Path) -> None:
    """A page that is not there, or has no such section, is refused in one line, not with a traceback."""
    (tmp_path / "empty.md").touch()
    for name in ("missing.md", "empty.md"):
        done = bench(build, "--write-docs", str(tmp_path / name))
        assert done.returncode == 1
        assert done.stderr.startswith("bench: ")
        assert "Traceback" not in done.stderr

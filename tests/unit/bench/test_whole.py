"""The whole benchmark, very small: real servers, real reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from maitred_tools.bench.places import SIZES

SMALL = ["--quick", "--profiles", "2000", "--rounds", "1", "--calls", "30"]


def bench(build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maitred_tools.bench", "--build", str(build), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_every_section_measures(tmp_path: Path) -> None:
    """With real servers and models: 64 features, an echo for each case, a reference beside each figure."""
    done = bench(tmp_path, *SMALL, "--only", "decide,process,batch,growth,start")
    assert done.returncode == 0, done.stderr
    whole = json.loads((tmp_path / "report.json").read_text())
    assert (whole["problems"], list(whole["sections"])) == ({}, ["decide", "process", "batch", "growth", "start"])
    decide = whole["sections"]["decide"]["figures"]
    assert {one["width"] for one in decide["setup"]["models"].values()} == {64}
    assert {(one["playbook"], one["candidates"]) for one in decide["cases"]} == {
        (playbook, size) for playbook in ("plain", "everything") for size in SIZES
    }
    assert min(one["ratio"] for one in decide["cases"]) > 0
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    """An unknown section, or a page that is not there, is refused in one line, not with a traceback."""
    for mistake in (["--only", "everything"], ["--write-docs", str(tmp_path / "missing.md")]):
        done = bench(tmp_path, *mistake)
        assert done.returncode == 1
        assert done.stderr.startswith("bench: ")
        assert "Traceback" not in done.stderr

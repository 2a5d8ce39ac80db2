from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from maitred_tools.demo import command as demo

# The demo over the tables in the first argument, as its own process.
DEMO = """
import sys
from pathlib import Path
from maitred_tools.demo import command as demo
demo.package_folder = lambda: Path(sys.argv[1])
sys.exit(demo.main(sys.argv[2:]))
"""


@pytest.fixture
def over_tables(tables: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo, "package_folder", lambda: tables)
    return tables


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_whole_demo_with_a_kill(over_tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real server that is killed on the way: status 0, four equal counts, both reports, and no data left behind."""
    out = tmp_path / "out"
    assert demo.main(["--visits", "all", "--kill-at", "0.5", "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["visits"] == 5
    assert report["kills"]["count"] == 1
    # 2 placements exposed 5 times, 7 categories bought, 2 households with consent and traits; outcomes come on top.
    assert len(set(report["events"].values())) == 1
    assert report["events"]["sent"] >= 2 * 5 + 7 + 2 * 2
    assert sum(one["times"] for one in report["till_more"]["said"]) > 0
    assert report["refusals"]["decisions"] == 5
    assert "All four are equal" in (out / "report.html").read_text()
    assert not (out / "data").exists()
    assert "5 of 5 visits" in capsys.readouterr().out


def test_interrupted_demo_leaves_no_server(tables: Path, tmp_path: Path) -> None:
    """Ctrl-C ends the demo with status 130 and its server with it."""
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", DEMO, str(tables), "--visits", "all", "--out", str(out)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not (out / "server.ready").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=30)
    serving = next(json.loads(line) for line in (out / "server.log").read_text().splitlines() if '"serving"' in line)
    assert process.returncode == demo.INTERRUPTED
    assert "stopped" in printed
    assert _gone(serving["pid"])


def test_missing_data_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its data the demo says what is missing and ends with status 1; no traceback."""
    monkeypatch.setattr(demo, "package_folder", lambda: tmp_path)
    assert demo.main(["--out", str(tmp_path / "out")]) == 1
    assert "transactions.parquet" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--visits", "0"], ["--visits", "some"], ["--kill-at", "1.5"], ["--kill-at", "x"]]
)
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is no number of visits and no share is refused with what would be right."""
    with pytest.raises(SystemExit):
        demo.main(arguments)
    assert "a whole number" in (said := capsys.readouterr().err) or "a number between" in said


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """Where the extra `demo` is not installed, the command names it; no traceback."""
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('no', name='pyarrow')")
    done = subprocess.run(
        [sys.executable, "-m", "maitred_tools.demo"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "the demo needs pyarrow, which is not installed: pip install 'maitred[demo]'"

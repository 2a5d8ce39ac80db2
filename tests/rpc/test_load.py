"""`maitred load` against a real server."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.server import Running

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "maitred_server", "load"]


def load(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--server", target, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def test_a_load_is_measured_and_written(server: Running, tmp_path: Path) -> None:
    """What is wanted is sent, answered and counted, over two processes; feedback is on disk; files are written."""
    before = dict(server.status().journal_records)
    written = {name: tmp_path / "out" / f"load.{name}" for name in ("json", "hgrm", "html")}
    done = load(
        server.target,
        *("--placement", "home:2", "--placement", "banner", "--context", "device=phone"),
        *("--rate", "60", "--duration", "1s", "--arrivals", "even", "--processes", "2", "--deadline", "10s"),
        *("--mix", "expose=1,outcome=0.5:click", "--fail-if", "errors>0", "--fail-if", "p99>9s"),
        *(part for name, path in written.items() for part in (f"--{name}", str(path))),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(written["json"].read_text())
    result, feedback = told["result"], told["result"]["feedback"]
    assert (result["wanted"], result["sent"], result["answered"], result["failed"]) == (60, 60, 60, {})
    recorded = {kind: count - before.get(kind, 0) for kind, count in server.status().journal_records.items()}
    assert recorded["exposure"] == 120
    assert recorded["exposure"] + recorded["outcome"] == feedback["accepted"]
    assert (feedback["refused"], feedback["failed"], feedback["dropped"]) == ({}, {}, 0)
    assert sum(row["sent"] for row in told["series"]) == 60
    assert [one["broken"] for one in told["budgets"]] == [False, False]
    assert int(written["hgrm"].read_text().split("TotalCount     =")[1].split(".")[0]) == 60
    assert written["html"].read_text().endswith("</html>\n")
    assert "latency p99, ms" in done.stdout


def test_the_example_of_the_docs_works(server: Running, tmp_path: Path) -> None:
    """The first command of docs/load.md runs as it stands, against a server elsewhere."""
    block = re.search(r"```sh run-with-server\n(.*?)```", (ROOT / "docs" / "load.md").read_text(), re.DOTALL)
    assert block is not None
    program, verb, *arguments = shlex.split(block[1])
    assert (program, verb) == ("maitred", "load")
    command = [*COMMAND, *arguments]
    environment = os.environ | {"MAITRED_SERVER": server.target}
    done = subprocess.run(command, cwd=tmp_path, env=environment, timeout=60, check=False, capture_output=True)
    assert done.returncode in (0, 1), done.stderr  # 1: this machine is too busy for its budgets
    assert "Latency by percentile" in (tmp_path / "load.html").read_text()


def test_a_budget_that_is_too_tight_fails(server: Running) -> None:
    """No answer comes within a microsecond: the sentence says so, and the command ends with 1."""
    arguments = ("--rate", "50", "--calls", "20", "--deadline", "10s", "--fail-if", "p50>1us")
    done = load(server.target, "--placement", "home", *arguments)
    assert done.returncode == 1
    assert "budget 'p50>1us' is broken: p50 was " in done.stderr


def test_a_ramp_finds_a_knee(server: Running, tmp_path: Path) -> None:
    """A limit that no step can keep makes two steps of it, and says that the first is over."""
    arguments = (
        "--placement",
        "home",
        "--ramp",
        "20:100:20/0.3s",
        "--knee-p99",
        "1us",
        "--json",
        str(tmp_path / "r.json"),
    )
    done = load(server.target, *arguments)
    assert (done.returncode, "No knee: already at 20/s p99 was" in done.stdout) == (0, True)
    assert [step["rate"] for step in json.loads((tmp_path / "r.json").read_text())["steps"]] == [20.0, 40.0]


def test_a_batch_is_one_call(server: Running, tmp_path: Path) -> None:
    """With --batch each call carries so many decisions, for subjects from a file."""
    (tmp_path / "people.jsonl").write_text(
        '{"id": "ann", "kind": "device"}\n{"id": "bob", "context": {"store": "7"}}\n'
    )
    arguments = ("--rate", "50", "--calls", "10", "--batch", "5", "--mix", "expose=1", "--deadline", "10s")
    paths = ("--subjects", str(tmp_path / "people.jsonl"), "--json", str(tmp_path / "b.json"))
    assert load(server.target, "--placement", "banner", *arguments, *paths).returncode == 0
    result = json.loads((tmp_path / "b.json").read_text())["result"]
    assert (result["answered"], result["feedback"]["accepted"]) == (10, 50)


def test_what_cannot_work_is_told_before_load_begins(server: Running, start: Callable[..., Running]) -> None:
    """An unknown placement, a server without a playbook, nobody there, another machine: one plain line, and 2."""
    empty = start(name="empty").target
    cases: list[tuple[str, str, str]] = [
        (server.target, "hom", "NOT_FOUND: there is no placement 'hom'; did you mean home?"),
        (empty, "home", "FAILED_PRECONDITION"),
        ("127.0.0.1:1", "home", "no server answers at 127.0.0.1:1; is it running?"),
        ("192.0.2.1:7400", "home", "which is not this machine"),
    ]
    for target, placement, told in cases:
        done = load(target, "--placement", placement, "--rate", "10")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert told in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give --rate 2000, or --ramp"),
        (("--rate", "10", "--fail-if", "p99>5"), "needs a time with its unit"),
        (("--rate", "10", "--duration", "10"), "write it as 30s"),
        (("--rate", "10", "--processes", "0"), "--processes 0 is out of bounds: 1 to 64"),
        (("--ramp", "1:2:1/1s", "--duration", "10s"), "a ramp has the length of its steps"),
        (("--rate", "10", "--arrivals", "never"), "poisson or even"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    """What was typed wrong is said in one line with what would be right, with 2."""
    done = load("127.0.0.1:1", "--placement", "home", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert told in done.stderr


def test_without_its_library_it_says_what_to_install() -> None:
    """Without HdrHistogram the command names the extra that brings it."""
    program = "import sys; sys.modules['hdrh'] = None; from maitred_server.cli import main; main()"
    command = [sys.executable, "-c", program, "load", "--placement", "home", "--rate", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'maitred[load]'" in done.stderr


def test_ctrl_c_ends_with_a_report(server: Running, tmp_path: Path) -> None:
    """An interrupted load tells what it measured until then, and ends with 130."""
    paths = ("--json", str(tmp_path / "i.json"), "--deadline", "10s")
    command = [*COMMAND, "--server", server.target, "--placement", "home", "--rate", "40", "--duration", "1h", *paths]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "wanted 40/s" in process.stderr.readline()  # after some seconds: it is under way
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, "Stopped by Ctrl-C" in out) == (130, True)
    told: dict[str, Any] = json.loads((tmp_path / "i.json").read_text())
    assert told["interrupted"]
    assert told["result"]["answered"] == told["result"]["sent"] > 0
    assert told["result"]["seconds"] < 100


def test_a_server_that_dies_is_counted(start: Callable[..., Running], tmp_path: Path) -> None:
    """When the server is gone calls fail with a status, the report is whole, and budgets see it."""
    dying = start(name="dying")
    dying.publish()
    arguments = ("--placement", "home", "--rate", "40", "--duration", "5s", "--deadline", "10s")
    report = ("--fail-if", "errors>0", "--json", str(tmp_path / "d.json"))
    command = [*COMMAND, "--server", dying.target, *arguments, *report]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "wanted 40/s" in process.stderr.readline()
    dying.kill()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "budget 'errors>0' is broken" in err) == (1, True)
    result = json.loads((tmp_path / "d.json").read_text())["result"]
    assert set(result["failed"]) <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert result["answered"] + sum(result["failed"].values()) == result["wanted"]

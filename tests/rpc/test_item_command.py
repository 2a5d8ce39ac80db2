"""`maitred item` against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.server import Running

Run = Callable[..., subprocess.CompletedProcess[str]]

JSONL = """{"item": "MILK", "stock": 3}

{"item": "TEA", "kill": true, "price": 2}
{"item": "TEA", "stok": 1}
{"item": "TEA", "stock": -1}
{"stock": 99999999999999999999, "item": "TEA"}
{"stock": 1}
no json
"""
CSV = """item,group,stock,paused,kill
4011,,12,,
,fruit,,true,false
MILK,,many,,
,,1,,
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs `maitred item`, against a server of this module's own."""
    server = Running(tmp_path_factory.mktemp("command") / "data")

    def run_one(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "maitred_server", "item", *arguments, "--server", server.target]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    yield run_one
    server.stop()


def shown(run: Run, *names: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("show", "--json", *names).stdout)
    return found


def test_an_item_is_set_and_shown(run: Run) -> None:
    """Options set fields apart; `show` tells what is in force, for people and for scripts."""
    assert run("set", "SOAP", "--stock", "4", "--price", "1.5", "--kill").returncode == 0
    assert run("set", "SOAP", "--pause", "--revive").returncode == 0
    expected = {"item": "SOAP", "stock": 4, "price": 1.5, "paused": True, "kill": False}
    assert shown(run, "SOAP") == [expected]
    assert "SOAP" in run("show").stdout
    assert run("set", "--group", "home", "--kill", "--reset").returncode == 0
    assert shown(run, "--group", "home") == [{"group": "home", "paused": False, "kill": True}]


@pytest.mark.parametrize(
    ("name", "text", "lines", "told"),
    [
        ("states.jsonl", JSONL, [4, 5, 6, 7, 8], "2 states set, 5 lines refused"),
        ("states.csv", CSV, [4, 5], "2 states set, 2 lines refused"),
    ],
    ids=["jsonl", "csv"],
)
def test_a_file_is_loaded(run: Run, tmp_path: Path, name: str, text: str, lines: list[int], told: str) -> None:
    """Each wrong line is told with its number and left out; the others are in force. Ends with 1."""
    (tmp_path / name).write_text(text)
    done = run("load", str(tmp_path / name))
    assert (done.returncode, done.stdout.strip()) == (1, told)
    wrong = [line.removeprefix(f"{tmp_path / name}:") for line in done.stderr.splitlines()]
    assert [int(line.partition(":")[0]) for line in wrong] == lines
    if name.endswith("csv"):
        assert [one["stock"] for one in shown(run, "4011")] == [12]
        assert shown(run, "--group", "fruit") == [{"group": "fruit", "paused": True, "kill": False}]
    else:
        assert shown(run, "TEA") == [{"item": "TEA", "price": 2.0, "paused": False, "kill": True}]


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "--kill"],
        ["set", "A", "--group", "B", "--kill"],
        ["set", "A", "--stock", "99999999999999999999"],
        ["load", "missing.jsonl"],
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: list[str]) -> None:
    """What is wrong is said in one line, with status 1 and no traceback."""
    done = run(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("maitred: ")


def test_unknown_columns_are_refused(run: Run, tmp_path: Path) -> None:
    """A CSV file with a column that means nothing sets nothing at all."""
    (tmp_path / "wrong.csv").write_text("item,stok\nTEA,1\n")
    done = run("load", str(tmp_path / "wrong.csv"))
    assert (done.returncode, "unknown columns stok" in done.stderr.replace("\n", " ")) == (1, True)

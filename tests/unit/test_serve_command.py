"""The short way into `maitred serve` and the long one say the same."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from maitred_server import cli, cli_serve


def test_both_ways_know_the_same_options() -> None:
    """Each option of the command is known to the short way, and no other."""
    assert {name.rstrip("_") for name in inspect.signature(cli.serve).parameters} == {
        *cli_serve.NAMES,
        cli_serve.OTHER,
    }


def test_plain_pairs_are_taken() -> None:
    """Options overrule what `--set` says, and flags need no value."""
    words = ["--data", "d", "--set", "drain-s=0", "--set", "data=e", "--metrics", "", "--replay-clock"]
    assert cli_serve.plainly(words) == {"data": "d", "drain_s": "0", "metrics": "", "replay_clock": "true"}


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--data"], ["--data", "--help"], ["data", "d"], ["--dta", "d"], ["--set", "drain_s"], ["--data=d"]],
)
def test_what_is_not_plain_goes_the_long_way(words: list[str]) -> None:
    """Whatever is told otherwise is left to the command, which says what is wrong with it."""
    assert cli_serve.plainly(words) is None


def test_serving_loads_no_library_that_it_does_not_need() -> None:
    """Neither the libraries of commands and terminals nor those that read playbooks are in a serving process."""
    program = "import sys; import maitred_server.__main__, maitred_server.runtime; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    unwanted = {"typer", "rich", "pydantic", "yaml", "jinja2", "connectrpc", "pyvoy", "maitred_server.publishing.jobs"}
    assert unwanted & set(loaded.stdout.split()) == set()


def test_every_command_is_where_the_table_says() -> None:
    """`--help` lists each command that is imported only when it is asked for."""
    asked = subprocess.run(
        [sys.executable, "-m", "maitred_server", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert [name for name in cli.ELSEWHERE if f" {name} " not in asked.stdout] == []

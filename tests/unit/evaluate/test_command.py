"""`maitred replay`: what it prints, writes and refuses; docs/evaluation.md is true."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import msgspec
import pytest
from maitred_server.cli import app
from maitred_server.errors import InvalidRequest, StoreRefused
from maitred_server.evaluate.build import REQUIRED
from maitred_server.evaluate.estimators.base import Case, Predictions
from maitred_server.evaluate.estimators.choice import estimators
from maitred_server.evaluate.log import LoggedDecision, LoggedSlot, gather
from maitred_server.evaluate.report import Evaluation
from maitred_server.evaluate.targets import _KINDS
from maitred_server.evaluate.weights import weigh
from typer.testing import CliRunner

PAGE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()
EXAMPLE = re.search(
    r"^`(?P<name>[\w.]+)`\n\n```csv\n(?P<log>.*?)^```\n\n"
    r"`maitred (?P<command>[^`]+)` ends with\n\n```text\n(?P<end>.*?)^```",
    PAGE,
    re.M | re.S,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's example stands in it."""
    assert EXAMPLE is not None
    (tmp_path / EXAMPLE["name"]).write_text(EXAMPLE["log"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    return tmp_path


def replay(*words: str) -> str:
    answer = CliRunner().invoke(app, ["replay", *words], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.stdout


def test_the_example_of_the_page_ends_as_it_says(folder: Path) -> None:
    """The command as it stands, and the last thing that it prints."""
    assert EXAMPLE is not None
    words = shlex.split(EXAMPLE["command"])
    last = replay(*words[1:]).splitlines()[-1]
    assert last.startswith(EXAMPLE["end"].strip())
    found = json.loads(replay(*words[1:], "--json"))
    assert f"an effective sample of {found['effective_sample']:.1f}" in PAGE


def test_json_has_all_figures(folder: Path) -> None:
    """It reads back as the evaluation; the seed makes it repeatable."""
    words = ("--log", "decisions.csv", "--policy", "always:pie", "--json", "--resamples", "200", "--seed", "3")
    found = msgspec.json.decode(replay(*words), type=Evaluation)
    assert [one.name for one in found.estimates] == ["DR", "SNIPS", "IPS", "clipped IPS", "clipped DR", "DM"]
    assert found.logged.value == pytest.approx(0.4)
    assert (found.decisions, found.actions, found.resamples, found.seed) == (10, 2, 200, 3)
    assert msgspec.json.decode(replay(*words), type=Evaluation) == found


def test_the_table_has_every_estimate_and_what_it_assumes(folder: Path) -> None:
    """A row an estimate, then what has to hold, then the verdict."""
    text = replay("--log", "decisions.csv", "--policy", "uniform", "--resamples", "200")
    for name in ("DR", "SNIPS", "IPS", "clipped IPS", "clipped DR", "DM", "logged"):
        assert f"│ {name} " in text
    assert "DR, SNIPS, IPS: right if the logged probabilities are right" in text
    assert text.splitlines()[-1].startswith("Cannot be told")


def test_the_page_is_one_file_with_a_picture(folder: Path) -> None:
    """Every estimate is in the picture, the verdict above it, and nothing is fetched; names cannot become markup."""
    log = (folder / "decisions.csv").read_text().replace("pie", "<b>pie</b>")
    (folder / "decisions.csv").write_text(log)
    replay("--log", "decisions.csv", "--policy", "always:<b>pie</b>", "--resamples", "200", "--html", "page.html")
    page = (folder / "page.html").read_text()
    assert page.count('<circle class="dot"') == 7
    assert "Cannot be told from this much data: `always:&lt;b&gt;pie&lt;/b&gt;`" in page
    assert "<b>" not in page
    assert not re.search(r"(?:src|href)=", page)
    with pytest.raises(InvalidRequest, match="cannot write"):
        replay("--log", "decisions.csv", "--policy", "uniform", "--resamples", "200", "--html", "gone/page.html")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "uniform", "--column", "reward"), "'reward' is no FIELD=NAME"),
        ((), "the log has no column `target_probability`"),
        (("--policy", "habit"), "no policy `habit`"),
    ],
)
def test_what_is_refused_is_one_sentence(folder: Path, words: tuple[str, ...], said: str) -> None:
    """Raised as an error that the command prints as one line."""
    with pytest.raises(InvalidRequest) as caught:
        replay("--log", "decisions.csv", *words)
    assert said in caught.value.message


def test_a_folder_without_a_store_is_named_as_such(folder: Path) -> None:
    """A wrong data directory is not taken for a server that published nothing."""
    with pytest.raises(StoreRefused, match="there is no store in the data directory yet"):
        replay("--journal", str(folder / "gone"), "--policy", "uniform")


def test_the_page_names_every_column_policy_and_estimate() -> None:
    """The tables are whole."""
    tables = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    for name in (*REQUIRED, "decision", "slot", "subject", "candidates", *_KINDS):
        assert re.search(rf"`{name}[`:]", tables), name
    slots = [LoggedSlot(slot, "a", 0.5, 1.0, "ab", (0.5, 0.5)) for slot in (1, 2)]
    log, target = gather([LoggedDecision("s", slots)], "new")
    case = Case(log, weigh(log, target), Predictions(log.reward, log.reward), 1.0)
    for one in estimators(case):
        assert one.name.removeprefix("cascade ") in tables

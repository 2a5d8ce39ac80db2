"""`maitred check`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from maitred_server.cli import app
from maitred_server.model import Entry, Exposure, Item, Kind, Reason, Record, Trait, Traits
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix
from typer.testing import CliRunner

PLANTED = Path(__file__).parents[2] / "playbooks" / "twenty_mistakes"
RIGHT = {
    "playbook.yaml": "name: shop\n",
    "placements.yaml": "placements:\n  - {name: home, policy: popular, fallback: [skis]}\n",
    "items.yaml": "items: [{id: skis}]\n",
}
SEGMENTS = """
segments:
  - {name: young, if: subject.age < 18}
  - {name: old, if: subject.age > 60}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "shop", RIGHT)


def written(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def check(*arguments: object) -> tuple[int, list[str]]:
    """The exit status and the lines of a check, on a wide terminal."""
    result = CliRunner().invoke(app, ["check", *map(str, arguments)], env={"COLUMNS": "60"})
    return result.exit_code, result.output.splitlines()


def test_nothing_is_wrong(folder: Path) -> None:
    """A playbook without mistakes and warnings ends with 0."""
    assert check(folder) == (0, ["0 mistakes, 0 warnings in 3 files"])


def test_twenty_planted_mistakes() -> None:
    """All twenty are printed, each on one line with its place whatever the terminal's width; it ends with 1."""
    status, lines = check(PLANTED)
    assert status == 1
    assert len(lines) == 22
    assert lines[0] == "playbook.yaml:3:10: `share`: a share is from 0 to 1; write 0.05 for 5 %"
    assert lines[19] == "items.jsonl:2:70: syntax error: extraneous input '>'"
    assert lines[20:] == [
        "20 mistakes in 11 files",
        "Items that were imported are known with --data DIRECTORY only.",
    ]


def test_warnings_end_with_one_when_asked_to(folder: Path) -> None:
    """Warnings alone end with 0, and with `--strict` with 1."""
    written(folder, {"placements.yaml": "placements:\n  - {name: home, policy: popular}\n"})
    line = (
        "placements.yaml:2:5: warning: placement `home` has no `fallback`: it shows nothing when no candidate may be "
        "shown"
    )
    assert check(folder) == (0, [line, "0 mistakes, 1 warning in 3 files"])
    assert check(folder, "--strict")[0] == 1


def test_what_a_publish_warns_of_is_said_too(folder: Path) -> None:
    """Warnings of loading and building are among those of the check."""
    written(folder, {"groups.yaml": "groups: [{id: empty}]\n"})
    assert check(folder)[1][0] == "playbook: warning: groups without items: `empty`"


def test_json(folder: Path) -> None:
    """With `--json` mistakes and warnings are lists with their places."""
    written(folder, {"placements.yaml": "placements:\n  - {name: home, policy: habbit}\n"})
    status, lines = check(folder, "--json")
    message = "unknown policy `habbit`; did you mean `habit`?"
    assert status == 1
    assert json.loads("\n".join(lines)) == {
        "mistakes": [{"file": "placements.yaml", "line": 2, "column": 26, "message": message}],
        "warnings": [],
    }


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """A folder without a playbook is refused, whatever is in it."""
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert (result.exit_code, "holds no .yaml" in str(result.exception)) == (1, True)


def test_names_of_items_that_are_elsewhere(folder: Path, tmp_path: Path) -> None:
    """Without any items in its files the names of items are not checked; with `--data` the imported ones are known."""
    (folder / "items.yaml").unlink()
    assert check(folder)[0] == 0
    data = tmp_path / "data"
    with Store.open(data, map_size=1 << 26) as store:
        store.submit_items("default", [Item("boots")]).result()
    assert check(folder, "--data", data) == (
        1,
        ["placements.yaml:2:46: unknown item `skis`; known are `boots`", "1 mistake in 2 files"],
    )
    assert check(folder, "--data", data, "--brand", "other")[1][0].endswith("unknown item `skis`")


def test_warnings_that_need_data(folder: Path, tmp_path: Path) -> None:
    """With `--data` segments are compared with the subjects that there are, and with what they were shown."""
    rules = 'rules: [{name: r, layer: suitability, if: \'"young" in subject.segments || "old" in subject.segments\'}]'
    subjects = "traits: [{name: age, type: number}]"
    written(folder, {"subjects.yaml": subjects, "segments.yaml": SEGMENTS, "rules.yaml": rules})
    data = tmp_path / "data"
    key = brand_prefix("default") + b"\x01" * 16
    shown = [
        Exposure(f"d{n}", "home", 1, (), "popular", Reason.FALLBACK, (), "1", "", 0, 0, 0, segments=("young",))
        for n in range(100)
    ]
    bodies: list[Traits | Exposure] = [Traits((Trait("age", 12.0),)), *shown]
    with Store.open(data, map_size=1 << 26) as store:
        store.submit([Entry(Record(key, Kind.PERSON, 1, 1, body)) for body in bodies]).result()
    assert check(folder, "--data", data)[1] == [
        "segments.yaml:4:5: warning: segment `old` matches nobody of 1 sampled subjects",
        "segments.yaml:3:5: warning: segment `young` lacks content: of 100 decisions shown to its members "
        "100 (100%) were the fallback",
        "0 mistakes, 2 warnings in 6 files",
    ]

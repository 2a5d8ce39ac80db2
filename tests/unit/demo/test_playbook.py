from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from maitred_tools.demo import playbook
from maitred_tools.demo.control_files import MORE
from maitred_tools.demo.groceries import Groceries


@pytest.fixture
def folder(shop: Groceries, tmp_path: Path) -> Path:
    playbook.write(shop, tmp_path / "playbook")
    return tmp_path / "playbook"


def test_every_category_is_an_item_of_its_department(folder: Path) -> None:
    """Each category is one item with one variant, in the group of its department, with content for people."""
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    assert [item["id"] for item in items] == ["APPLES", "BREAD", "CHEESE", "MILK", "TEA"]
    assert items[0]["groups"] == ["PRODUCE"]
    assert items[0]["attributes"] == {"name": "Apples"}
    assert items[0]["variants"] == [{"content": {"title": "Apples", "department": "Produce"}}]


def test_shares_are_whole(folder: Path) -> None:
    """The shares of the layer's arms add up to 1 exactly, in steps of 0.0001."""
    layer = yaml.safe_load((folder / "playbook.yaml").read_text())["layers"][0]
    assert sum(round(arm["share"] * 10_000) for arm in layer["arms"]) == 10_000


def test_each_arm_is_one_policy_of_the_placement(folder: Path) -> None:
    """The report goes by the arm: it is named as its policy, but for the one that is learned."""
    arms = yaml.safe_load((folder / "playbook.yaml").read_text())["layers"][0]["arms"]
    assert {arm["name"]: arm["policies"] for arm in arms} == {
        **{name: {playbook.PLACEMENT: name} for name in ("habit", "popular", "uniform")},
        "learned": {playbook.PLACEMENT: "greedy"},
    }


def test_answers_are_never_reused(folder: Path) -> None:
    """Every visit is decided anew, in both placements: no time to live and none beyond it."""
    placements = yaml.safe_load((folder / "placements.yaml").read_text())["placements"]
    lives = {one["name"]: (one["ttl"], one["stale"]) for one in placements}
    assert lives == {playbook.PLACEMENT: ("0s", "0s"), MORE: ("0s", "0s")}


@pytest.mark.parametrize(
    ("name", "title"),
    [("TOP  SHELF", "Top shelf"), ("FRZN JUICE/DRINKS", "Frozen juice/drinks"), ("FISH-PCKGD", "Fish-packaged")],
)
def test_titles_are_readable(name: str, title: str) -> None:
    """Names in capitals become a line that a person would write; usual abbreviations are spelt out."""
    assert playbook.title(name) == title


def test_the_server_takes_it(folder: Path) -> None:
    """The server's own loader finds neither mistakes nor warnings in it."""
    loader = pytest.importorskip("maitred_server.playbook.loader")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    loaded = loader.load(files)
    assert (len(loaded.items), loaded.warnings) == (5, ())

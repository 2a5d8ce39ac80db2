"""`maitred policy`: what it lists and shows, and that going back and on again does what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness.lessons import LEARNING, NOW, exposure, outcome, plan, publish, record, shown
from maitred_server import cli
from maitred_server.errors import NothingKept
from maitred_server.learn import orders
from maitred_server.learn.learner import Learner
from maitred_server.learn.orders import Hold
from maitred_server.learn.publish import policy_folder
from maitred_server.model import Entry
from maitred_server.store import MemoryStore, Store
from typer.testing import CliRunner

PLAN = plan()


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    """Of two snapshots, the older one first."""
    publish(tmp_path, LEARNING)
    store = MemoryStore()
    learner = Learner(store.read_changes, tmp_path, clock=lambda: NOW)
    found = []
    for number in (1, 2):
        body = exposure(f"d{number}", shown(0, "APPLES", number, PLAN), of=PLAN)
        store.submit([Entry(record(body)), Entry(record(outcome(f"d{number}", "APPLES")))])
        learner.step()
        learner.publish()
        found.append((policy_folder(tmp_path, "main") / "CURRENT").read_text().strip())
    return found


def run(data: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli.app, ["policy", *arguments, "--data", str(data), "--brand", "main"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def as_json(data: Path, *arguments: str) -> Any:
    return json.loads(run(data, *arguments, "--json"))


def test_list_says_what_is_in_force(tmp_path: Path, versions: list[str]) -> None:
    """Every version that is kept, the newest first, with what it learned from; and what is held back, and why."""
    orders.remember(
        policy_folder(tmp_path, "main"), [Hold("home", "it jumped", NOW, 3), Hold("home", "once", NOW, 1, 2)]
    )
    found = as_json(tmp_path, "list")
    told = [(one["version"], one["in_force"], one["cursor"], one["exposures"]) for one in found["versions"]]
    assert told == [(versions[1], True, 4, {"home": 2.0}), (versions[0], False, 2, {"home": 1.0})]
    assert found["held_back"] == [{"placement": "home", "since": 3, "at_ms": NOW, "reason": "it jumped"}]
    assert ("held back: home, it jumped" in " ".join(run(tmp_path, "list").split()), found["pinned"]) == (True, "")


def test_show_names_features_and_items(tmp_path: Path, versions: list[str]) -> None:
    """The weights of each response by the name of the feature, and items by their own ids."""
    found = as_json(tmp_path, "show", versions[1], "--placement", "home")
    assert (found["responses"], list(found["weights"])) == (["purchase", "rated"], list(PLAN.space.names))
    assert [(one["item"], one["exposures"]) for one in found["items"]] == [("APPLES", 2.0)]
    assert list(found["items"][0]["deltas"]) == ["share", "1"]
    assert "APPLES" in run(tmp_path, "show", versions[1], "--placement", "home")


def test_rollback_pins_until_resume(tmp_path: Path, versions: list[str]) -> None:
    """After `rollback` a version is pinned, after `resume` none is, and what comes next is let in."""
    folder = policy_folder(tmp_path, "main")
    assert versions[0] in run(tmp_path, "rollback", versions[0])
    assert (orders.pinned(folder), as_json(tmp_path, "list")["pinned"]) == (versions[0], versions[0])
    run(tmp_path, "resume")
    assert (orders.pinned(folder), orders.accepts(folder)) == ("", True)


def test_a_version_that_is_gone_is_made_again(tmp_path: Path) -> None:
    """Going back to a version whose file was removed makes it again from the journal, and pins it."""
    publish(tmp_path, LEARNING)
    with Store.open(tmp_path, map_size=64 << 20, allow_overlay=True) as store:
        learner = Learner(store.read_changes, tmp_path, clock=lambda: NOW)
        body = exposure("d1", shown(0, "APPLES", 1, PLAN), of=PLAN)
        store.submit([Entry(record(body))]).result(20)
        learner.step()
        learner.publish()
    folder = policy_folder(tmp_path, "main")
    (path,) = folder.glob("*.snapshot")
    before = path.read_bytes()
    path.unlink()
    run(tmp_path, "rollback", path.stem)
    assert (path.read_bytes() == before, orders.pinned(folder)) == (True, path.stem)
    with pytest.raises(NothingKept, match="is not kept"):
        run(tmp_path, "rollback", "9-0-9-9-19675-1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rollback", "77"), "version `77` is not kept"),
        (("show", "77", "--placement", "home"), "version `77` is not kept"),
        (("show", "LAST", "--placement", "banner"), "has no model of `banner`; it has home"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, versions: list[str], arguments: tuple[str, ...], message: str) -> None:
    """What is not there is named, with what would be right."""
    given = [versions[1] if one == "LAST" else one for one in arguments]
    with pytest.raises(NothingKept, match=message):
        run(tmp_path, *given)

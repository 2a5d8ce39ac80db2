"""From files to logs: what is read, what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.evaluate import offered
from maitred_server.evaluate.build import build
from maitred_server.evaluate.log import Log
from maitred_server.evaluate.table import Table, read

PAGES = """decision,subject,slot,action,probability,reward,candidates,x_hour,x_device
d1,ann,2,tea,0.25,1,cake|tea,9,phone
d2,bob,1,tea,0.5,0,tea|cake,,desk
d1,ann,1,pie,0.5,0.5,pie|tea|cake,9,phone
"""


def log_of(text: str, folder: Path, **renamed: str) -> Log:
    path = folder / "log.csv"
    path.write_text(text)
    return build(read(path, renamed))


def table(**columns: list[Any]) -> Table:
    return Table(columns, range(1, len(columns["action"]) + 1), "row")


def listed(log: Log) -> dict[str, Any]:
    """All that is in a log, as plain lists."""
    assert log.candidates is not None
    columns = log._asdict() | log.candidates._asdict() | {"candidates": (), "actions": np.array(log.actions)}
    return {name: np.asarray(column).tolist() for name, column in columns.items()}


def test_rows_become_decisions_in_fill_order(tmp_path: Path) -> None:
    """Rows of a decision may stand anywhere; slots order them, and candidates keep their own order."""
    log = log_of(PAGES, tmp_path)
    assert log.decision.tolist() == [0, 0, 1]
    assert log.rank.tolist() == [0, 1, 0]
    assert [log.actions[code] for code in log.action] == ["pie", "tea", "tea"]
    assert log.probability.tolist() == [0.5, 0.25, 0.5]
    assert log.per_decision(log.reward).tolist() == [1.5, 0.0]
    assert log.source_row.tolist() == [2, 0, 1]
    assert log.candidates is not None
    assert log.candidates.sizes.tolist() == [3, 2, 2]
    assert [log.actions[code] for code in log.candidates.action] == ["pie", "tea", "cake", "cake", "tea", "tea", "cake"]
    assert log.candidates.action[log.candidates.chosen].tolist() == log.action.tolist()


def test_features_are_scaled_numbers_and_told_values(tmp_path: Path) -> None:
    """A number that is missing is at the mean; of a text's two values one is enough."""
    log = log_of(PAGES + "d3,cyd,1,tea,0.5,0,tea|cake,15,phone\n", tmp_path)
    hours = np.array([9, 9, 15.0])
    scaled = (hours - hours.mean()) / hours.std()
    assert log.features[:, 0].tolist() == pytest.approx([scaled[0], scaled[1], 0.0, scaled[2]])
    assert log.features[:, 1].tolist() == [0, 0, 1, 0]


def test_without_decision_and_slot_each_row_is_a_decision(tmp_path: Path) -> None:
    """The least that a log needs: action, probability, reward; columns may have other names."""
    log = log_of("item,p,click\nA,.5,1\nB,.5,0\nA,.5,0\n", tmp_path, action="item", probability="p", reward="click")
    assert (log.decisions, log.rank.tolist(), log.cluster.tolist()) == (3, [0, 0, 0], [0, 1, 2])
    assert log.candidates is not None
    assert log.candidates.sizes.tolist() == [2, 2, 2]


def test_without_slots_the_file_is_the_order() -> None:
    """Rows of one decision fill one slot after the other; what was filled before is no candidate."""
    log = build(table(decision=["d", "e", "d"], action=["a", "b", "c"], probability=[0.5] * 3, reward=[0, 1, 0]))
    assert log.slot.tolist() == [1, 2, 1]
    assert [log.actions[code] for code in log.action] == ["a", "c", "b"]
    assert log.candidates is not None
    open_actions = np.split(log.candidates.action, log.candidates.starts[1:-1])
    assert [[log.actions[code] for code in some] for some in open_actions] == [
        ["a", "b", "c"],
        ["b", "c"],
        ["a", "b", "c"],
    ]
    assert log.candidates.action[log.candidates.chosen].tolist() == log.action.tolist()


def test_too_many_candidates_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows times actions may not fit in memory: the log is read, and has no candidates."""
    monkeypatch.setattr(offered, "MOST_CELLS", 3)
    log = build(table(action=["a", "b"], probability=[0.5, 0.5], reward=[0, 1]))
    assert log.candidates is None
    assert [log.actions[code] for code in log.action] == ["a", "b"]


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    """The same rows, with lists and numbers in place of texts, make the same log."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        "decision": ["d1", "d2", "d1"],
        "subject": ["ann", "bob", "ann"],
        "slot": [2, 1, 1],
        "action": ["tea", "tea", "pie"],
        "probability": [0.25, 0.5, 0.5],
        "reward": [1, 0, 0.5],
        "candidates": [["cake", "tea"], ["tea", "cake"], ["pie", "tea", "cake"]],
        "x_hour": [9, None, 9],
        "x_device": ["phone", "desk", "phone"],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "log.parquet")
    assert listed(build(read(tmp_path / "log.parquet", {}))) == listed(log_of(PAGES, tmp_path))


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("probability", 0, "row 2, `probability`: 0 must be above 0 and at most 1"),
        ("probability", 1.4, "row 2, `probability`: 1.4 must be above 0 and at most 1"),
        ("probability", "high", "row 2, `probability`: not a number; it must be above 0 and at most 1"),
        ("probability", None, "row 2, `probability`: not a number; it must be above 0 and at most 1"),
        ("reward", "", "row 2, `reward`: not a finite number; 0 when nothing came of it"),
        ("reward", float("inf"), "row 2, `reward`: not a finite number; 0 when nothing came of it"),
        ("reward", 1e300, "row 2, `reward`: must be between -1e+12 and 1e+12"),
        ("action", "", "row 2, `action`: empty; it must be a name or a whole number"),
        ("slot", 0, "row 2, `slot`: must be a whole number from 1: its place in the order of filling"),
        ("slot", 1.5, "row 2, `slot`: must be a whole number from 1: its place in the order of filling"),
        ("slot", 1, "row 2, `slot`: this decision has the slot already"),
        ("subject", "bob", "row 2, `subject`: the decision has another one elsewhere"),
        ("candidates", "b|c", "row 2, `candidates`: the row's own action must be among them"),
        ("candidates", "a|b|b", "row 2, `candidates`: a candidate is empty or stands twice"),
    ],
)
def test_a_wrong_cell_is_named_with_what_would_be_right(column: str, cell: Any, said: str) -> None:
    """Row, field and remedy, and nothing that may be personal."""
    columns: dict[str, list[Any]] = {
        "decision": ["d", "d"],
        "subject": ["ann", "ann"],
        "slot": [1, 2],
        "action": ["b", "a"],
        "probability": [0.5, 0.5],
        "reward": [0, 1],
        "candidates": ["a|b", "a|b"],
    }
    columns[column][1] = cell
    with pytest.raises(InvalidRequest) as caught:
        build(table(**columns))
    assert caught.value.message.splitlines()[1:] == [said]
    assert caught.value.field == column


def test_all_mistakes_are_told_at_once_and_the_rest_counted() -> None:
    """Twenty lines, then how many more."""
    columns: dict[str, list[Any]] = {"action": ["a"] * 30, "probability": [2.0] * 30, "reward": [0.0] * 30}
    with pytest.raises(InvalidRequest, match=r"wrong cells in the log: 30\n(row \d+, .*\n){20}and 10 more$"):
        build(table(**columns))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("action,reward\na,1\n", "the log has no column `probability`: without the probability with which each action"),
        ("action,probabilty,reward\na,.5,1\n", "did you mean `probabilty`"),
        ("action,probability,reward\na,1,1\nb,1.0,0\n", "every `probability` is 1: a policy that never varies"),
        ("action,probability,reward\n", "has no rows"),
        ("", "has no rows"),
        ("action,probability,reward\na,.5\n", "line 2 has 2 cells; the head has 3"),
        ("action,action,reward\na,a,1\n", "two columns of one name"),
        ('action,probability,reward\n"a,.5,1\n', "is no CSV in UTF-8"),
    ],
)
def test_a_log_that_cannot_serve_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """One sentence that says what is missing and what to do."""
    with pytest.raises(InvalidRequest) as caught:
        log_of(text, tmp_path)
    assert said in caught.value.message


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """Another suffix, no file, no Parquet, a column that is not there."""
    (tmp_path / "log.txt").write_text("x")
    (tmp_path / "log.parquet").write_text("x")
    (tmp_path / "log.csv").write_text("a\n1\n")
    for name, said in (("log.txt", "neither .csv nor"), ("gone.csv", "cannot read"), ("log.parquet", "no Parquet")):
        with pytest.raises(InvalidRequest, match=said):
            read(tmp_path / name, {})
    with pytest.raises(InvalidRequest, match="no column `clck` to read reward from"):
        read(tmp_path / "log.csv", {"reward": "clck"})

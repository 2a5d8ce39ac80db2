"""What is asked, about whom."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from maitred.v1 import decision_pb2, types_pb2
from maitred_server.errors import InvalidRequest
from maitred_server.load.asked import Asked, Context, Place, Placement, Subjects
from maitred_server.load.population import ranks
from maitred_server.load.questions import check, questions

JSONL = """{"id": "ann", "kind": "device", "context": {"store": "7"}}

{"id": "bob"}
"""


def asked_of(asked: Asked, number: int, place: Place = Place(0, 1)) -> list[decision_pb2.DecideRequest]:  # noqa: B008
    calls = islice(questions(asked, place, np.random.default_rng(1)), number)
    return [decision_pb2.DecideRequest.FromString(call.request) for call in calls]


def test_a_request_has_subject_page_and_context() -> None:
    """The bytes that are put together are the message that is meant."""
    asked = Asked(
        (Placement("home", 3), Placement("banner")), Subjects(count=1, prefix="p-", kind="device"), Context({"n": 2.0})
    )
    expected = decision_pb2.DecideRequest()
    expected.subject.id, expected.subject.kind = "p-1", types_pb2.SUBJECT_KIND_DEVICE
    expected.context["n"].number = 2.0
    expected.placements.add(placement="home", slots=3)
    expected.placements.add(placement="banner")
    assert asked_of(asked, 1) == [expected]


def test_lines_take_turns_and_their_context_wins(tmp_path: Path) -> None:
    """Each process has lines of its own, in turn; a subject's context wins over the file's, and that over the fixed."""
    (tmp_path / "people.jsonl").write_text(JSONL)
    (tmp_path / "moments.jsonl").write_text('{"store": "1", "hour": 9}\n{"hour": 10}\n')
    fixed = Context({"store": "0", "hour": 0.0}, str(tmp_path / "moments.jsonl"))
    asked = Asked((Placement("home"),), Subjects(file=str(tmp_path / "people.jsonl")), fixed)
    found = asked_of(asked, 3)
    assert [(one.subject.id, one.subject.kind) for one in found] == [("ann", 3), ("bob", 0), ("ann", 3)]
    assert [one.context["store"].text for one in found] == ["7", "0", "7"]
    assert [one.context["hour"].number for one in found] == [9.0, 10.0, 9.0]
    assert [one.subject.id for one in asked_of(asked, 2, Place(1, 2))] == ["bob", "bob"]


def test_plain_lines_are_ids(tmp_path: Path) -> None:
    """A text file has one id a line, of the kind that was given."""
    (tmp_path / "ids.txt").write_text("ann\nbob\n")
    asked = Asked((Placement("home"),), Subjects(file=str(tmp_path / "ids.txt"), kind="household"))
    assert [(one.subject.id, one.subject.kind) for one in asked_of(asked, 2)] == [("ann", 2), ("bob", 2)]


def test_a_batch_has_so_many_requests() -> None:
    """With a batch a call is a DecideBatchRequest, and knows whom it is about."""
    asked = Asked((Placement("home"),), Subjects(count=9), batch=4)
    call = next(questions(asked, Place(0, 1), np.random.default_rng(1)))
    batch = decision_pb2.DecideBatchRequest.FromString(call.request)
    assert [one.subject.id for one in batch.requests] == [one.id for one in call.subjects]
    assert len(batch.requests) == 4


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.1])
def test_subjects_are_drawn_by_their_law(exponent: float) -> None:
    """The k-th of n subjects comes with probability k ** -exponent over the sum of all, within three deviations."""
    count, draws = 50, 100_000
    drawn = Counter(islice(ranks(Subjects(count=count, exponent=exponent), np.random.default_rng(3)), draws))
    weights = np.arange(1, count + 1) ** -exponent
    for rank in (1, 2, 10, 50):
        share = float(weights[rank - 1] / weights.sum())
        assert drawn[rank] / draws == pytest.approx(share, abs=3 * (share * (1 - share) / draws) ** 0.5)
    assert set(drawn) <= set(range(1, count + 1))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.jsonl", '{"id": "ann"}\n{"name": "bob"}\n', "a.jsonl:2: unknown field 'name'"),
        ("a.jsonl", '{"id": ""}\n', "a.jsonl:1: an id is a text of 1 to 256 bytes"),
        ("a.jsonl", '{"id": "x", "kind": "people"}\n', "a kind is one of person"),
        ("a.jsonl", '{"id": "x", "context": 5}\n', "context is an object"),
        ("a.jsonl", "x\n", "a.jsonl:1: this is no JSON object"),
        ("a.txt", "\n", "is empty"),
        ("a.txt", "x" * 300, "a.txt:1: an id is"),
    ],
)
def test_a_wrong_line_is_told_before_load_begins(tmp_path: Path, name: str, text: str, told: str) -> None:
    """A mistake in a file is told with its line."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidRequest) as refused:
        check(Asked((Placement("home"),), Subjects(file=str(tmp_path / name))))
    assert told in refused.value.message

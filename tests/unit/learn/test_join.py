"""What shown choices teach: defaults at once, outcomes in whatever order, as long as they may join."""

from __future__ import annotations

from itertools import permutations

import pytest
from harness.lessons import BOUGHT, DAY_MS, HOUR_MS, NOW, RATED, exposure, outcome, plan, record, shown
from maitred_server.learn.fixed import UNIT
from maitred_server.learn.join import Joins, Reading
from maitred_server.model import Record
from msgspec.structs import replace

PLAN = plan()
APPLES, BREAD = shown(0, "APPLES", 1, PLAN), shown(1, "BREAD", 2, PLAN)
BOTH = exposure("d", APPLES, BREAD, of=PLAN)
DEFAULTS = (0, UNIT // 2)  # of a purchase, and of a rating


def taught(*records: Record) -> list[tuple[int, ...]]:
    """The responses by slot."""
    joins = Joins(PLAN)
    for one in records:
        joins.add(one)
    return [lesson.responses for _, lesson in sorted(joins.lessons("d").items())]


def test_an_exposure_teaches_its_defaults_at_once() -> None:
    """Every slot that was shown teaches, before anything came of it, what is so when nothing comes."""
    assert taught(record(BOTH)) == [DEFAULTS, DEFAULTS]


def test_an_outcome_is_of_its_item_alone() -> None:
    """An outcome changes the response of its type, for the slot of its item."""
    assert taught(record(BOTH), record(outcome("d", "BREAD"))) == [DEFAULTS, (UNIT, UNIT // 2)]
    assert taught(record(BOTH), record(outcome("d", "PEARS"))) == [DEFAULTS, DEFAULTS]
    assert taught(record(BOTH), record(outcome("d", "BREAD", "visited"))) == [DEFAULTS, DEFAULTS]


def test_any_order_teaches_the_same() -> None:
    """An outcome before its exposure joins too, the best of several counts, and a second telling changes nothing."""
    ratings = [record(outcome("d", "APPLES", "rated", value)) for value in (4.0, 1.0)]
    told = [record(BOTH), record(BOTH), *ratings]
    assert {tuple(taught(*order)) for order in permutations(told)} == {((0, round(0.8 * UNIT)), DEFAULTS)}


@pytest.mark.parametrize(
    ("value", "response"), [(0.0, 0), (5.0, UNIT), (9.0, UNIT), (-1.0, 0), (float("nan"), 0), (2.5, UNIT // 2)]
)
def test_responses_are_between_0_and_1(value: float, response: int) -> None:
    """A value is told by the value that is 1, and cut off; one worse than the default counts as it is."""
    assert taught(record(BOTH), record(outcome("d", "APPLES", "rated", value)))[0] == (0, response)


@pytest.mark.parametrize(
    ("late", "told", "joins"),
    [
        (BOUGHT.wait_ms, BOUGHT.wait_ms, True),
        (BOUGHT.wait_ms + 1, BOUGHT.wait_ms + 1, False),
        (0, BOUGHT.wait_ms + DAY_MS, True),
        (0, BOUGHT.wait_ms + DAY_MS + 1, False),
    ],
)
def test_outcomes_join_until_their_wait_is_over(late: int, told: int, joins: bool) -> None:
    """It must have happened within the wait, and be told within a day after it."""
    came = replace(record(outcome("d", "APPLES"), at=NOW + told), occurred_at=NOW + late)
    assert taught(record(BOTH), came)[0][0] == (UNIT if joins else 0)


def test_each_response_has_its_own_wait() -> None:
    """A rating is over after a day, a purchase is not."""
    late = NOW + RATED.wait_ms + HOUR_MS
    came = [record(outcome("d", "APPLES", kind, 5.0), at=late) for kind in ("purchase", "rated")]
    assert taught(record(BOTH), *came)[0] == (UNIT, UNIT // 2)


def test_who_was_offline_tells_both_late() -> None:
    """What came of an exposure that is told a month later joins when it is told within a day of it."""
    month = NOW + 30 * DAY_MS
    came = replace(record(outcome("d", "APPLES"), at=month + HOUR_MS), occurred_at=NOW + HOUR_MS)
    assert taught(record(BOTH, at=month), came)[0] == (UNIT, UNIT // 2)


@pytest.mark.parametrize(
    "change",
    [
        {"showing": 2},
        {"space": "another"},
        {"space": ""},
        {"placement": "banner"},
        {"merged": True},
        {"overridden": ("pricing",)},
    ],
)
def test_what_teaches_nothing(change: dict[str, object]) -> None:
    """Later showings, other features and placements, merged subjects and arms that were asked for teach nothing."""
    assert taught(record(replace(BOTH, **change))) == []


def test_a_choice_without_its_features_teaches_nothing() -> None:
    """One of whose subject nothing may be used was sealed without features; the others of its decision teach."""
    assert taught(record(replace(BOTH, shown=(replace(APPLES, features=b""), BREAD)))) == [DEFAULTS]


def test_decisions_are_let_go_when_nothing_joins_any_more() -> None:
    """What is held is bounded by the longest wait, a day for telling and one for clocks that are set back."""
    joins = Joins(PLAN)
    joins.add(record(BOTH))
    joins.add(record(outcome("unknown", "APPLES"), at=NOW + 5 * DAY_MS))
    assert (joins.evict(NOW + 9 * DAY_MS), len(joins)) == (0, 2)
    assert (joins.evict(NOW + 9 * DAY_MS + 1), len(joins)) == (2, 0)


def test_what_was_noted_teaches_the_same() -> None:
    """The records of a decision, in any order, teach what they taught when they came one by one."""
    told = [record(outcome("d", "APPLES")), record(BOTH)]
    joins = Joins(PLAN)
    for one in told:
        joins.add(one)
    assert Reading(PLAN).taught_by(reversed(told)) == joins.lessons("d")

"""Quiet hours, by the clock where the subject is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from harness.desk import Desk
from harness.shop import shop
from maitred_server.decide.contact_filter import QuietTimes
from maitred_server.decide.quiet import STEP_MS, is_within, offset_ms
from maitred_server.model import Trait, Traits
from maitred_server.playbook.control import (
    ContextDeclaration,
    Control,
    QuietHours,
    Scope,
    SlatePlan,
    TraitDeclaration,
)

NIGHT = QuietHours("night", 21 * 60, 8 * 60, "Europe/Paris", ("subject.zone", "context.zone"))
ALL_OF_IT = ["apples", "pears", "plums"]


def desk(folder: Path, *quiet: QuietHours) -> Desk:
    declared = Control(
        quiet_hours=quiet or (NIGHT,),
        traits=(TraitDeclaration("zone", "text"),),
        context=(ContextDeclaration("zone", "text"),),
        slates=(SlatePlan("home", "email"),),
    )
    return shop(folder, declared)


def at(text: str) -> int:
    """A time in UTC, ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2024-01-15T19:59:59", True),  # 20:59:59 in Paris, in winter
        ("2024-01-15T20:00:00", False),
        ("2024-01-16T06:59:59", False),
        ("2024-01-16T07:00:00", True),
        ("2024-07-15T18:59:59", True),  # in summer
        ("2024-07-15T19:00:00", False),
        ("2024-07-16T05:59:59", False),
        ("2024-07-16T06:00:00", True),
        ("2024-03-31T05:59:59", False),  # the night in which the clocks went forward
        ("2024-03-31T06:00:00", True),
        ("2024-10-27T06:59:59", False),  # and back
        ("2024-10-27T07:00:00", True),
    ],
)
def test_quiet_hours_go_by_the_zone_over_midnight_and_summer_time(tmp_path: Path, moment: str, is_open: bool) -> None:
    """From 21:00 to 8:00 in Paris nothing is shown, in winter, in summer and when the clocks change."""
    assert desk(tmp_path).items(at=at(moment)) == ALL_OF_IT * is_open


@pytest.mark.parametrize(
    ("zone", "is_open"),
    [
        ("Asia/Tokyo", False),
        ("America/New_York", True),
        ("Mars/Olympus", True),
        ("../etc/passwd", True),
        ("America", True),
    ],
)
def test_the_zone_is_the_subjects_own(tmp_path: Path, zone: str, is_open: bool) -> None:
    """At 13:00 in Paris it is 21:00 in Tokyo and 7:00, so quiet, in New York; what is no zone leaves the policy's."""
    noon = at("2024-01-15T12:00:00")
    by_trait, by_context = desk(tmp_path / "trait"), desk(tmp_path / "context")
    by_trait.tell(Traits((Trait("zone", zone),)))
    expected = ALL_OF_IT * (is_open and zone != "America/New_York")
    assert by_trait.items(at=noon) == expected
    assert by_context.items(at=noon, context={"zone": zone}) == expected
    assert by_trait.items(at=noon + 3 * 3_600_000) == ALL_OF_IT * (zone != "Asia/Tokyo")


def test_the_first_zone_that_is_there_holds(tmp_path: Path) -> None:
    """The subject's trait before the context, in the order of the playbook."""
    told = desk(tmp_path)
    told.tell(Traits((Trait("zone", "Europe/Paris"),)))
    assert told.items(at=at("2024-01-15T12:00:00"), context={"zone": "Asia/Tokyo"}) == ALL_OF_IT


def test_quiet_hours_are_about_their_scope(tmp_path: Path) -> None:
    """Of items and channels: what is outside of it is shown at night too."""
    fruit = desk(tmp_path / "fruit", QuietHours("fruit", 0, 1_440, scope=Scope(groups=("fruit",))))
    assert fruit.items() == ["milk", "cheese", "soap"]
    email = desk(tmp_path / "email", QuietHours("no email", 0, 1_440, scope=Scope(channels=("email",))))
    assert (email.items(), email.items(context={"channel": "web"})) == ([], ALL_OF_IT)


def test_it_says_why(tmp_path: Path) -> None:
    """In words, with the time where the subject is."""
    told = desk(tmp_path)
    ground, moment = told.world.ground("home"), told.moment(None, {"zone": "Asia/Tokyo"})
    assert QuietTimes().why(ground, moment, [], 0) == [
        "quiet hours `night`: it is 07:13 in Asia/Tokyo, and quiet from 21:00 to 08:00"
    ]
    assert QuietTimes().why(ground, told.moment(None, {"zone": "America/New_York"}), [], 0) == []


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_offsets_are_those_of_the_zone_all_year(zone: str) -> None:
    """In every quarter of an hour around changes of the clocks, and once a day."""
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    moments = [begin + timedelta(days=day, minutes=15 * (day * 37 % 96)) for day in range(366)]
    moments += [
        begin + timedelta(days=day, minutes=15 * quarter)
        for day in (69, 90, 97, 278, 300, 307)
        for quarter in range(96)
    ]
    for moment in moments:
        expected = moment.astimezone(ZoneInfo(zone)).utcoffset()
        assert expected == timedelta(milliseconds=offset_ms(zone, int(moment.timestamp() * 1_000) // STEP_MS) or 0)


def test_quiet_hours_of_no_length_are_never() -> None:
    """From a time to itself is nothing; from 0:00 to 24:00 is always; the end is open."""
    assert not any(is_within(QuietHours("n", begin, begin), minute) for begin in (0, 600) for minute in range(1_440))
    assert all(is_within(QuietHours("n", 0, 1_440), minute) for minute in range(1_440))
    over = [minute for minute in range(1_440) if is_within(QuietHours("n", 1_439, 1), minute)]
    assert over == [0, 1_439]

from __future__ import annotations

from typing import Any

import pytest
from maitred_server.model import (
    Dimensions,
    Event,
    Exposure,
    Kind,
    Outcome,
    Reason,
    Record,
    Stages,
    Trait,
    Traits,
    Value,
    ValueBands,
)
from maitred_server.store import Profile
from maitred_server.subjects.dimensions import DAY_MS, dimensions, stage, value_band

SUBJECT = b"\x04shop" + bytes(16)
NOW = 1_700_000_000_000
STAGES = Stages(new_below=3, lapsing_days=30, lapsed_days=90)
BANDS = ValueBands("purchase", (("none", 0.0), ("low", 0.01), ("high", 100.0)))


def profile(*bodies: Any, at: int = NOW) -> Profile:
    """Of someone who did all this at one time; the server heard of it now."""
    records = [(n, Record(SUBJECT, Kind.PERSON, NOW, at, body)) for n, body in enumerate(bodies, 1)]
    return Profile.empty(Kind.PERSON).with_records(records)


def bought(times: int, value: float = 1.0, item: str = "MILK") -> list[Event]:
    return [Event("purchase", item, "", ("dairy", "cold"), value)] * times


@pytest.mark.parametrize(
    ("times", "days", "expected"),
    [
        (2, 0, "new"),
        (3, 0, "active"),
        (3, 29, "active"),
        (3, 30, "lapsing"),
        (2, 30, "lapsing"),
        (9, 89, "lapsing"),
        (9, 90, "lapsed"),
    ],
)
def test_stages_by_days_and_number(times: int, days: int, expected: str) -> None:
    """Days since the newest event decide first, by its own time and not by when it was told; then how much was done."""
    assert stage(STAGES, profile(*bought(times), at=NOW - days * DAY_MS), NOW) == expected


def test_a_stranger_is_new() -> None:
    """Of whom nothing is known is new, and in the first band."""
    assert dimensions(Dimensions(), {}, None, NOW) == {"stage": "new", "value_band": "none"}


def test_being_shown_something_is_no_deed() -> None:
    """Exposures and traits make nobody active; outcomes do."""
    shown = Exposure("d", "home", 1, (), "habit", Reason.HABIT, (), "1", "", NOW, 1, 0)
    assert stage(STAGES, profile(*[shown] * 9, Traits((Trait("a", "b"),))), NOW) == "new"
    assert stage(STAGES, profile(*[Outcome("click", 0.0, "MILK", "", (), "d")] * 3), NOW) == "active"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], "none"),
        (bought(1, 0.0), "none"),
        (bought(1, -5.0), "none"),
        (bought(1, 0.01), "low"),
        (bought(99), "low"),
        (bought(60) + bought(40, item="TEA"), "high"),
        ([Event("purchase", value=100.0)], "high"),
        ([Event("view", "MILK", value=500.0)], "none"),
    ],
)
def test_bands_by_summed_value(events: list[Event], expected: str) -> None:
    """The value of everything of the counted type is summed once, whatever items, groups and variants it was about."""
    assert value_band(BANDS, profile(*events, Traits((Trait("a", "b"),)))) == expected


def test_the_context_keeps_declared_texts_only() -> None:
    """Declared keys that hold a text are kept, cut at 64 characters; numbers, empty texts and other keys are not."""
    context: dict[str, Value] = {
        "region": "north",
        "device": "d" * 65,
        "store": 330.0,
        "channel": "",
        "weather": "rain",
    }
    found = dimensions(Dimensions(), context, None, NOW)
    assert found == {"stage": "new", "value_band": "none", "region": "north", "device": "d" * 64}
    found = dimensions(Dimensions(context=("weather",)), context, None, NOW)
    assert found == {"stage": "new", "value_band": "none", "weather": "rain"}

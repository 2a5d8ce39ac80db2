"""What people type: rates, ramps, mixes, placements, subjects, contexts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.load import parsing
from maitred_server.load.asked import Context, Mix, Outcome, Placement, Step, Subjects


def test_durations_have_units() -> None:
    """Times are written with their unit."""
    assert [parsing.duration(text, "x") for text in ("500us", "20ms", "30s", "1.5m", "1h")] == [
        0.0005,
        0.02,
        30.0,
        90.0,
        3600.0,
    ]


def test_a_ramp_has_both_its_ends() -> None:
    """from:to:step/length is a step for each rate, both ends among them; an end off the grid is not reached."""
    assert parsing.ramp("500:2000:500/5s") == tuple(Step(rate, 5.0) for rate in (500.0, 1000.0, 1500.0, 2000.0))
    assert [step.rate for step in parsing.ramp("0.1:0.3:0.1/1s")] == pytest.approx([0.1, 0.2, 0.3])
    assert [step.rate for step in parsing.ramp("100:250:100/1s")] == [100.0, 200.0]


def test_a_load_is_bounded_by_time_and_count() -> None:
    """Without a bound it takes ten seconds; a count alone takes as long as it takes, within a day."""
    assert parsing.steady(50.0, None, None) == Step(50.0, 10.0)
    assert parsing.steady(50.0, "2s", 7) == Step(50.0, 2.0, 7)
    assert parsing.steady(50.0, None, 7) == Step(50.0, 24 * 3600.0, 7)


def test_a_mix_is_shares_of_answered_decisions() -> None:
    """Outcomes may be several; decide may be named and is always 1."""
    expected = Mix(0.8, (Outcome("click", 0.1), Outcome("purchase", 0.02)))
    assert parsing.mix("decide=1,expose=0.8,outcome=0.1:click,outcome=0.02:purchase") == expected
    assert [parsing.mix(text).feedback for text in ("decide=1", "expose=0.5")] == [False, True]


def test_placements_may_name_their_slots() -> None:
    """NAME asks for what the playbook gives; NAME:slots for so many."""
    assert parsing.placements(["home:3", "banner"]) == (Placement("home", 3), Placement("banner"))


def test_subjects_are_drawn_or_read(tmp_path: Path) -> None:
    """A law with its numbers, or a file that is there."""
    file = tmp_path / "ids.txt"
    file.write_text("a\n")
    assert parsing.subjects("zipf:1.1:1000", "x-", "device") == Subjects("", 1000, 1.1, "x-", "device")
    assert parsing.subjects("uniform:50", "x-", "") == Subjects("", 50, 0.0, "x-", "")
    assert parsing.subjects(str(file), "x-", "").file == str(file)


def test_a_context_is_typed() -> None:
    """Values are JSON where they are JSON, else texts."""
    found = parsing.context(["device=phone", "age=30", "vip=true", 'tags=["a","b"]', "store="])
    assert found == Context({"device": "phone", "age": 30.0, "vip": True, "tags": ["a", "b"], "store": ""})


@pytest.mark.parametrize(
    ("read", "text", "right"),
    [
        (lambda text: parsing.duration(text, "duration"), "30", "30s"),
        (lambda text: parsing.duration(text, "duration"), "25h", "at most 24h"),
        (parsing.rate, "0", "above 0"),
        (parsing.rate, "nan", "above 0"),
        (parsing.rate, "2000000", "at most 1,000,000"),
        (parsing.ramp, "500-1000", "500:20000:500/5s"),
        (parsing.ramp, "1000:500:100/5s", "goes up"),
        (parsing.ramp, "1:100000:1/1s", "at most 500"),
        (parsing.ramp, "1:400:1/1h", "longer than 24h"),
        (lambda text: parsing.steady(1.0, None, int(text)), "0", "1 to 100,000,000"),
        (parsing.mix, "show=0.5", "decide=1,expose=0.8"),
        (parsing.mix, "expose=1.5", "from 0 to 1"),
        (parsing.mix, "decide=0.5", "decide is always 1"),
        (parsing.mix, "expose=0.1,outcome=0.2:click", "at most that of expose"),
        (parsing.mix, "expose=1,outcome=0.2", "outcome=0.1:clicked"),
        (lambda text: parsing.placements([text]), "home:0", "NAME:slots"),
        (lambda text: parsing.placements([text, text]), "home", "each placement once"),
        (lambda text: parsing.placements([]), "", "what is asked for"),
        (lambda text: parsing.subjects(text, "", ""), "zipf:1.1", "zipf:1.1:1000000"),
        (lambda text: parsing.subjects(text, "", ""), "uniform:0", "out of bounds"),
        (lambda text: parsing.subjects(text, "", ""), "nobody.txt", "no file"),
        (lambda text: parsing.context([text]), "device", "KEY=VALUE"),
        (lambda text: parsing.context([text]), 'x={"a": 1}', "a list of texts"),
        (parsing.kind, "people", "person, household"),
    ],
)
def test_a_mistake_says_what_is_right(read: Callable[[str], object], text: str, right: str) -> None:
    """What cannot be understood is refused with what would be right."""
    with pytest.raises(InvalidRequest) as refused:
        read(text)
    assert right in refused.value.message

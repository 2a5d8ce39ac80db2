"""What a subject said it does not want to see."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.desk import Desk, intensity, profile, publish
from maitred_server.decide.wish_filter import NotForMe
from maitred_server.model import Event, Intensity, Objection
from maitred_server.playbook.control import Control

EVERYTHING = {"APPLES", "PEARS", "BREAD", "MILK", "SOAP"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(publish(tmp_path, Control()))


def shown(desk: Desk, *pending: Objection) -> set[str]:
    return {
        choice.item
        for decision in desk.answer("home", "lottery", pending=pending).decisions
        for choice in decision.slate
    }


def test_an_item_goes_and_comes_back(desk: Desk) -> None:
    """An objection hides the item; taken back, it is shown again."""
    desk.tell(Objection(item="MILK"))
    assert shown(desk) == EVERYTHING - {"MILK"}
    desk.tell(Objection(item="MILK", withdrawn=True))
    assert shown(desk) == EVERYTHING


def test_a_group_goes_with_all_its_items(desk: Desk) -> None:
    """Items of other groups stay, names that nothing has change nothing."""
    desk.tell(Objection(group="fruit"), Objection(item="NOTHING"), Objection(group="nothing"))
    assert shown(desk) == EVERYTHING - {"APPLES", "PEARS"}


def test_what_travels_along_holds_at_once(desk: Desk) -> None:
    """The objection that is not durable yet hides, and one that is on its way to be taken back does not."""
    assert shown(desk, Objection(item="MILK"), Objection(group="home")) == EVERYTHING - {"MILK", "SOAP"}
    desk.tell(Objection(item="MILK"))
    assert shown(desk, Objection(item="MILK", withdrawn=True)) == EVERYTHING


@pytest.mark.parametrize("level", Intensity)
def test_it_holds_whatever_may_be_used(desk: Desk, level: Intensity) -> None:
    """Wishes are no profiling: they hold at every intensity."""
    desk.tell(intensity(level), Event("purchase", "MILK"), Objection(item="MILK"))
    assert shown(desk) == EVERYTHING - {"MILK"}


def test_it_says_why(desk: Desk) -> None:
    """For each row what the subject objected to: the item, or each of its groups."""
    who = profile(Objection(item="APPLES"), Objection(group="fruit"))
    ground, moment = desk.world.ground("home"), desk.moment(who)
    items = [desk.world.catalogue.item(int(action)) for action in ground.actions]
    words = {item: NotForMe().why(ground, moment, [], row) for row, item in enumerate(items)}
    of_group = "the subject does not want to see anything of group `fruit`"
    assert words == {
        "APPLES": ["the subject does not want to see it", of_group],
        "PEARS": [of_group],
        "BREAD": [],
        "MILK": [],
        "SOAP": [],
    }


def test_who_objected_to_nothing_costs_nothing(desk: Desk) -> None:
    """Without objections the filter closes no row, and makes no column."""
    for who in (None, profile(Event("purchase", "MILK")), profile(Objection(item="MILK", withdrawn=True))):
        assert NotForMe().open(desk.world.ground("home"), desk.moment(who), []) is None

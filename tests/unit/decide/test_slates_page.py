"""docs/slates.md: its example is a playbook, and what the page says of it is what is decided."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness.desk import Desk
from harness.shop import decided, snapshot
from maitred_server.decide.arbitration import factors
from maitred_server.decide.scoring import served_by, situation
from maitred_server.decide.world import World
from maitred_server.model import Event
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.loader import load

PAGE = (Path(__file__).parents[3] / "docs" / "slates.md").read_text()
EXAMPLE = {
    match["file"]: match["body"].encode()
    for match in re.finditer(r"^`(?P<file>[\w.]+)`\n\n```\w+\n(?P<body>.*?)^```", PAGE, re.M | re.S)
}
BOUGHT = {"apples": 60, "pears": 50, "plums": 40, "milk": 30, "cheese": 20, "tea": 10}


def tables(header: str) -> list[list[list[str]]]:
    """The cells of each table with a header."""
    bodies = re.findall(rf"^{re.escape(header)}\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.M)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()] for body in bodies]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The example, with a subject who bought apples twice."""
    folder = tmp_path_factory.mktemp("start")
    playbook = load(EXAMPLE, ())
    assert build(playbook, (), folder).warnings == ()
    found = Desk(World(Catalogue.open(folder), snapshot(BOUGHT)))
    found.tell(*[Event("purchase", "apples", groups=("fruit",))] * 2)
    return found


def test_the_factors_are_as_the_page_says(desk: Desk) -> None:
    """Each item's score, weights and priority in the rain."""
    ground, moment = desk.world.ground("start"), desk.moment(None, {"weather": "rain"})
    served = served_by(ground.placement, moment)
    scores = served.policy.score(situation(moment, ground))
    names = ("score", "context weight", "value", "lever", "priority")
    (table,) = tables(f"| item | {' | '.join(names)} |")
    assert len(table) == len(ground.actions)
    for item, *figures in table:
        row = list(ground.actions).index(desk.world.catalogue.actions_of(item)[0])
        found = factors(ground, moment, served, scores, row, desk.world.conditions)
        assert [found[name] for name in names] == [float(figure) for figure in figures]


@pytest.mark.parametrize(("number", "weather"), [(0, "rain"), (1, "sun")])
def test_the_slates_are_as_the_page_says(desk: Desk, number: int, weather: str) -> None:
    """Slots and items in the order of filling; what is called pinned and stretch is."""
    (decision,) = decided(desk, "start", context={"weather": weather})
    table = tables("| slot | item | why |")[number]
    assert [[str(one.slot), one.item] for one in decision.slate] == [row[:2] for row in table]
    assert [one.stretch for one in decision.slate] == [why.startswith("stretch") for *_, why in table]
    assert [one.reason.name == "RULE" for one in decision.slate] == [why.startswith("pinned") for *_, why in table]

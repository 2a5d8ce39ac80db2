"""A small shop to fill slates from: items in groups, what all bought of them, and what people say of its slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from maitred_server.decide.answer import Decision
from maitred_server.decide.choice import Choice
from maitred_server.decide.overlay import NO_STATES, Overlay
from maitred_server.decide.world import World
from maitred_server.model import Event, Item, LiveState
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Control
from maitred_server.policy.snapshot import Column, PolicySnapshot
from maitred_server.store.keys import item_key, type_code
from msgspec.structs import replace

from harness.desk import Desk

# Six items, the most bought first: popularity is 60, 50, 40, 30, 20, 10.
ITEMS = (
    Item("apples", ("fruit",), {"margin": 1.0, "price": 2.0}),
    Item("pears", ("fruit",), {"margin": 2.0, "price": 3.0}),
    Item("plums", ("fruit", "offers"), {"margin": -1.0, "price": 4.0}),
    Item("milk", ("dairy",), {"margin": 4.0}),
    Item("cheese", ("dairy", "offers"), {"margin": 10.0, "price": 6.0}),
    Item("soap"),
)
BOUGHT = {item.id: 60 - 10 * place for place, item in enumerate(ITEMS)}
NOTHING_SAID = Control()
HOME = "{name: home, slots: 3, policy: popular}"


def shop(
    folder: Path,
    control: Control = NOTHING_SAID,
    *,
    placements: Sequence[str] = (HOME,),
    items: Sequence[Item] = ITEMS,
    states: Sequence[LiveState] = (),
    playbook: bytes = b"name: t\n",
    bought: Mapping[str, int] = BOUGHT,
) -> Desk:
    """A desk of a shop. `placements`: each as one line of YAML. `bought`: how often all together bought each item."""
    lines = "".join(f"  - {line}\n" for line in placements)
    files = {"playbook.yaml": playbook, "placements.yaml": f"placements:\n{lines}".encode()}
    build(replace(loader.load(files, imported=items), control=control), items, folder)
    catalogue = Catalogue.open(folder)
    return Desk(World(catalogue, snapshot(bought), overlay=Overlay.of(catalogue, NO_STATES.with_states(states))))


def snapshot(bought: Mapping[str, int]) -> PolicySnapshot:
    """What is popular."""
    rows = sorted((item_key(item), count) for item, count in bought.items())
    keys, counts = zip(*rows, strict=True) if rows else ((), ())
    column = Column(np.array(keys, np.uint64), np.array(counts, np.int64))
    return PolicySnapshot("1", 0, {type_code("purchase"): column})


def purchase(item: str, items: Sequence[Item] = ITEMS) -> Event:
    """The subject buys an item."""
    return Event("purchase", item, groups=next(one.groups for one in items if one.id == item))


def decided(desk: Desk, *placements: str, **more: Any) -> list[Decision]:
    """The decisions of a page."""
    return list(desk.answer(*placements, **more).decisions)


def slate(desk: Desk, placement: str = "home", **more: Any) -> list[Choice]:
    """The choices of one placement, in the order in which they were filled."""
    return list(decided(desk, placement, **more)[0].slate)


def shown(desk: Desk, placement: str = "home", **more: Any) -> list[str]:
    """The items of one placement, by slot; "" for a slot that stayed empty before the last."""
    return by_slot(slate(desk, placement, **more))


def by_slot(choices: Sequence[Choice]) -> list[str]:
    """Items by slot."""
    items = {choice.slot: choice.item for choice in choices}
    return [items.get(slot, "") for slot in range(max(items, default=-1) + 1)]

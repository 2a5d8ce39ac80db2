"""A small page to simulate: pins, caps, reserved and stretch slots, limits of groups, rules and weights together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from maitred_server.decide.ask import Ask
from maitred_server.decide.moment import Moment
from maitred_server.decide.pipeline import moment_of
from maitred_server.decide.profile import Known
from maitred_server.decide.world import World
from maitred_server.model import Body, Event, Exposure, Kind, Reason, Record, Shown, Value
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy import POLICIES
from maitred_server.policy.exploring import LEARNED
from maitred_server.policy.snapshot import Column, PolicySnapshot
from maitred_server.store import Profile
from maitred_server.store.keys import item_key, type_code
from maitred_server.subjects.assignment import NOT_ASSIGNED

from maitred_tools.bench import lessons

NOW: Final = 1_700_000_000_000
SUBJECT: Final = b"\x04shop" + bytes(16)
PAGE: Final = ("window", "till")
GROUPS: Final = {"fruit": "apples pears", "dairy": "milk cheese", "bakery": "rye rolls", "home": "soap candles"}
GROUP: Final = {item: group for group, items in GROUPS.items() for item in items.split()}
BOUGHT: Final = {"apples": 8, "pears": 7, "milk": 6, "cheese": 5, "rye": 4, "rolls": 3, "soap": 2, "candles": 1}
SHOWN: Final = 60  # choices that the model is made of
PLACEMENTS: Final = """
placements:
  - name: window
    slots: 4
    policy: POLICY
    order: ORDER
    LEARNING
    pins: [{slot: 2, item: soap}]
    reserved: [{slot: 1, for: {groups: [dairy]}}]
    stretch: [3]
    most_per_group: 1
    value: {attribute: margin}
  - name: till
    slots: 3
    policy: POLICY
    order: ORDER
    LEARNING
    pins: [{slot: 1, item: rolls, if: 'context.weather == "rain"'}]
    group_limits: {fruit: 1}
"""
CONTROL: Final = {
    "playbook.yaml": "name: probabilities\n",
    "subjects.yaml": "context: [{name: weather, type: text}]\n",
    "contact_policies.yaml": """
contact_policies:
  - {name: not too often, counts: exposure, most: 2, window: 7d, per: item}
  - {name: not too much of a kind, counts: exposure, most: 3, window: 7d, per: group}
""",
    "rules.yaml": """
rules:
  - {name: no candles, layer: eligibility, if: 'context.weather != "sun"', for: {items: [candles]}}
""",
    "arbitration.yaml": """
levers: [{name: cheese, factor: 1.5, for: {items: [cheese]}}]
context_weights: [{name: rain, weight: 1.4, if: 'context.weather == "rain"', for: {groups: [bakery]}}]
""",
}


def files(policy: str) -> dict[str, bytes]:
    """The small playbook, served by a policy."""
    items = "".join(
        f"  - {{id: {item}, groups: [{group}], attributes: {{margin: {1 + place % 3}}}}}\n"
        for place, (item, group) in enumerate(GROUP.items())
    )
    learning = "learning: {exploration: 0.9, scale: 3}" if policy in LEARNED else ""
    placements = PLACEMENTS.replace("POLICY", policy).replace("LEARNING", learning)
    placements = placements.replace("ORDER", f"[{', '.join(BOUGHT)}]")
    written = {**CONTROL, "items.yaml": f"items:\n{items}", "placements.yaml": placements}
    return {name: text.encode() for name, text in written.items()}


def world(folder: Path, policy: str) -> World:
    """The playbook, built and opened, with what all together bought, and for a learned policy a model."""
    build(loader.load(files(policy), [], POLICIES), [], folder)
    keys, counts = zip(*sorted((item_key(item), count) for item, count in BOUGHT.items()), strict=True)
    column = Column(np.array(keys, np.uint64), np.array(counts, np.int64))
    fresh = World(Catalogue.open(folder), PolicySnapshot("1", 0, {type_code("purchase"): column}))
    return lessons.taught(fresh, moments(fresh), SHOWN) if policy in LEARNED else fresh


def moments(published: World) -> list[Moment]:
    """A stranger; one who buys fruit; the same in the rain, who saw two items as often as may be; one in the sun."""
    fruit: list[Body] = [bought("apples")] * 3
    seen: list[Body] = [shown(item, n) for n in range(2) for item in ("pears", "milk")]
    rain: dict[str, Value] = {"weather": "rain"}
    return [
        moment(published, [], {"weather": "fog"}),
        moment(published, fruit, {"weather": "fog"}),
        moment(published, [*fruit, *seen], rain),
        moment(published, [*seen, bought("rye")], {"weather": "sun"}),
    ]


def bought(item: str) -> Event:
    """Of an item."""
    return Event("purchase", item, groups=(GROUP[item],))


def shown(item: str, showing: int) -> Exposure:
    """Of an item, in the window."""
    choice = Shown(0, item, "", (GROUP[item],), 1.0, None, 1.0, Reason.POPULAR)
    decision = f"{showing:02x}{item_key(item):030x}"
    return Exposure(decision, "window", 0, (choice,), "popular", Reason.POPULAR, (), "1", "", NOW, 1, 0)


def moment(published: World, known: Sequence[Body], context: Mapping[str, Value]) -> Moment:
    """Of a subject of whom this is known."""
    records = [(n, Record(SUBJECT, Kind.PERSON, NOW - 1, NOW - 1, body)) for n, body in enumerate(known, 1)]
    profile = Profile.empty(Kind.PERSON).with_records(records) if records else None
    ask = Ask("shop", SUBJECT, Kind.PERSON, {}, [(name, 0) for name in PAGE], context=context)
    view = published.sight.see(profile, Kind.PERSON, context)
    who = Known(SUBJECT, Kind.PERSON, profile, SUBJECT)
    return moment_of(published, ask, who, view, NOT_ASSIGNED, NOW)

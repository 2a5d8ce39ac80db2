"""What is worked out in fewer steps, beside the plain way to work it out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.desk import NOW, SUBJECT, Desk, profile, record
from harness.shop import ITEMS, shop
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.decide.answer import Decision
from maitred_server.decide.choice import Choice, with_remaining
from maitred_server.decide.contacts import Contacts
from maitred_server.decide.own import OwnIndex
from maitred_server.decide.scoring import closed_where
from maitred_server.model import Entry, Event, Reason
from maitred_server.playbook.control import ContactPolicy, Control, Counted, Scope
from maitred_server.playbook.rules.gate import OfValue
from maitred_server.policy.base import CLOSED
from maitred_server.policy.features import KeyIndex
from maitred_server.store.keys import ALL_PLACEMENTS_KEY, group_key, item_key
from maitred_tools.bench.plainly import DAY, Happened, Thing
from msgspec.structs import astuple, replace

NAMES = [f"item-{number}" for number in range(8)]
DEEDS = st.lists(st.tuples(st.sampled_from(["purchase", "view"]), st.sampled_from([*NAMES, "elsewhere"])), max_size=12)


@given(DEEDS, st.lists(st.integers(0, 3), min_size=len(NAMES), max_size=len(NAMES)))
def test_own_counts_are_those_of_all_counters(deeds: list[tuple[str, str]], variants: list[int]) -> None:
    """Whatever a subject did, and however many variants each item has, down to none: as if each row was looked up."""
    keys = np.array([item_key(name) for name in NAMES], np.uint64).repeat(variants)
    known = profile(*(Event(type_, item) for type_, item in deeds))
    table = known.counters("purchase")
    found = OwnIndex.lay("purchase", keys).of(known.rows)
    column = np.zeros(len(keys))
    if found is not None:
        column[found.rows] += found.counts
    assert column.tolist() == KeyIndex(keys).scatter(table.keys, table.counts).tolist()


@given(
    st.lists(st.sampled_from([1.0, 2.5, -3.0, np.nan, np.inf, -np.inf]), max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_what_is_no_number_is_closed(priority: list[float], opened: list[bool]) -> None:
    """NaN and infinity never win, and no more does what a filter closed; the rest keeps its priority."""
    rows = np.array(opened[: len(priority)], np.bool_)
    expected = [one if np.isfinite(one) and is_open else CLOSED for one, is_open in zip(priority, rows, strict=True)]
    assert closed_where(np.array(priority), rows).tolist() == expected


def test_nouns_made_again_differ_in_one_field(tmp_path: Path) -> None:
    """Of a choice, a decision and a moment all fields but the new one are as they were."""
    choice = Choice(1, 2, "a", "b", Reason.HABIT, 0.5, 0.25, 3.0, True, None, "why", b"c", b"f", True, 7)
    assert with_remaining([choice, choice], [4, None]) == [choice._replace(remaining=4), choice]
    decision = Decision("id", "home", [choice], Reason.HABIT, "habit", 1, 2, "web", "space")
    assert decision.with_slate([]) == decision._replace(slate=[])
    desk = shop(tmp_path)
    contacts = Contacts(None, NOW, desk.world.catalogue.group_keys)
    moment = replace(desk.moment(None), contacts=contacts)
    assert astuple(moment.for_page(contacts))[:-1] == astuple(moment)[:-1]


def capped(folder: Path, chance: random.Random) -> Desk:
    scopes = (Scope(), Scope(groups=("fruit",)), Scope(items=("milk", "soap")))
    caps = tuple(
        ContactPolicy(
            f"p{number}",
            "exposure",
            chance.randrange(1, 9),
            DAY,
            per=chance.choice(["item", "group", "all"]),
            scope=chance.choice(scopes),
        )
        for number in range(3)
    )
    return shop(folder, Control(contact_policies=caps), placements=("{name: home, slots: 4, policy: popular}",))


def shown(desk: Desk, chance: random.Random) -> None:
    for one in chance.choices(ITEMS, k=chance.randrange(5)):
        thing = Thing(one.id, one.groups)
        desk.tell(Happened(NOW - chance.randrange(2 * DAY), "exposure", (thing,), "home", "").body)


@pytest.mark.parametrize("seed", range(12))
def test_a_first_look_at_bounds_changes_nothing(tmp_path: Path, monkeypatch: Any, seed: int) -> None:
    """Slates are the same when every policy is asked again after every choice, as if each bound could be reached."""
    chance = random.Random(seed)
    desk = capped(tmp_path, chance)
    shown(desk, chance)
    quick = desk.answer("home").decisions
    monkeypatch.setattr(Contacts, "may_use_up", lambda self, contact, slots: True)
    assert desk.answer("home").decisions == quick


@pytest.mark.parametrize("seed", range(12))
def test_windows_that_cannot_matter_need_no_counting(tmp_path: Path, seed: int) -> None:
    """How often each choice may still be shown is the least that any policy leaves, when every window is counted."""
    chance = random.Random(seed)
    whole, fruit = Scope(), Scope(groups=("fruit",))
    kinds: list[tuple[Counted, Scope]] = [("item", whole), ("item", fruit), ("group", whole), ("all", whole)]
    caps = tuple(
        ContactPolicy(f"p{number}", "exposure", chance.randrange(8, 16), days * DAY, per=per, scope=scope)
        for number, (days, (per, scope)) in enumerate(zip((1, 2, 3, 9) * 3, kinds * 3, strict=True))
    )
    desk = shop(tmp_path, Control(contact_policies=caps), placements=("{name: home, slots: 3, policy: popular}",))
    for one in chance.choices(ITEMS, k=7):
        at = NOW - chance.randrange(10 * DAY)
        desk.store.submit([Entry(record(Happened(at, "exposure", (Thing(one.id, one.groups),), "home", "").body, at))])
    (decision,) = desk.answer("home").decisions
    assert decision.slate
    assert [one.remaining for one in decision.slate] == [
        left_by_all(desk, caps, one, decision) for one in decision.slate
    ]


def left_by_all(desk: Desk, caps: Sequence[ContactPolicy], chosen: Choice, decision: Decision) -> int:
    """Of one choice, policy by policy."""
    profile, groups = desk.store.profile(SUBJECT), {item.id: item.groups for item in ITEMS}
    assert profile is not None
    left = []
    for cap in caps:
        shares: dict[int, int] = {}
        if cap.per == "item" and set(cap.scope.groups) <= set(groups[chosen.item]):
            shares = {item_key(chosen.item): 1}
        elif cap.per == "group":
            shares = {
                group_key(name): sum(name in groups[one.item] for one in decision.slate) for name in groups[chosen.item]
            }
        elif cap.per == "all":
            shares = {ALL_PLACEMENTS_KEY: 1}
        since = NOW - cap.window_ms + 1
        left += [(cap.most - profile.window("exposure", key, since)) // share for key, share in shares.items()]
    return max(min(left), 1)


@pytest.mark.parametrize("most", [1, 7, 8, 9, 10, 30])
def test_a_bound_closes_whatever_its_size(tmp_path: Path, most: int) -> None:
    """One showing less than the bound leaves an item open for one more, the next closes it, its group alike."""
    pers: tuple[Counted, ...] = ("item", "group")
    caps = tuple(ContactPolicy(f"per {per}", "exposure", most, DAY, per=per) for per in pers)
    desk = shop(tmp_path, Control(contact_policies=caps), placements=("{name: home, slots: 1, policy: popular}",))
    thing = Happened(NOW - 5, "exposure", (Thing("apples", ("fruit",)),), "home", "").body
    desk.tell(*[thing] * (most - 1))
    (last,) = desk.answer("home").decisions[0].slate
    assert (last.item, last.remaining) == ("apples", 1)
    desk.tell(thing)
    assert [one.item for one in desk.answer("home").decisions[0].slate] == ["milk"]


@pytest.mark.parametrize("ages", [(18.0, 30.0, 18.0, 30.0, float("nan"), 18.0)])
def test_what_a_value_closed_is_remembered_by_it(ages: tuple[float, ...]) -> None:
    """Asked again, and with another value in between, the rows that are left are those of the first time."""
    frames, calls = [[age] for age in ages], []

    def looked_up(value: float) -> int:
        calls.append(value)
        return 0b0011 if value > 20 else 0b0101

    one = OfValue(lambda frame: frame[0])
    one.compared.append((0b0111, looked_up))
    found = [one.closed(frame) for frame in frames]
    assert found == [0b0010, 0b0100, 0b0010, 0b0100, 0b0010, 0b0010]
    assert calls[:2] == [18.0, 30.0]
    assert len(calls) == 3

"""What contact policies say of a profile's counters: as Python code says it, and as compiled code does."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from harness.desk import NOW, SUBJECT
from harness.shop import ITEMS, shop
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.decide.allowance import Allowance
from maitred_server.decide.capped import Capped, plain_add_up
from maitred_server.decide.caps import NO_HITS, Hits
from maitred_server.decide.contact import ContactGround
from maitred_server.decide.contacts import Contacts
from maitred_server.decide.ground import Ground
from maitred_server.model import Kind, Record
from maitred_server.playbook.control import ContactPolicy, Control, Scope
from maitred_server.policy.base import Keys
from maitred_server.store import Profile
from maitred_server.store.counters import plain_value_at
from maitred_server.store.windows import plain_count_since
from maitred_tools.bench.plainly import DAY, HOUR, Happened, Thing

SCOPES = (Scope(), Scope(groups=("fruit",)), Scope(items=("milk",), groups=("offers",)), Scope(channels=("web",)))
SEEDS = st.integers(0, 2**32)


class Case:
    """Policies of a placement, and the two that keep them."""

    def __init__(self, ground: Ground, contact: ContactGround, group_keys: Keys, made: Any) -> None:
        self.ground, self.contact, self.group_keys = ground, contact, group_keys
        self.plain, self.twin = Capped(contact.table, contact.reach), made(contact.table, contact.reach)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Of some playbooks."""
    compiled = pytest.importorskip("maitred_server.compiled.contact")
    found = []
    for seed in range(6):
        caps = policies(random.Random(seed))
        desk = shop(tmp_path_factory.mktemp("shop"), Control(contact_policies=caps))
        ground = desk.world.ground("home")
        contact = ground.contact
        assert contact is not None
        found.append(Case(ground, contact, desk.world.catalogue.group_keys, compiled.Capped))
    return found


def policies(chance: random.Random) -> tuple[ContactPolicy, ...]:
    return tuple(
        ContactPolicy(
            f"p{number}",
            chance.choice(["exposure", "exposure", "outcome.dismiss"]),
            chance.choice([1, 2, 3, 5, 9, 30]),
            chance.choice([HOUR, DAY, 7 * DAY, 30 * DAY, 120 * DAY]),
            chance.choice([0, 0, 2 * HOUR, 3 * DAY, 40 * DAY]),
            chance.choice(["item", "group", "placement", "all"]),
            chance.choice(SCOPES),
        )
        for number in range(chance.randrange(1, 9))
    )


def profile_of(chance: random.Random) -> Profile:
    """Who was shown things, and dismissed some: now and then more than recent events hold."""
    number = chance.choice([0, 1, 5, 20, 60, 400])
    spread = chance.choice([HOUR, 5 * DAY, 60 * DAY, 200 * DAY])
    profile, things = Profile.empty(Kind.PERSON), [Thing(one.id, one.groups) for one in ITEMS]
    records = []
    for at in range(number):
        kind, (one, other) = chance.choice(["exposure", "exposure", "outcome.dismiss"]), chance.choices(things, k=2)
        shown = (one, other) if kind == "exposure" and one != other else (one,)
        when = NOW - int(spread * chance.random() ** 2)
        happened = Happened(when, kind, shown, chance.choice(["home", "till"]), chance.choice(["web", ""]))
        records.append((at + 1, Record(SUBJECT, Kind.PERSON, when, when, happened.body)))
    return Profile.decode(SUBJECT, profile.with_records(records).encode(SUBJECT))


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_compiled_policies_close_the_same(cases: list[Case], seed: int) -> None:
    """Whatever a subject was shown: how near it is to a bound, what is closed by what, and the rows that are left."""
    chance = random.Random(seed)
    case, profile, now = chance.choice(cases), profile_of(chance), NOW + chance.choice([0, 0, DAY])
    holding = np.array([chance.random() < 0.8 for _ in case.contact.caps], np.bool_)
    expected, found = case.plain.look(profile, now, holding), case.twin.look(profile, now, holding)
    assert listed(found) == listed(expected)
    hits = NO_HITS if expected[1] is None else Hits(*expected[1])
    assert case.twin.without(hits).tolist() == case.plain.without(hits).tolist()


def listed(look: Any) -> Any:
    spare, hits = look
    return spare, hits if hits is None else [column.tolist() for column in hits]


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_compiled_policies_leave_as_many_showings(cases: list[Case], seed: int) -> None:
    """Of some candidates beside each other, with what a page showed before; also of somebody unknown."""
    chance = random.Random(seed)
    case, profile = chance.choice(cases), chance.choice([None, profile_of(chance)])
    contacts = Contacts(profile, NOW, case.group_keys)
    rows = chance.choices(range(len(ITEMS)), k=chance.randrange(7))
    asked = contacts.chose(case.ground, rows, chance.choice(["", "web"]))
    expected = case.plain.left(contacts.profile, asked, contacts.added, NOW)
    assert case.twin.left(contacts.profile, asked, contacts.added, NOW) == expected


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.lists(st.integers(-2 * DAY, 210 * DAY), min_size=1, max_size=4))
def test_compiled_windows_are_counted_alike(seed: int, agos: list[int]) -> None:
    """Of every counter, whether recent events are asked or not; and what each is worth."""
    compiled = pytest.importorskip("maitred_server.compiled.contact")
    profile = profile_of(random.Random(seed))
    asked = [(place, NOW - ago, of) for place in range(len(profile.rows)) for ago in agos for of in (True, False)]
    expected = [plain_count_since(profile, *one) for one in asked]
    assert [compiled.count_since(profile, *one) for one in asked] == expected
    ids = [*profile.rows["id"].tolist(), seed]
    worth = [plain_value_at(profile.rows, one) for one in ids]
    assert [compiled.value_at(profile.rows, one) for one in ids] == worth


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 9)), st.lists(st.lists(st.integers(0, 2**64 - 1))), SEEDS)
def test_compiled_pages_add_up_alike(added: dict[int, int], shown: list[list[int]], seed: int) -> None:
    """Each key of each candidate counts for one more, and so does each of the page's own."""
    compiled = pytest.importorskip("maitred_server.compiled.contact")
    expected, found = dict(added), dict(added)
    allowances = [Allowance(tuple(keys), (), ()) for keys in shown]
    plain_add_up(expected, allowances, (seed, 1))
    compiled.add_up(found, allowances, (seed, 1))
    assert found == expected


def test_damaged_tables_are_refused(cases: list[Case]) -> None:
    """Nothing is read beyond what an allowance, a target, a counter or a row of flags has."""
    twin, profile = cases[0].twin, profile_of(random.Random(1))
    compiled = pytest.importorskip("maitred_server.compiled.contact")
    for packed, error in ((b"x", TypeError), (b"\0" * 24, ValueError), (b"\1" * 80, ValueError)):
        with pytest.raises(error):
            twin.left(profile, [((), (), (), packed)], {}, NOW)
    many = np.array([1 << 20])
    with pytest.raises(IndexError):
        twin.without((many, many * 0))
    with pytest.raises(IndexError):
        twin.without((many * 0, many))
    with pytest.raises(IndexError):
        compiled.count_since(profile, len(profile.rows), 0)
    with pytest.raises(ValueError, match="of each policy"):
        twin.look(profile, NOW, np.ones(0, np.bool_))

"""Contact policies at a desk: against a plain list of what happened, and one by one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness.desk import NOW, SUBJECT, Desk, consents, intensity
from harness.shop import ITEMS, shop
from maitred_server.decide.answer import Answer, Decision
from maitred_server.decide.contact_filter import TooOften
from maitred_server.decide.contacts import Contacts
from maitred_server.model import ConsentState, Entry, Event, Intensity, Item, Kind, Record, Sequenced
from maitred_server.playbook.control import ContactPolicy, Control, Pin, Scope, SlatePlan
from maitred_tools.bench import plainly as contact
from maitred_tools.bench.plainly import DAY, HOUR, Happened, Place, Thing
from msgspec.structs import replace

PLACEMENTS = (
    "{name: home, slots: 3, policy: popular}",
    "{name: banner, slots: 2, policy: popular, fallback: [soap]}",
    "{name: till, slots: 1, policy: uniform, candidates: {groups: [fruit, dairy]}}",
)
PLANS = (SlatePlan("till", "shop", pins=(Pin(0, "milk"),)), SlatePlan("home", "web"))
CHANNELS = ("web", "email", "")
SCOPES = (
    Scope(),
    Scope(groups=("fruit",)),
    Scope(items=("milk",), groups=("offers",)),
    Scope(placements=("home", "till")),
    Scope(channels=("web",)),
    Scope(items=("apples",), placements=("banner",), channels=("email", "web")),
)


def policies(chance: random.Random) -> tuple[ContactPolicy, ...]:
    return tuple(
        ContactPolicy(
            f"p{number}",
            chance.choice(["exposure", "exposure", "outcome.dismiss"]),
            chance.randrange(1, 6),
            chance.choice([HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY]),
            chance.choice([0, 0, 2 * HOUR, 3 * DAY, 40 * DAY]),
            chance.choice(["item", "group", "placement", "channel", "all"]),
            chance.choice(SCOPES),
        )
        for number in range(chance.randrange(1, 5))
    )


def capped(folder: Path, *caps: ContactPolicy, **more: Any) -> Desk:
    return shop(folder, Control(contact_policies=caps, slates=PLANS), placements=PLACEMENTS, **more)


def thing(desk: Desk, item: str) -> Thing:
    return Thing(item, desk.world.catalogue.groups_of(item))


def showing(desk: Desk, decision: Decision, at: int) -> Happened:
    things = tuple(thing(desk, choice.item) for choice in decision.slate)
    return Happened(at, "exposure", things, decision.placement, decision.channel)


def tell(desk: Desk, *happened: Happened) -> None:
    records = [Record(SUBJECT, Kind.PERSON, one.at, one.at, one.body) for one in happened]
    desk.store.submit([Entry(one) for one in records]).result()


def shown_at(desk: Desk, *times: int, item: str = "apples", placement: str = "home", channel: str = "web") -> None:
    tell(desk, *(Happened(at, "exposure", (thing(desk, item),), placement, channel) for at in times))


def choices(desk: Desk, placement: str = "home", **more: Any) -> list[str]:
    return desk.items(placement, **more)


class Simulation:
    """A subject that is shown pages, dismisses some of it, and tells some of that late."""

    def __init__(self, desk: Desk, caps: Sequence[ContactPolicy], chance: random.Random) -> None:
        self.desk, self.caps, self.chance = desk, caps, chance
        self.happened: list[Happened] = []
        self.late: list[Happened] = []
        self.now = NOW
        self.empty = 0

    def step(self) -> None:
        chance = self.chance
        self.now += chance.choice([1, 60_000, HOUR, 7 * HOUR, 2 * DAY, 9 * DAY])
        places = chance.sample(["home", "banner", "till"], chance.randrange(1, 4))
        context = {"channel": channel} if (channel := chance.choice(CHANNELS)) else {}
        pending = [
            Entry(Record(SUBJECT, Kind.PERSON, one.at, one.at, one.body), Sequenced(b"late", 1, number))
            for number, one in enumerate(self.late, 1)
        ]
        answer = self.desk.answer(*places, at=self.now, context=context, entries=pending)
        page = [self.checked(decision) for decision in answer.decisions]
        self.checked_all(answer.decisions, page)
        for one in page:
            self.happen(one)
            for seen in one.things:
                if chance.random() < 0.2:
                    self.happen(Happened(self.now, "outcome.dismiss", (seen,), one.placement, one.channel))
        if chance.random() < 0.3:
            tell(self.desk, *self.late)
            self.late = []

    def checked(self, decision: Decision) -> Happened:
        """No choice was forbidden before its page."""
        for choice in decision.slate:
            place = Place(thing(self.desk, choice.item), decision.placement, decision.channel)
            assert contact.forbidding(self.caps, place, self.happened, self.now) == []
            assert choice.remaining is None or choice.remaining >= 1
        return showing(self.desk, decision, self.now)

    def checked_all(self, decisions: Sequence[Decision], page: Sequence[Happened]) -> None:
        """Nor by what its page showed before it; and what stayed out had a reason."""
        before: list[Happened] = []
        for decision, one in zip(decisions, page, strict=True):
            for slot, seen in enumerate(one.things):
                place = Place(seen, one.placement, one.channel)
                slate = one._replace(things=one.things[:slot])
                filled = [*before, slate] if slot else before
                caps = [cap for cap in self.caps if not slot or cap.per in ("item", "group") or _of_items(cap)]
                assert contact.forbidding(caps, place, [*self.happened, *filled], self.now) == []
            if len(one.things) < self.desk.world.ground(decision.placement).placement.slots:
                self.empty += 1
                self.closed(
                    decision, [*before, *[one] * bool(one.things)], {seen.item for each in page for seen in each.things}
                )
            before += [one] * bool(one.things)

    def closed(self, decision: Decision, page: Sequence[Happened], taken: set[str]) -> None:
        """Everything else could have been forbidden."""
        ground = self.desk.world.ground(decision.placement)
        for action in ground.actions.tolist():
            item = self.desk.world.catalogue.item(action)
            place = Place(thing(self.desk, item), decision.placement, decision.channel)
            happened = [*self.happened, *page]
            assert item in taken or contact.may_be_forbidden(self.caps, place, happened, self.now), item

    def happen(self, one: Happened) -> None:
        if not one.things:
            return
        self.happened.append(one)
        if self.chance.random() < 0.2:
            self.late.append(one)
        else:
            tell(self.desk, one)


def _of_items(cap: ContactPolicy) -> bool:
    return cap.per == "all" and bool(cap.scope.items or cap.scope.groups)


@pytest.mark.parametrize("seed", range(40))
def test_no_decision_breaks_a_policy(tmp_path: Path, seed: int) -> None:
    """Random policies over pages, channels, dismissals, late and pending feedback: a plain count over all that happened
    never forbids what is shown, within a page too, and whatever is left out could have been forbidden.
    """
    chance = random.Random(seed)
    caps = policies(chance)
    simulation = Simulation(capped(tmp_path, *caps), caps, chance)
    for _ in range(40):
        simulation.step()
    assert simulation.happened


TWICE = ContactPolicy("not too often", "exposure", 2, 7 * DAY)


def test_an_item_is_not_shown_more_often_than_it_may(tmp_path: Path) -> None:
    """Twice in seven days, wherever: then not, until the first of both is seven days ago."""
    desk = capped(tmp_path, TWICE)
    shown_at(desk, NOW - 3 * DAY)
    shown_at(desk, NOW - DAY, placement="till", channel="shop")
    assert choices(desk) == ["pears", "plums", "milk"]
    assert choices(desk, at=NOW + 4 * DAY - 1) == ["pears", "plums", "milk"]
    assert choices(desk, at=NOW + 4 * DAY) == ["apples", "pears", "plums"]


def test_after_a_dismissal_an_item_is_suppressed(tmp_path: Path) -> None:
    """For as long as the policy says, to the millisecond; dismissals of others do not matter."""
    desk = capped(tmp_path, ContactPolicy("dismissed", "outcome.dismiss", 1, DAY, 30 * DAY))
    tell(desk, Happened(NOW, "outcome.dismiss", (thing(desk, "apples"),), "home", "web"))
    assert choices(desk, at=NOW + 30 * DAY - 1) == ["pears", "plums", "milk"]
    assert choices(desk, at=NOW + 30 * DAY) == ["apples", "pears", "plums"]


def test_events_count_too(tmp_path: Path) -> None:
    """What was bought once is not offered for a week."""
    desk = capped(tmp_path, ContactPolicy("bought", "purchase", 1, 7 * DAY))
    desk.tell(Event("purchase", "pears", groups=("fruit",)))
    assert choices(desk) == ["apples", "plums", "milk"]


def test_a_placement_and_a_channel_count_showings(tmp_path: Path) -> None:
    """A slate of three is one showing; a full placement leaves others open, and another channel too."""
    caps = (
        ContactPolicy("twice at home", "exposure", 2, DAY, per="placement", scope=Scope(placements=("home",))),
        ContactPolicy("thrice by email", "exposure", 3, DAY, per="channel", scope=Scope(channels=("email",))),
    )
    desk = capped(tmp_path, *caps)
    slate = tuple(thing(desk, item.id) for item in ITEMS[:3])
    tell(desk, *(Happened(NOW - n * HOUR, "exposure", slate, "home", "email") for n in range(2)))
    by_email: dict[str, Any] = {"context": {"channel": "email"}}
    assert (choices(desk), choices(desk, "banner", **by_email)) == ([], ["apples", "pears"])
    tell(desk, Happened(NOW - HOUR, "exposure", slate, "banner", "email"))
    assert (choices(desk, "banner", **by_email), choices(desk, "banner")) == ([], ["apples", "pears"])


def test_the_fallback_obeys_too(tmp_path: Path) -> None:
    """When everything is shown too often the fallback is not an exception."""
    desk = capped(tmp_path, ContactPolicy("once", "exposure", 1, DAY, scope=Scope(placements=("banner",))))
    for item in ITEMS[:5]:
        shown_at(desk, NOW - HOUR, item=item.id)
    assert choices(desk, "banner") == ["soap"]
    shown_at(desk, NOW - HOUR, item="soap")
    assert choices(desk, "banner") == []


def test_a_slate_uses_up_what_its_group_has_left(tmp_path: Path) -> None:
    """Two of a group may be shown in a day: a page shows two, and of three pins of that group the third gives way."""
    cap = ContactPolicy("two of a group", "exposure", 2, DAY, per="group")
    desk = capped(tmp_path, cap)
    page = [[choice.item for choice in one.slate] for one in desk.answer("home", "banner").decisions]
    assert page == [["apples", "pears", "milk"], ["cheese", "soap"]]
    pins = tuple(Pin(slot, item) for slot, item in enumerate(("apples", "pears", "plums")))
    pinned = shop(tmp_path / "pinned", Control(contact_policies=(cap,), slates=(SlatePlan("home", pins=pins),)))
    assert choices(pinned) == ["apples", "pears", "milk"]


def test_pending_feedback_counts(tmp_path: Path) -> None:
    """What is not durable yet, and travels along, closes as what is."""
    desk = capped(tmp_path, TWICE)
    one = Happened(NOW, "exposure", (thing(desk, "apples"),), "home", "web")
    assert choices(desk, pending=[one.body, one.body]) == ["pears", "plums", "milk"]


def test_what_a_subject_hides_is_counted_all_the_same(tmp_path: Path) -> None:
    """Caps protect the subject: they hold at every intensity, and whatever was not granted."""
    desk = capped(tmp_path, TWICE)
    shown_at(desk, NOW - HOUR, NOW)
    for level in Intensity:
        desk.tell(intensity(level), consents(service=ConsentState.REVOKED))
        assert "apples" not in choices(desk)


def remaining(desk: Desk, *placements: str, **more: Any) -> list[dict[str, int | None]]:
    decisions = desk.answer(*placements or ("home",), **more).decisions
    return [{choice.item: choice.remaining for choice in one.slate} for one in decisions]


def test_a_choice_says_how_often_it_may_still_be_shown(tmp_path: Path) -> None:
    """The least of what its policies leave; None where none restricts it; what does not count showings leaves all."""
    caps = (
        ContactPolicy("five of each", "exposure", 5, 7 * DAY, scope=Scope(groups=("fruit",))),
        ContactPolicy("dismissed", "outcome.dismiss", 1, DAY),
        ContactPolicy("nine at the till", "exposure", 9, DAY, per="placement", scope=Scope(placements=("till",))),
    )
    desk = capped(tmp_path, *caps)
    assert remaining(desk) == [{"apples": 5, "pears": 5, "plums": 5}]
    shown_at(desk, NOW - DAY, NOW - 2 * DAY, NOW - 8 * DAY)
    assert remaining(desk, "home", "till") == [{"apples": 3, "pears": 5, "plums": 5}, {"milk": 9}]
    assert remaining(desk, "banner", "home", "till")[1] == {"plums": 5, "cheese": None, "soap": None}


def test_choices_of_one_page_share_what_is_left(tmp_path: Path) -> None:
    """Ten of a group a day, of which one page shows three, are three showings of that page; likewise of a channel."""
    cap = ContactPolicy("ten of a group", "exposure", 10, DAY, per="group", scope=Scope(groups=("fruit",)))
    desk = capped(tmp_path / "group", cap)
    assert remaining(desk) == [{"apples": 3, "pears": 3, "plums": 3}]
    by_channel = ContactPolicy("seven in a channel", "exposure", 7, DAY, per="channel")
    desk = capped(tmp_path / "channel", by_channel)
    page = remaining(desk, "home", "banner", context={"channel": "web"})
    assert page == [{"apples": 3, "pears": 3, "plums": 3}, {"milk": 3, "cheese": 3}]


def items(answer: Answer) -> list[list[str]]:
    return [[choice.item for choice in one.slate] for one in answer.decisions]


@pytest.mark.parametrize("seed", range(9))
def test_a_decision_may_be_shown_as_often_as_it_says(tmp_path: Path, seed: int) -> None:
    """A cached page that is shown until its first choice has no showing left breaks no policy at its last one."""
    chance = random.Random(seed)
    caps = tuple(cap for cap in policies(chance) if cap.counts == "exposure")
    desk = capped(tmp_path, *caps, ContactPolicy("six", "exposure", 6, 30 * DAY))
    shown_at(desk, *(NOW - chance.randrange(10 * DAY) for _ in range(3)), item=chance.choice(ITEMS).id)
    answer = desk.answer("home", "banner")
    left = [choice.remaining for one in answer.decisions for choice in one.slate if choice.remaining is not None]
    for _ in range(min(left, default=1) - 1):
        tell(desk, *(showing(desk, one, NOW) for one in answer.decisions if one.slate))
    again = desk.answer("home", "banner")
    assert items(again) == items(answer)


def why(desk: Desk, item: str, placement: str = "home") -> list[str]:
    """What explanations say of an item."""
    profile = desk.store.profile(SUBJECT)
    ground = desk.world.ground(placement)
    counted = Contacts(profile, NOW, desk.world.catalogue.group_keys)
    moment = replace(desk.moment(profile), contacts=counted)
    row = next(at for at, action in enumerate(ground.actions) if desk.world.catalogue.item(int(action)) == item)
    return TooOften().why(ground, moment, [], row)


def test_it_says_why_and_until_when(tmp_path: Path) -> None:
    """In words: which policy, how often it was, how often it may be, and when it opens again."""
    caps = (TWICE, ContactPolicy("dismissed", "outcome.dismiss", 1, DAY, 30 * DAY, per="group"))
    desk = capped(tmp_path, *caps)
    shown_at(desk, NOW - 3 * DAY, NOW)
    tell(desk, Happened(NOW, "outcome.dismiss", (thing(desk, "plums"),), "home", "web"))
    assert why(desk, "apples") == [
        "contact policy `not too often`: shown 2 times in 7d, at most 2; open again at 2023-11-18 22:13:20 UTC",
        "contact policy `dismissed`: `outcome.dismiss` counted 1 time in 1d, at most 1, then nothing for 30d; "
        "open again at 2023-12-14 22:13:20 UTC",
    ]
    assert why(desk, "milk") == []


def test_what_cannot_be_known_is_closed(tmp_path: Path) -> None:
    """Of who met more than is kept of one subject: what a policy looks back for longer than that is not shown, and it
    is told; a type that never happened is known never to have happened.
    """
    caps = (TWICE, ContactPolicy("dismissed", "outcome.dismiss", 1, DAY, scope=Scope(items=("soap",))))
    desk = capped(tmp_path, *caps)
    shown_at(desk, NOW - 2 * DAY, NOW - DAY, item="milk")
    desk.tell(*(Event("call", f"other {n}") for n in range(1_100)))
    answer = desk.answer(at=NOW)
    assert [choice.item for choice in answer.decisions[0].slate] == []
    assert answer.caps_unknown == 1
    assert why(desk, "apples") == [
        "contact policy `not too often`: it cannot be known how often it was shown: more was counted of the subject "
        "than is kept"
    ]
    assert choices(desk, at=NOW + 9 * DAY) == ["apples", "pears", "plums"]


def test_what_is_known_stays_open(tmp_path: Path) -> None:
    """When less was shown in all than a policy allows of one thing, nothing can have been shown too often."""
    desk = capped(tmp_path, ContactPolicy("thrice", "exposure", 3, 7 * DAY))
    shown_at(desk, NOW - 2 * DAY, NOW - DAY, item="milk")
    desk.tell(*(Event("call", f"other {n}") for n in range(1_100)))
    answer = desk.answer(at=NOW)
    assert ([choice.item for choice in answer.decisions[0].slate], answer.caps_unknown) == (
        ["apples", "pears", "plums"],
        0,
    )


def test_a_policy_about_nothing_here_costs_nothing(tmp_path: Path) -> None:
    """A placement that no policy reaches has no contact ground; one that is reached closes no other rows."""
    desk = capped(tmp_path, ContactPolicy("elsewhere", "exposure", 1, DAY, scope=Scope(placements=("till",))))
    assert desk.world.ground("home").contact is None
    assert desk.world.ground("till").contact is not None


def test_many_items_met_are_judged_as_one_would_be(tmp_path: Path) -> None:
    """Of hundreds of items shown over weeks exactly those are closed that were shown thrice in the last three days."""
    items = tuple(Item(f"I{n:03}", ("all",)) for n in range(300))
    cap = ContactPolicy("thrice", "exposure", 3, 3 * DAY)
    home = "{name: home, slots: 50, policy: fixed, order: [" + ", ".join(item.id for item in items) + "]}"
    desk = shop(tmp_path, Control(contact_policies=(cap,)), placements=(home,), items=items, bought={})
    chance = random.Random(1)
    happened = [
        Happened(
            NOW - int(20 * DAY * chance.random() ** 2), "exposure", (thing(desk, chance.choice(items).id),), "home", ""
        )
        for _ in range(1_500)
    ]
    tell(desk, *happened)
    found = set(choices(desk))
    for number, item in enumerate(sorted(found)):
        assert contact.forbidding([cap], Place(thing(desk, item), "home", ""), happened, NOW) == [], number
    last = int(max(found)[1:])
    left_out = [item.id for item in items[:last] if item.id not in found]
    assert left_out
    assert all(
        contact.may_be_forbidden([cap], Place(thing(desk, item), "home", ""), happened, NOW) for item in left_out
    )

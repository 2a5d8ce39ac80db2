from __future__ import annotations

from collections.abc import Iterator

import pytest
from maitred import Client, Config
from maitred.testing import FakeTransport
from maitred_tools.demo import till as till_module
from maitred_tools.demo.control_files import MORE
from maitred_tools.demo.groceries import Groceries
from maitred_tools.demo.playbook import PLACEMENT
from maitred_tools.demo.tally import UNDECIDED
from maitred_tools.demo.till import Till


@pytest.fixture
def client(fake: FakeTransport) -> Iterator[Client]:
    with Client(transport=fake, config=Config(deadline=5.0)) as client:
        yield client


def test_a_visit_is_asked_for_as_of_its_time(shop: Groceries, client: Client, fake: FakeTransport) -> None:
    """The till asks for the household at the visit's instant, with its store, local hour and the kind of counter."""
    Till(client, shop).serve(next(shop.visits(1)))
    asked = fake.asked[0]
    assert (asked.subject, asked.kind, asked.at_ms) == ("household-1", "household", int(shop.at_ms[0]))
    assert asked.context == {"store": "10", "hour": 6.0, "counter": "checkout"}


def test_till_welcome_is_asked_first_on_one_page(shop: Groceries, client: Client, fake: FakeTransport) -> None:
    """Both placements are one page in this order, so that what is offered below takes nothing from above."""
    Till(client, shop).serve(next(shop.visits(1)))
    assert [asked.placement for asked in fake.asked] == [PLACEMENT, MORE]


def test_basket_is_events_and_hits_are_outcomes_too(shop: Groceries, client: Client, fake: FakeTransport) -> None:
    """Every category is an event; what was offered is an outcome of the decision that offered it, and a hit there."""
    visited = Till(client, shop).serve(next(shop.visits(1)))
    assert client.flush(5.0)
    bought = [(event.item, event.value, event.quantity, event.occurred_at_ms) for event in fake.events]
    assert bought == [("APPLES", 1.8, 3, int(shop.at_ms[0])), ("BREAD", 0.0, 1, int(shop.at_ms[0]))]
    shown = {exposure.decision_id: exposure.placement for exposure in fake.exposures}
    outcomes = [(outcome.item, shown[outcome.decision_id]) for outcome in fake.outcomes]
    assert outcomes == [("APPLES", PLACEMENT), ("BREAD", MORE)]
    assert (visited.served.hits, visited.served.offers) == (1, 3)
    assert visited.more.items == ("MILK", "BREAD")
    assert visited.basket == {"APPLES", "BREAD"}


def test_traits_are_told_once_before_the_first_visit(shop: Groceries, client: Client, fake: FakeTransport) -> None:
    """What a household told of itself goes to the server at its first visit and not again."""
    till = Till(client, shop)
    for visit in shop.visits(5):
        till.serve(visit)
    assert client.flush(5.0)
    told = [(trait.subject, trait.name, trait.value, trait.purpose) for trait in fake.traits]
    assert told == [
        ("household-1", "age", "35-44", "personalization"),
        ("household-2", "household_size", "2", "personalization"),
    ]


def test_what_is_told_comes_with_a_consent(shop: Groceries, client: Client, fake: FakeTransport) -> None:
    """A household that tells something of itself says once, before it, that it may be used; the others say nothing."""
    till = Till(client, shop)
    for visit in shop.visits(5):
        till.serve(visit)
    assert client.flush(5.0)
    said = [(consent.subject, consent.purpose, consent.state) for consent in fake.consents]
    assert said == [(f"household-{number}", "personalization", "granted") for number in (1, 2)]


def test_own_count_is_what_the_sdk_delivers(shop: Groceries, client: Client, fake: FakeTransport) -> None:
    """The till's count of events is the number that arrives: exposures, outcomes, events, consents and traits."""
    till = Till(client, shop)
    for visit in shop.visits(5):
        till.serve(visit)
    assert client.flush(5.0)
    assert till.recorded == fake.received == client.statistics().acknowledged


def test_without_an_answer_the_basket_still_counts(shop: Groceries, client: Client, fake: FakeTransport) -> None:
    """A visit without a decision is of no policy, offers nothing, and its purchases are recorded all the same."""
    fake.fail("INTERNAL")
    till = Till(client, shop)
    served, more, _ = till.serve(next(shop.visits(1)))
    fake.heal()
    assert client.flush(5.0)
    assert (served.group, served.reason, served.offers, served.hits) == (UNDECIDED, "ERROR", 0, 0)
    assert len(more) == 0
    assert (len(fake.events), len(fake.exposures), len(fake.outcomes)) == (2, 0, 0)
    assert till.recorded == fake.received


def test_after_a_kill_it_asks_until_it_is_answered(
    shop: Groceries, client: Client, fake: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patient till asks again until there is an answer, counts what fell back, and serves the visit."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            fake.heal()

    monkeypatch.setattr(till_module, "sleep", sleep)
    till = Till(client, shop)
    fake.fail()
    till.be_patient()
    served = till.serve(next(shop.visits(1))).served
    assert (served.offers, till.outage, len(waits)) == (3, 3, 3)
    assert sum(count for _, count in till.latency.counts()) == 1

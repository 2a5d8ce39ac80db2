"""The till: at each visit it asks what to show, says that it was shown, and then records the basket."""

from __future__ import annotations

import time
from functools import partial
from time import sleep
from typing import NamedTuple

from maitred import Client, Decision, Reason, Subject

from maitred_tools.demo.control_files import MORE, PURPOSE
from maitred_tools.demo.groceries import Bought, Groceries, Visit
from maitred_tools.demo.latency import ClientLatency
from maitred_tools.demo.playbook import LAYER, PLACEMENT
from maitred_tools.demo.tally import HOLDOUT, UNDECIDED, Served

COUNTER = "checkout"
JOINED = "loyalty program"
PATIENCE_S = 30.0
_AGAIN_S = 0.05


class Visited(NamedTuple):
    """One visit: what came of `till-welcome`, what `till-more` offered, and the items that were bought."""

    served: Served
    more: Decision
    basket: frozenset[str]


class Till:
    """One caller of the SDK. `recorded`: feedback events handed over; `outage`: answers that fell back after a kill."""

    def __init__(self, client: Client, shop: Groceries) -> None:
        self.latency = ClientLatency()
        self.recorded = 0
        self.outage = 0
        self._client = client
        self._shop = shop
        self._untold = set(shop.traits)
        self._patient_until = 0.0

    def serve(self, visit: Visit) -> Visited:
        """One visit, from the question to the basket."""
        subject = subject_of(visit.household)
        self._introduce(subject, visit)
        page = self._ask(subject, visit)
        for decision in page.values():
            if decision.id:
                decision.expose(at=visit.at_ms)
                self.recorded += 1
        for bought in visit.basket:
            self._sell(subject, visit, bought, page)
        return self._visited(visit, page)

    def be_patient(self) -> None:
        """The server was just killed and restarted: ask again, up to PATIENCE_S seconds, until it answers."""
        self._patient_until = time.monotonic() + PATIENCE_S

    def _introduce(self, subject: Subject, visit: Visit) -> None:
        """Before the first visit of a household in the loyalty program: its consent, and what it told of itself."""
        if visit.household in self._untold:
            self._untold.remove(visit.household)
            traits = self._shop.traits[visit.household]
            self._client.consent(subject, PURPOSE, "granted", source=JOINED, at=visit.at_ms)
            self._client.put_traits(subject, traits, source="explicit", purpose=PURPOSE, at=visit.at_ms)
            self.recorded += 2

    def _ask(self, subject: Subject, visit: Visit) -> dict[str, Decision]:
        """The whole page in one call. `till-welcome` is asked first: what is below takes nothing from it."""
        context: dict[str, str | float] = {"store": str(visit.store), "hour": visit.hour, "counter": COUNTER}
        while True:
            started = time.perf_counter_ns()
            page = self._client.decide_page((PLACEMENT, MORE), subject=subject, context=context, at=visit.at_ms)
            took = time.perf_counter_ns() - started
            if page[PLACEMENT].reason is not Reason.ERROR or time.monotonic() >= self._patient_until:
                self._patient_until = 0.0
                self.latency.record(took)
                return page
            self.outage += 1
            sleep(_AGAIN_S)

    def _sell(self, subject: Subject, visit: Visit, bought: Bought, page: dict[str, Decision]) -> None:
        """Records one category of the basket: as an event, and when it was offered as an outcome too."""
        item = self._shop.categories[bought.category]
        record = partial(self._client.record, "purchase", subject, item=item, value=bought.value, at=visit.at_ms)
        record(quantity=bought.quantity)
        self.recorded += 1
        for decision in page.values():
            if item in decision.items:
                record(decision=decision)
                self.recorded += 1

    def _visited(self, visit: Visit, page: dict[str, Decision]) -> Visited:
        basket = frozenset(self._shop.categories[bought.category] for bought in visit.basket)
        first = page[PLACEMENT]
        hits = sum(item in basket for item in first.items)
        group, reason = _group(first), first.reason.value
        served = Served(visit.number, visit.household, visit.at_ms, group, reason, len(first), hits)
        return Visited(served, page[MORE], basket)


def subject_of(household: int) -> Subject:
    """How the server knows a household."""
    return Subject(f"household-{household}", kind="household")


def _group(decision: Decision) -> str:
    """The policy whose household this is, by the server's own assignment."""
    if decision.reason is Reason.HOLDOUT:
        return HOLDOUT
    return next((arm for layer, arm in decision.arms if layer == LAYER), UNDECIDED)

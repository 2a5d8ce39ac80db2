"""The till: at each visit it asks what to show, says that it was shown, and then records the basket."""

from __future__ import annotations

import time
from functools import partial
from time import sleep

from maitred import Client, Decision, Reason, Subject

from maitred_tools.demo.groceries import Bought, Groceries, Visit
from maitred_tools.demo.latency import ClientLatency
from maitred_tools.demo.playbook import LAYER, PLACEMENT
from maitred_tools.demo.tally import HOLDOUT, UNDECIDED, Served

PURPOSE = "personalization"
PATIENCE_S = 30.0
_AGAIN_S = 0.05


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

    def serve(self, visit: Visit) -> Served:
        """One visit, from the question to the basket."""
        subject = Subject(f"household-{visit.household}", kind="household")
        self._introduce(subject, visit)
        decision = self._ask(subject, visit)
        if decision.id:
            decision.expose(at=visit.at_ms)
            self.recorded += 1
        hits = sum(self._sell(subject, visit, bought, decision) for bought in visit.basket)
        return Served(
            visit.number, visit.household, visit.at_ms, _group(decision), decision.reason.value, len(decision), hits
        )

    def be_patient(self) -> None:
        """The server was just killed and restarted: ask again, up to PATIENCE_S seconds, until it answers."""
        self._patient_until = time.monotonic() + PATIENCE_S

    def _introduce(self, subject: Subject, visit: Visit) -> None:
        """Before a household's first visit: what it told of itself."""
        if visit.household in self._untold:
            self._untold.remove(visit.household)
            traits = self._shop.traits[visit.household]
            self._client.put_traits(subject, traits, source="explicit", purpose=PURPOSE, at=visit.at_ms)
            self.recorded += 1

    def _ask(self, subject: Subject, visit: Visit) -> Decision:
        context: dict[str, str | float] = {"store": str(visit.store), "hour": visit.hour}
        while True:
            started = time.perf_counter_ns()
            decision = self._client.decide(PLACEMENT, subject=subject, context=context, at=visit.at_ms)
            took = time.perf_counter_ns() - started
            if decision.reason is not Reason.ERROR or time.monotonic() >= self._patient_until:
                self._patient_until = 0.0
                self.latency.record(took)
                return decision
            self.outage += 1
            sleep(_AGAIN_S)

    def _sell(self, subject: Subject, visit: Visit, bought: Bought, decision: Decision) -> bool:
        """Records one category of the basket: as an event, and when it was offered as an outcome too."""
        item = self._shop.categories[bought.category]
        offered = item in decision.items
        record = partial(self._client.record, "purchase", subject, item=item, value=bought.value, at=visit.at_ms)
        record(quantity=bought.quantity)
        if offered:
            record(decision=decision)
        self.recorded += 1 + offered
        return offered


def _group(decision: Decision) -> str:
    """The policy whose household this is, by the server's own assignment."""
    if decision.reason is Reason.HOLDOUT:
        return HOLDOUT
    return next((arm for layer, arm in decision.arms if layer == LAYER), UNDECIDED)

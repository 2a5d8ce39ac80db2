"""The shop as the policies see it: categories as items, what all bought so far, and what each household did."""

from __future__ import annotations

import numpy as np
from maitred_server.model import Event, Kind, Record
from maitred_server.policy.base import Positions
from maitred_server.policy.linear import Candidates
from maitred_server.policy.meeting import Stage, stage
from maitred_server.store import Profile
from maitred_server.store.keys import action_key, group_key, item_key

from maitred_tools.demo.groceries import Floats, Groceries, Visit

PURCHASE = "purchase"
_SUBJECT = b"\x05demos" + bytes(16)


class Shop:
    """Grows with each visit. Counts are of visits, by category."""

    def __init__(self, groceries: Groceries) -> None:
        names = groceries.categories
        self.size = len(names)
        self.items = np.array([item_key(name) for name in names], np.uint64)
        self.variants = np.array([action_key(name, "") for name in names], np.uint64)
        self.groups = np.array([group_key(one) for one in groceries.departments], np.uint64)
        self.owner: Positions = np.arange(self.size, dtype=np.int32)
        self.counts: Floats = np.zeros(self.size)
        self._names = names
        self._departments = groceries.departments
        self._stage = stage(self.items, self.groups, self.owner)
        self._profiles: dict[int, Profile] = {}
        self._sequence = 0

    @property
    def candidates(self) -> Candidates:
        """All categories."""
        return Candidates(self.items, self.variants, self.groups, self.owner)

    def stage(self) -> Stage:
        """With popularity as it is now."""
        return self._stage.with_shares(self.counts / max(float(self.counts.sum()), 1.0))

    def profile(self, household: int) -> Profile | None:
        """What is known of a household; None: nothing."""
        return self._profiles.get(household)

    def bought(self, visit: Visit) -> None:
        """A visit is over: the household's profile takes up what is in the basket, as events of the journal."""
        records = [(self._sequence + at, self._record(visit, at)) for at in range(len(visit.basket))]
        self._sequence += len(records)
        before = self._profiles.get(visit.household) or Profile.empty(Kind.HOUSEHOLD)
        self._profiles[visit.household] = before.with_records(records)
        self.counts[[one.category for one in visit.basket]] += 1.0

    def _record(self, visit: Visit, at: int) -> Record:
        bought = visit.basket[at]
        groups = (self._departments[bought.category],)
        body = Event(PURCHASE, self._names[bought.category], "", groups, bought.value, bought.quantity)
        return Record(_SUBJECT, Kind.HOUSEHOLD, visit.at_ms, visit.at_ms, body)

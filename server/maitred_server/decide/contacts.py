"""One decision's contacts: what was counted of its subject when it began, and what its own page adds to that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from maitred_server.decide.allowance import EXPOSURE_MASK, Allowance, Bound, showing_keys
from maitred_server.decide.capped import NO_LIMIT, Counter, add_up, counters_of
from maitred_server.decide.caps import NEAR, NO_HITS, WHOLE, Cap, Closed, Hits, Pool, Targets
from maitred_server.decide.contact import ContactGround
from maitred_server.decide.ground import Ground
from maitred_server.policy.base import Bools, Keys
from maitred_server.store import Profile, counters
from maitred_server.store.columns import find
from maitred_server.store.keys import channel_key
from maitred_server.store.windows import closed_until, count_since, counts_since, lost_through

Chosen: TypeAlias = tuple[Ground, Sequence[int], list[Allowance]]


class Contacts:
    """Of one decision: `added` grows as its page is filled."""

    def __init__(self, profile: Profile | None, now: int, group_keys: Keys) -> None:
        """`profile`: all that is kept, for caps protect the subject, whatever it lets be used; None: nothing is.

        `now`: ms. `group_keys`: of the catalogue's groups.
        """
        self.profile = profile if profile is not None and len(profile.rows) else None
        self._evicted = self.profile is not None and self.profile.evicted > 0
        self.now = now
        self.added: dict[int, int] = {}  # exposures that the page will add, by key
        self.unknown: set[str] = set()  # policies that closed all they reach: their counters cannot be known
        self._group_keys = group_keys
        self._chosen: dict[str, Chosen] = {}  # by placement, what was chosen there last
        self._spare: dict[int, int] = {}  # by what a placement obeys
        self._counters: dict[int, Counter] = {}  # of showings, by key, as far as they were asked for

    def for_page(self) -> Contacts:
        """The same before any page: a moment may be looked at more than once."""
        return Contacts(self.profile, self.now, self._group_keys)

    # What is closed

    def open_rows(self, contact: ContactGround, channel: str) -> Bools | None:
        """bool[m]: the rows of a placement that policies leave open, shown through a channel; None: all of them."""
        holding = contact.holding(channel)
        hits = self._by_table(contact, holding)
        closed = self._beside_table(contact, holding, channel) if contact.pools or self._evicted else []
        if self.added:
            closed += self._by_page(contact, holding & contact.table.shows, channel)
        return None if hits is NO_HITS and not closed else contact.without(hits, closed)

    def closed(self, contact: ContactGround, channel: str) -> list[Closed]:
        """All that policies close in a placement, for explanations."""
        holding = contact.holding(channel)
        hits = (column.tolist() for column in self._by_table(contact, holding))
        found = [Closed(cap, target, (place,)) for cap, target, place in zip(*hits, strict=True)]
        found += self._beside_table(contact, holding, channel)
        return found + list(self._by_page(contact, holding & contact.table.shows, channel) if self.added else ())

    def _by_table(self, contact: ContactGround, holding: Bools) -> Hits:
        if self.profile is None:
            return NO_HITS
        self._spare[id(contact)], hits = contact.capped.look(self.profile, self.now, holding)
        return NO_HITS if hits is None else Hits(*hits)

    def _beside_table(self, contact: ContactGround, holding: Bools, channel: str) -> list[Closed]:
        found = list(self._by_pools(contact, holding, channel)) if contact.pools else []
        return [*found, *self._unknown(contact, holding)] if self._evicted else found

    def _by_pools(self, contact: ContactGround, holding: Bools, channel: str) -> Iterator[Closed]:
        profile = self.profile
        for pool in contact.pools:
            if profile is None or not holding[pool.cap]:
                continue
            cap = contact.caps[pool.cap]
            places = _places(profile, _ids(pool, cap, channel))
            if profile.rows["count"][places].sum(dtype=np.int64) < cap.limit.most:
                continue
            counted = tuple(places.tolist())
            if closed_until(profile, counted, cap.limit, self.now) > self.now:
                yield Closed(pool.cap, WHOLE, counted)

    def _unknown(self, contact: ContactGround, holding: Bools) -> Iterator[Closed]:
        """Policies that look back further than all counters are kept, unless too little happened in all that time."""
        profile = self.profile
        if profile is None or len(profile.rows) < counters.MOST_ROWS:
            return
        for at, cap in enumerate(contact.caps):
            if holding[at] and not _is_known(profile, cap, self.now - cap.limit.back_ms + 1):
                self.unknown.add(cap.policy.name)
                yield Closed(at, WHOLE)

    # What the page adds

    def may_use_up(self, contact: ContactGround, slots: int) -> bool:
        """Whether a slate of so many slots may reach a bound that closes others; a first look at all bounds at once."""
        if contact.tightest is None:
            return False
        most = slots + max(self.added.values(), default=0)
        return self._may_reach(contact, most, contact.tightest) or any(pool.of_items for pool in contact.pools)

    def _may_reach(self, contact: ContactGround, most: int, bound: int) -> bool:
        """Whether some counter may reach a bound when so much is added to it. `bound`: the least of all in question."""
        if id(contact) not in self._spare and self.profile is not None:
            self._by_table(contact, contact.elsewhere)
        return most >= bound or most >= self._spare.get(id(contact), NEAR)

    def chose(self, ground: Ground, rows: Sequence[int], channel: str) -> list[Allowance]:
        """Some rows were chosen for a slot each. Gives what policies say of them."""
        allowances, name = self._allowances(ground, rows, channel), ground.placement.name
        keys: tuple[int, ...] = ()
        if rows:
            if name not in self._chosen:
                keys = showing_keys(name, channel)
            self._chosen[name] = ground, rows, allowances
        add_up(self.added, allowances, keys)
        return allowances

    def _allowances(self, ground: Ground, rows: Sequence[int], channel: str) -> list[Allowance]:
        contact = ground.contact
        if contact is None:
            return [Allowance((int(ground.item_keys[row]), *self._groups(ground, row)), (), ()) for row in rows]
        named = contact.named(channel)
        kept = contact.allowances.at(named)
        return [kept.get(row) or self._allowance(ground, contact, row, named) for row in rows]

    def _allowance(self, ground: Ground, contact: ContactGround, row: int, named: str) -> Allowance:
        item, groups = int(ground.item_keys[row]), self._groups(ground, row)
        return contact.allowances.put(row, named, item, groups, contact.holding(named))

    def _by_page(self, contact: ContactGround, holding: Bools, channel: str) -> Iterator[Closed]:
        """What the placements before have used up."""
        if self._may_reach(contact, max(self.added.values()), contact.table.lowest):
            yield from self.used_up(contact, contact.allowances.bounds(tuple(self.added), holding))
        for pool in contact.pools:
            if holding[pool.cap]:
                yield from self.pool_used_up(contact, pool, channel)

    def used_up(self, contact: ContactGround, bounds: Sequence[Bound]) -> Iterator[Closed]:
        """Of some counters those that reach a policy's bound with what the page shows of them."""
        counters = self._counters_of([bound.key for bound in bounds])
        for bound in bounds:
            place, counted = counters[bound.key]
            added = self.added.get(bound.key, 0)
            if added + counted < bound.least:
                continue
            places = np.array((place,) if counted else (), np.intp)
            for number, most in zip(bound.caps, bound.most, strict=True):
                if added + self.count(places, contact.caps[number]) >= most:
                    yield Closed(number, int(contact.table.targets[bound.at]), tuple(places.tolist()), added)

    def _counters_of(self, keys: Iterable[int]) -> Mapping[int, Counter]:
        """The subject's counters of showings by key, with some that are asked for; NOT_COUNTED: it has none."""
        known = self._counters
        new = [key for key in keys if key not in known]
        if new:
            known.update(counters_of(self.profile, new))
        return known

    def pool_used_up(self, contact: ContactGround, pool: Pool, channel: str) -> Iterator[Closed]:
        """Likewise of a policy over several counters."""
        cap = contact.caps[pool.cap]
        ids = _ids(pool, cap, channel)
        places, added = _places(self.profile, ids), self._added(ids)
        if added and added + self.count(places, cap) >= cap.limit.most:
            yield Closed(pool.cap, WHOLE, tuple(places.tolist()), added)

    def _groups(self, ground: Ground, row: int) -> tuple[int, ...]:
        low, high = ground.wishes.rows.searchsorted((row, row + 1))
        return tuple(self._group_keys[ground.wishes.groups[low:high]].tolist())

    # What is left

    def remaining(self, ground: Ground, rows: Sequence[int], channel: str) -> list[int | None]:
        """Of some rows that the page shows: how often it may be shown until a policy forbids one; None: no limit."""
        contact = ground.contact
        if contact is None:
            return [None] * len(rows)
        chosen = self._chosen.get(ground.placement.name)
        if chosen is not None and chosen[0] is ground and chosen[1] == rows:
            allowances = chosen[2]
        else:
            allowances = self._allowances(ground, rows, channel)
        left = contact.capped.left(self.profile, allowances, self.added, self.now)
        if contact.pools:
            self._lower_by_pools(contact, rows, channel, left)
        return [None if most == NO_LIMIT else most if most > 1 else 1 for most in left]

    def _lower_by_pools(self, contact: ContactGround, rows: Sequence[int], channel: str, left: list[int]) -> None:
        holding = contact.holding(channel) & contact.table.shows
        for pool in contact.pools:
            if holding[pool.cap]:
                most = self._left_of_pool(contact, pool, channel)
                for number in contact.reach[pool.cap, rows].nonzero()[0].tolist():
                    left[number] = min(left[number], most)

    def _left_of_pool(self, contact: ContactGround, pool: Pool, channel: str) -> int:
        cap = contact.caps[pool.cap]
        ids = _ids(pool, cap, channel)
        return (cap.limit.most - self.count(_places(self.profile, ids), cap)) // max(self._added(ids), 1)

    # Counting

    def count(self, places: Targets, cap: Cap) -> int:
        """How often some counters counted in a policy's window."""
        if self.profile is None or not len(places):
            return 0
        since = self.now - cap.limit.window_ms + 1
        if len(places) == 1:
            return count_since(self.profile, int(places[0]), since)
        return int(counts_since(self.profile, places, np.full(len(places), since)).sum())

    def _added(self, ids: Keys) -> int:
        keys = np.array(list(self.added), np.uint64) ^ EXPOSURE_MASK
        _, known = find(ids, keys)
        return sum(count for count, one in zip(self.added.values(), known.tolist(), strict=True) if one)


def _ids(pool: Pool, cap: Cap, channel: str) -> Keys:
    """Of the counters that a policy adds up."""
    if pool.ids is not None:
        return pool.ids
    return np.array([channel_key(channel) ^ cap.mask], np.uint64)


def _places(profile: Profile | None, ids: Keys) -> Targets:
    """Where the counters of some sorted ids are."""
    if profile is None:
        return np.zeros(0, np.intp)
    if len(ids) > 1:
        _, known = find(ids, profile.rows["id"])
        return known.nonzero()[0]
    at, known = find(profile.rows["id"], ids)
    return at[known]


def _is_known(profile: Profile, cap: Cap, since: int) -> bool:
    """Whether all that a policy counts since a moment is still kept; what is fewer than its bound need not be."""
    if since > lost_through(profile, cap.policy.counts):
        return True
    places = _places(profile, np.array([cap.mask], np.uint64))  # of all of its type
    return int(counts_since(profile, places, np.full(len(places), since)).sum()) < cap.limit.most

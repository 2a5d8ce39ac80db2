"""One decision's contacts: what was counted of its subject when it began, and what its own page adds to that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from maitred_server.decide.caps import WHOLE, Cap, Closed, Numbers, Pool, Targets
from maitred_server.decide.contact import ContactGround
from maitred_server.decide.ground import Ground
from maitred_server.policy.base import Bools, Keys
from maitred_server.store import Profile, counters
from maitred_server.store.columns import find
from maitred_server.store.keys import (
    ALL_PLACEMENTS_KEY,
    EXPOSURE_TYPE,
    channel_key,
    placement_key,
    type_code,
    type_mask,
)
from maitred_server.store.windows import closed, closed_until, counts_since, lost_through

NO_LIMIT = 1 << 62
EXPOSURE_MASK = np.uint64(type_mask(type_code(EXPOSURE_TYPE)))


class Hits(NamedTuple):
    """Policies that close targets, each by one counter: n of them."""

    caps: Targets  # intp[n]
    targets: Targets  # intp[n]
    places: Targets  # intp[n], in the profile's rows


_NOBODY = np.zeros(0, np.intp)
NO_HITS = Hits(_NOBODY, _NOBODY, _NOBODY)


class Contacts:
    """Of one decision: `added` grows as its page is filled."""

    def __init__(self, profile: Profile | None, now: int, group_keys: Keys) -> None:
        """`profile`: all that is kept, for caps protect the subject, whatever it lets be used; None: nothing is.

        `now`: ms. `group_keys`: of the catalogue's groups.
        """
        self.profile = profile if profile is not None and len(profile.rows) else None
        self.now = now
        self.added: dict[int, int] = {}  # exposures that the page will add, by key
        self.unknown: set[str] = set()  # policies that closed all they reach: their counters cannot be known
        self._group_keys = group_keys
        self._shown: set[str] = set()

    def for_page(self) -> Contacts:
        """The same before any page: a moment may be looked at more than once."""
        return Contacts(self.profile, self.now, self._group_keys)

    # What is closed

    def open_rows(self, contact: ContactGround, channel: str) -> Bools | None:
        """bool[m]: the rows of a placement that policies leave open, shown through a channel; None: all of them."""
        holding = contact.holding(channel)
        hits = self._by_table(contact, holding)
        closed = [*self._by_pools(contact, holding, channel), *self._unknown(contact, holding)]
        if self.added:
            closed += self._by_page(contact, holding & contact.table.shows, channel)
        return contact.without(hits.caps, hits.targets, closed) if len(hits.caps) or closed else None

    def closed(self, contact: ContactGround, channel: str) -> list[Closed]:
        """All that policies close in a placement, for explanations."""
        holding = contact.holding(channel)
        hits = (column.tolist() for column in self._by_table(contact, holding))
        found = [Closed(cap, target, (place,)) for cap, target, place in zip(*hits, strict=True)]
        found += self._by_pools(contact, holding, channel)
        found += self._unknown(contact, holding)
        return found + list(self._by_page(contact, holding & contact.table.shows, channel) if self.added else ())

    def _by_table(self, contact: ContactGround, holding: Bools) -> Hits:
        profile, table, now = self.profile, contact.table, self.now
        if profile is None:
            return NO_HITS
        rows = profile.rows
        recent = (rows["last"] > now - table.longest).nonzero()[0]
        found = table.look_up(rows["id"][recent]) if len(recent) else None
        if found is None:
            return NO_HITS
        places, at = recent[found.which], found.at
        counts, last = rows["count"][places], rows["last"][places]
        which = ((counts >= table.least[at]) & (last > now - table.latest[at])).nonzero()[0]
        if not len(which):
            return NO_HITS
        places, at, counts, last = places[which], at[which], counts[which, None], last[which, None]
        reached = (counts >= table.limits.most) & (last > now - table.held)
        hits, caps = (table.patterns[table.pattern_of[at]] & holding & reached).nonzero()
        if not len(hits):
            return NO_HITS
        places = places[hits]
        kept = closed(profile, places, table.limits.of(caps), now)
        return Hits(caps[kept], table.targets[at[hits[kept]]], places[kept])

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
        if profile is None or not profile.evicted or len(profile.rows) < counters.MOST_ROWS:
            return
        for at, cap in enumerate(contact.caps):
            if holding[at] and not _is_known(profile, cap, self.now - cap.limit.back_ms + 1):
                self.unknown.add(cap.policy.name)
                yield Closed(at, WHOLE)

    # What the page adds

    def chose(self, ground: Ground, row: int, channel: str) -> list[int]:
        """A row was chosen for a slot. Gives the keys of its groups."""
        item, groups = int(ground.item_keys[row]), self._groups(ground, row)
        name = ground.placement.name
        shown = [] if name in self._shown else [ALL_PLACEMENTS_KEY, placement_key(name)]
        if shown and channel:
            shown.append(channel_key(channel))
        self._shown.add(name)
        for key in (item, *groups, *shown):
            self.added[key] = self.added.get(key, 0) + 1
        return groups

    def _by_page(self, contact: ContactGround, holding: Bools, channel: str) -> Iterator[Closed]:
        """What the placements before have used up."""
        yield from self.used_up(contact, list(self.added), holding)
        for pool in contact.pools:
            if holding[pool.cap]:
                yield from self.pool_used_up(contact, pool, channel)

    def used_up(self, contact: ContactGround, keys: Sequence[int], holding: Bools) -> Iterator[Closed]:
        """Of some keys those that reach a policy's bound with what the page shows of them."""
        ids = np.array(keys, np.uint64) ^ EXPOSURE_MASK
        found = contact.table.look_up(ids)
        if found is None:
            return
        pairs = (contact.table.applies(found) & holding).nonzero()
        for hit, cap in zip(*(part.tolist() for part in pairs), strict=True):
            at = found.which[hit]
            places = _places(self.profile, ids[at : at + 1])
            added = self.added.get(keys[at], 0)
            if added + self.count(places, contact.caps[cap]) >= contact.caps[cap].limit.most:
                yield Closed(cap, int(contact.table.targets[found.at[hit]]), tuple(places.tolist()), added)

    def pool_used_up(self, contact: ContactGround, pool: Pool, channel: str) -> Iterator[Closed]:
        """Likewise of a policy over several counters."""
        cap = contact.caps[pool.cap]
        ids = _ids(pool, cap, channel)
        places, added = _places(self.profile, ids), self._added(ids)
        if added and added + self.count(places, cap) >= cap.limit.most:
            yield Closed(pool.cap, WHOLE, tuple(places.tolist()), added)

    def _groups(self, ground: Ground, row: int) -> list[int]:
        low, high = ground.wishes.rows.searchsorted((row, row + 1))
        keys: list[int] = self._group_keys[ground.wishes.groups[low:high]].tolist()
        return keys

    # What is left

    def remaining(self, ground: Ground, rows: Sequence[int], channel: str) -> list[int | None]:
        """Of some rows that the page shows: how often it may be shown until a policy forbids one; None: no limit."""
        contact = ground.contact
        if contact is None:
            return [None] * len(rows)
        holding = contact.holding(channel) & contact.table.shows
        left = np.full(len(rows), NO_LIMIT)
        if holding.any():
            self._by_keys(contact, ground, rows, holding, left)
        for pool in contact.pools:
            if holding[pool.cap]:
                about = contact.reach[pool.cap, rows]
                left[about] = np.minimum(left[about], self._left_of_pool(contact, pool, channel))
        return [None if most == NO_LIMIT else max(most, 1) for most in left.tolist()]

    def _by_keys(
        self, contact: ContactGround, ground: Ground, rows: Sequence[int], holding: Bools, left: Numbers
    ) -> None:
        """Lowers `left` to what single counters allow."""
        whole = (ALL_PLACEMENTS_KEY, placement_key(ground.placement.name))
        keys = [[int(ground.item_keys[row]), *whole, *self._groups(ground, row)] for row in rows]
        owners = np.arange(len(rows)).repeat([len(some) for some in keys])
        flat = [key for some in keys for key in some]
        ids = np.array(flat, np.uint64) ^ EXPOSURE_MASK
        found = contact.table.look_up(ids)
        if found is None:
            return
        owner = owners[found.which]
        hits, caps = (contact.table.applies(found) & holding & contact.reach[:, rows].T[owner]).nonzero()
        which = found.which[hits]
        allowed = contact.table.limits.most[caps]
        if self.profile is not None:
            at, known = find(self.profile.rows["id"], ids[which])
            since = self.now - contact.table.limits.window_ms[caps[known]] + 1
            allowed[known] -= counts_since(self.profile, at[known], since)
        share = np.array([self.added.get(key, 1) for key in flat])[which]
        np.minimum.at(left, owner[hits], allowed // share)

    def _left_of_pool(self, contact: ContactGround, pool: Pool, channel: str) -> int:
        cap = contact.caps[pool.cap]
        ids = _ids(pool, cap, channel)
        return (cap.limit.most - self.count(_places(self.profile, ids), cap)) // max(self._added(ids), 1)

    # Counting

    def count(self, places: Targets, cap: Cap) -> int:
        """How often some counters counted in a policy's window."""
        if self.profile is None or not len(places):
            return 0
        since = np.full(len(places), self.now - cap.limit.window_ms + 1)
        return int(counts_since(self.profile, places, since).sum())

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

"""Contact policies and quiet hours that reach a placement, resolved into rows once for each published version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from maitred_server.decide.allowance import Allowances
from maitred_server.decide.caps import Cap, CapTable, Closed, Hits, Pool, single_key
from maitred_server.decide.quiet import Quiet
from maitred_server.decide.reach import items_in, reaches
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import ContactPolicy, Scope, SlatePlan
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Keys
from maitred_server.store.keys import EXPOSURE_TYPE, channel_key, group_key, placement_key, type_code, type_mask
from maitred_server.store.windows import Limit

try:
    from maitred_server.compiled.contact import Capped
except ImportError:  # nothing was compiled here
    from maitred_server.decide.capped import Capped  # type: ignore[assignment]


class ContactGround(msgspec.Struct, frozen=True, eq=False):
    """What a placement obeys. `m`: its rows."""

    caps: tuple[Cap, ...]  # the p policies that reach it
    reach: Bools  # bool[p, m]: the rows that each may close
    table: CapTable  # of those that count items, groups, the placement, or everything
    pools: tuple[Pool, ...]  # of those that count several things together, or a channel
    elsewhere: Bools  # bool[p]: which hold in a channel that no policy names
    by_channel: Mapping[str, Bools]  # bool[p]: and in each channel that one names
    quiet: tuple[Quiet, ...]
    tightest: int | None  # the least bound over what a slate may show several of; None: there is none
    allowances: Allowances
    capped: Capped

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> ContactGround | None:
        """Of a placement; None when the playbook says nothing of the kind."""
        quiet = tuple(
            Quiet(hours, rows)
            for hours in catalogue.control.quiet_hours
            if (rows := reaches(catalogue, hours.scope, placement)) is not None
        )
        reached = [
            (_cap(policy), rows)
            for policy in catalogue.control.contact_policies
            if (rows := reaches(catalogue, policy.scope, placement)) is not None
        ]
        if not reached and not quiet:
            return None
        caps = tuple(cap for cap, _ in reached)
        reach = np.array([rows for _, rows in reached], np.bool_).reshape(len(caps), len(placement.candidates))
        pools = tuple(pool for at, cap in enumerate(caps) if (pool := _pool(catalogue, placement, cap, at)) is not None)
        named = sorted({name for cap in caps for name in cap.policy.scope.channels})
        table = CapTable.lay(catalogue, placement, caps, reach)
        return cls(
            caps,
            reach,
            table,
            pools,
            _holding(caps, None),
            {name: _holding(caps, name) for name in named},
            quiet,
            _tightest(caps, pools),
            Allowances(placement.name, table, reach),
            Capped(table, reach),
        )

    def without(self, hits: Hits, closed: Iterable[Closed]) -> Bools:
        """bool[m]: the rows that are left. `closed`: what is closed beside the hits."""
        rows = self.capped.without(hits)
        for one in closed:
            self.close(rows, one.cap, one.target)
        return rows

    def close(self, rows: Bools, cap: int, target: int) -> None:
        """Closes what a policy reaches of a target."""
        about = self.table.rows_of(target)
        rows[about] &= ~self.reach[cap, about]

    def named(self, channel: str) -> str:
        """A channel that a policy names; "" for all others, which are alike."""
        return channel if channel in self.by_channel else ""

    def holding(self, channel: str) -> Bools:
        """bool[p]: which policies hold in a channel."""
        return self.by_channel.get(channel, self.elsewhere)


def _cap(policy: ContactPolicy) -> Cap:
    limit = Limit(policy.most, policy.window_ms, policy.suppress_ms)
    return Cap(policy, limit, policy.counts == EXPOSURE_TYPE, type_mask(type_code(policy.counts)))


def _tightest(caps: tuple[Cap, ...], pools: tuple[Pool, ...]) -> int | None:
    of_items = {pool.cap for pool in pools if pool.of_items}
    shared = (cap for at, cap in enumerate(caps) if cap.shows and (cap.policy.per == "group" or at in of_items))
    return min((cap.limit.most for cap in shared), default=None)


def _holding(caps: tuple[Cap, ...], channel: str | None) -> Bools:
    scopes = (cap.policy.scope.channels for cap in caps)
    return np.array([not channels or channel in channels for channels in scopes], np.bool_)


def _pool(catalogue: Catalogue, placement: Placement, cap: Cap, at: int) -> Pool | None:
    """Of a policy that is in no table."""
    scope = cap.policy.scope
    if cap.policy.per == "channel":
        return Pool(at, None)
    if cap.policy.per != "all" or single_key(cap, placement.name) is not None:
        return None
    if scope.items or scope.groups:
        return Pool(at, _ids(cap, _members(catalogue, scope)), of_items=True)
    names = [placement_key(name) for name in scope.placements] or [channel_key(name) for name in scope.channels]
    return Pool(at, _ids(cap, np.array(names, np.uint64)))


def _members(catalogue: Catalogue, scope: Scope) -> Keys:
    """What counts for all of a scope: one group as such, else its items, so that none counts twice."""
    if len(scope.groups) == 1 and not scope.items:
        return np.array([group_key(scope.groups[0])], np.uint64)
    numbers = items_in(catalogue, scope.items, scope.groups)[catalogue.item_index]
    return np.unique(catalogue.item_keys[numbers])


def _ids(cap: Cap, keys: Keys) -> Keys:
    ids: Keys = np.sort(keys ^ np.uint64(cap.mask))
    return ids

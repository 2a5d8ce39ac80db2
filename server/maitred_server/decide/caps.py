"""Contact policies as tables: from the ids of a profile's counters to the policies that look at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import ContactPolicy
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Keys, Positions
from maitred_server.store.keys import ALL_PLACEMENTS_KEY, ANY_KEY, placement_key, type_code
from maitred_server.store.windows import Limit, Limits

WHOLE = -1  # the target of what all rows are about
NEAR = 8  # a counter is near a bound when no more is missing
_NEVER = 1 << 62
_MOST_COUNTED = (1 << 32) - 1

Numbers: TypeAlias = npt.NDArray[np.int64]
Targets: TypeAlias = npt.NDArray[np.intp]


class Cap(NamedTuple):
    """A contact policy."""

    policy: ContactPolicy
    limit: Limit
    shows: bool  # it counts exposures
    mask: int  # what turns a key into the id of its counter


class Pool(NamedTuple):
    """A policy over the sum of several counters. `ids` None: of the one of the decision's channel."""

    cap: int
    ids: Keys | None  # sorted
    of_items: bool = False


class Closed(NamedTuple):
    """A policy closes a target. `places`: its counters in the profile's rows; none: they cannot be known."""

    cap: int
    target: int
    places: tuple[int, ...] = ()
    added: int = 0  # what the page shows of it already


class Hits(NamedTuple):
    """Policies that close targets, each by one counter: n of them."""

    caps: Targets  # intp[n]
    targets: Targets  # intp[n]
    places: Targets  # intp[n], in the profile's rows


_NOBODY = np.zeros(0, np.intp)
NO_HITS: Final = Hits(_NOBODY, _NOBODY, _NOBODY)


class Found(NamedTuple):
    """Of some counters those that policies look at: h of them."""

    which: Targets  # intp[h]: the places of their ids among those that were looked up
    at: Targets  # intp[h]: and in the table


class CapTable(NamedTuple):
    """k counters that policies look at, sorted by id. A target is an item of the placement, a group, or WHOLE."""

    ids: Keys  # uint64[k]
    targets: Targets  # intp[k]: the first row of an item, the number of rows + a group's number, or WHOLE
    pattern_of: Targets  # intp[k], into `patterns`
    patterns: Bools  # bool[a, p]: which policies look at it
    least: Numbers  # int64[k]: the least bound of those
    latest: Numbers  # int64[k]: ms: how long one of those holds after the last of what it counts
    end_row: Positions  # int32[m]: the rows of row r's item end before this one
    variants: bool  # an item may have several rows
    member_rows: Positions  # int32[j]: rows by group
    member_starts: Targets  # intp[g+1]: those of a group begin here
    limits: Limits  # p of them
    held: Numbers  # int64[p], ms: the longer of window and suppression
    shows: Bools  # bool[p]
    longest: int  # ms: how long any policy holds after the last of what it counts
    types: frozenset[int]  # codes of what they count
    lowest: int  # the least bound of all
    near: int  # what counts less is near no bound

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, caps: tuple[Cap, ...], reach: Bools) -> CapTable:
        """Of the policies that reach a placement. `reach`: bool[p, m]."""
        rows = _Rows.of(catalogue, placement)
        parts = [*_items(rows, caps, reach), *_groups(rows, caps, reach), *_whole(placement, caps)]
        ids = np.concatenate([np.zeros(0, np.uint64), *(part.ids for part in parts)])
        order = ids.argsort(kind="stable")
        applies = np.concatenate([np.zeros((0, len(caps)), np.bool_), *(part.applies for part in parts)])
        patterns, pattern_of = np.unique(applies, axis=0, return_inverse=True) if len(ids) else (applies, order)
        pattern_of = pattern_of.reshape(-1)[order]
        targets = np.concatenate([np.zeros(0, np.intp), *(part.targets for part in parts)])
        most, window, suppress = np.array([cap.limit for cap in caps], np.int64).reshape(len(caps), 3).T.copy()
        held = np.maximum(window, suppress)
        lowest = int(most.min(initial=_NEVER))
        return cls(
            ids[order],
            targets[order],
            pattern_of,
            patterns,
            np.where(patterns, most, _NEVER).min(axis=1, initial=_NEVER)[pattern_of],
            np.where(patterns, held, 0).max(axis=1, initial=0)[pattern_of],
            rows.end_row,
            len(rows.first_row) < len(rows.end_row),
            rows.member_rows,
            rows.member_starts,
            Limits(most, window, suppress),
            held,
            np.array([cap.shows for cap in caps], np.bool_),
            int(held.max(initial=0)),
            frozenset(type_code(cap.policy.counts) for cap in caps),
            lowest,
            min(max(lowest - NEAR, 0), _MOST_COUNTED),
        )

    def look_up(self, ids: Keys) -> Found | None:
        """Those of some counters that policies look at; None: none."""
        if not len(self.ids):
            return None
        at = self.ids.searchsorted(ids)
        which = (self.ids.take(at, mode="clip") == ids).nonzero()[0]
        if not len(which):
            return None
        return Found(which, at[which])

    def applies(self, found: Found) -> Bools:
        """bool[h, p]: which policies look at them."""
        return self.patterns[self.pattern_of[found.at]]

    def rows_of(self, target: int) -> slice | Positions:
        """The rows that a target is about."""
        if target == WHOLE:
            return slice(None)
        group = target - len(self.end_row)
        if group < 0:
            return slice(target, int(self.end_row[target]))
        return self.member_rows[self.member_starts[group] : self.member_starts[group + 1]]


class _Part(NamedTuple):
    ids: Keys
    targets: Targets
    applies: Bools


class _Rows(NamedTuple):
    """What the rows of a placement are about."""

    catalogue: Catalogue
    first_row: Positions  # of each of its items
    item_keys: Keys
    end_row: Positions
    member_rows: Positions
    member_starts: Targets
    groups: Positions
    group_starts: Targets

    @classmethod
    def of(cls, catalogue: Catalogue, placement: Placement) -> _Rows:
        item_index = catalogue.item_index[placement.candidates]
        _, first = np.unique(item_index, return_index=True)
        offsets, groups = catalogue.item_groups_columns
        counts = (offsets[item_index + 1] - offsets[item_index]).astype(np.intp)
        starts = np.concatenate((np.zeros(1, np.intp), counts.cumsum()))
        within = np.arange(starts[-1]) - starts[:-1].repeat(counts)
        members = groups[offsets[item_index].repeat(counts) + within]
        order = members.argsort(kind="stable")
        return cls(
            catalogue,
            first.astype(np.int32),
            np.ascontiguousarray(catalogue.item_keys[placement.candidates][first]),
            item_index.searchsorted(item_index, side="right").astype(np.int32),
            np.arange(len(item_index), dtype=np.int32).repeat(counts)[order],
            members[order].searchsorted(np.arange(len(catalogue.groups) + 1)),
            members,
            starts,
        )


def _by_type(caps: tuple[Cap, ...], per: str) -> Iterator[tuple[int, list[int]]]:
    """The policies of a kind, by what they count."""
    masks = {cap.mask: None for cap in caps if cap.policy.per == per}
    for mask in masks:
        yield mask, [at for at, cap in enumerate(caps) if cap.mask == mask and cap.policy.per == per]


def _part(mask: int, keys: Keys, targets: Targets, applies: Bools) -> _Part:
    seen = applies.any(axis=1)
    return _Part(keys[seen] ^ np.uint64(mask), targets[seen], applies[seen])


def _items(rows: _Rows, caps: tuple[Cap, ...], reach: Bools) -> Iterator[_Part]:
    for mask, numbers in _by_type(caps, "item"):
        applies = np.zeros((len(rows.first_row), len(caps)), np.bool_)
        applies[:, numbers] = reach[numbers][:, rows.first_row].T
        yield _part(mask, rows.item_keys, rows.first_row.astype(np.intp), applies)


def _groups(rows: _Rows, caps: tuple[Cap, ...], reach: Bools) -> Iterator[_Part]:
    names = rows.catalogue.groups
    for mask, numbers in _by_type(caps, "group"):
        applies = np.zeros((len(names), len(caps)), np.bool_)
        for number in numbers:
            wanted = caps[number].policy.scope.groups
            met = np.zeros(len(names), np.bool_)
            met[rows.groups[reach[number].repeat(np.diff(rows.group_starts))]] = True
            applies[:, number] = met & np.array([not wanted or name in wanted for name in names], np.bool_)
        yield _part(mask, rows.catalogue.group_keys, np.arange(len(names)) + len(rows.end_row), applies)


def _whole(placement: Placement, caps: tuple[Cap, ...]) -> Iterable[_Part]:
    found: dict[int, Bools] = {}
    for at, cap in enumerate(caps):
        if (key := single_key(cap, placement.name)) is not None:
            found.setdefault(key ^ cap.mask, np.zeros(len(caps), np.bool_))[at] = True
    if not found:
        return []
    return [_Part(np.array(list(found), np.uint64), np.full(len(found), WHOLE), np.array(list(found.values())))]


def single_key(cap: Cap, placement: str) -> int | None:
    """The key of the one thing that a policy counts, whichever row is looked at; None: it is of another kind."""
    scope, per = cap.policy.scope, cap.policy.per
    if per == "placement":
        return placement_key(placement)
    if per != "all" or scope.items or scope.groups or scope.placements or scope.channels:
        return None
    return ALL_PLACEMENTS_KEY if cap.shows else ANY_KEY

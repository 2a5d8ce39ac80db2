"""A profile on the wire, with names where keys are stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias, cast

import numpy as np
from maitred.v1 import profile_pb2, types_pb2
from numpy.typing import NDArray

from maitred_server.decide.world import World
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.rpc.convert import consent_to_wire, trait_to_wire
from maitred_server.store import Profile
from maitred_server.store.keys import (
    ALL_PLACEMENTS_KEY,
    action_key,
    channel_key,
    group_key,
    item_key,
    placement_key,
)
from maitred_server.store.profiles import CounterTable, Recent
from maitred_server.subjects.consent import objected

ALL = "*"

TypeName: TypeAlias = Callable[[int], str | None]


class Named(NamedTuple):
    """What a counter is about; one of item, group, placement and channel is set, or none: all of its type."""

    item: str = ""
    variant: str = ""
    group: str = ""
    placement: str = ""  # ALL: all of them together
    channel: str = ""


class Names:
    """Names of stored keys, as far as they are known; else "#" and the number."""

    def __init__(self, world: World | None, type_name: TypeName, keys: NDArray[np.uint64]) -> None:
        """`keys`: those that will be asked for; only their items are looked at."""
        self._type_name = lru_cache(type_name)
        self._keys = {ALL_PLACEMENTS_KEY: Named(placement=ALL)}
        if world:
            self._keys |= _place_names(world.catalogue)
            self._keys |= _key_names(world.catalogue, keys)

    def type(self, code: int) -> str:
        return self._type_name(code) or f"#{code}"

    def key(self, key: int) -> Named:
        return self._keys.get(key, Named(item=f"#{key}")) if key else Named()


def _place_names(catalogue: Catalogue) -> dict[int, Named]:
    """Of placements, and of the channels that the playbook names."""
    control = catalogue.control
    channels = {plan.channel for plan in control.slates}
    channels.update(name for policy in control.contact_policies for name in policy.scope.channels)
    found = {placement_key(name): Named(placement=name) for name in catalogue.placements}
    return found | {channel_key(name): Named(channel=name) for name in channels if name}


def _key_names(catalogue: Catalogue, keys: NDArray[np.uint64]) -> dict[int, Named]:
    found: dict[int, Named] = {}
    met = np.isin(catalogue.item_keys, keys) | np.isin(catalogue.action_keys, keys)
    for action in np.flatnonzero(met).tolist():
        item, variant = catalogue.item(action), catalogue.variant(action)
        found[item_key(item)] = Named(item)
        found[action_key(item, variant)] = Named(item, variant)
        found.update({group_key(group): Named(group=group) for group in catalogue.item_groups(action)})
    return found


def profile_to_wire(
    profile: Profile, world: World | None, type_name: TypeName, recent: int
) -> profile_pb2.GetProfileResponse:
    """What `GetProfile` answers. `recent`: how many of the latest events."""
    table = profile.counters()
    names = Names(world, type_name, table.keys)
    return profile_pb2.GetProfileResponse(
        kind=cast(types_pb2.SubjectKind, int(profile.kind)),
        traits=[trait_to_wire(trait) for trait in profile.traits.values()],
        counters=_counters(table, names),
        recent=[_recent(event, names) for event in profile.recent(recent)] if recent else [],
        journal_sequence=profile.sequence,
        first_seen_ms=profile.first_seen,
        last_seen_ms=profile.last_seen,
        consents=[consent_to_wire(profile.consents[purpose]) for purpose in sorted(profile.consents)],
        merged=profile.merged,
        intensity=cast(types_pb2.Intensity, int(profile.intensity or 0)),
        objections=[
            profile_pb2.Objection(item=one.item, group=one.group, since_ms=one.since)
            for one in objected(profile.stored_consents)
        ],
    )


def _counters(table: CounterTable, names: Names) -> list[profile_pb2.Counter]:
    """Most frequent first. An item in its only variant is counted under two keys; it is told once."""
    told: dict[tuple[str, Named], profile_pb2.Counter] = {}
    columns = (table.types, table.keys, table.counts, table.values, table.first, table.last)
    for code, key, count, value, first, last in zip(*(column.tolist() for column in columns), strict=True):
        about = (names.type(code), names.key(key))
        told[about] = profile_pb2.Counter(
            type=about[0], **about[1]._asdict(), count=count, value=value, first_ms=first, last_ms=last
        )
    return sorted(told.values(), key=lambda counter: -counter.count)


def _recent(event: Recent, names: Names) -> profile_pb2.RecentEvent:
    action = names.key(event.action_key)
    return profile_pb2.RecentEvent(
        type=names.type(event.type_code), item=action.item, variant=action.variant, occurred_at_ms=event.occurred_at
    )

"""Contact policies in the plainest words: a list of what happened, and a count over it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from maitred_server.model import Exposure, Outcome, Reason, Shown
from maitred_server.playbook.control import ContactPolicy

HOUR = 3_600_000
DAY = 24 * HOUR


class Thing(NamedTuple):
    """An item that was shown or dismissed, with its groups."""

    item: str
    groups: tuple[str, ...]


class Happened(NamedTuple):
    """One showing of a slate, or one outcome."""

    at: int
    type: str
    things: tuple[Thing, ...]
    placement: str
    channel: str

    @property
    def body(self) -> Exposure | Outcome:
        """As the journal has it."""
        if self.type != "exposure":
            (item, groups), name = self.things[0], self.type.removeprefix("outcome.")
            return Outcome(name, 0.0, item, "", groups, "d", self.placement, self.channel)
        shown = tuple(
            Shown(slot, item, "", groups, 1.0, None, 0.0, Reason.RULE)
            for slot, (item, groups) in enumerate(self.things)
        )
        return Exposure("d", self.placement, 1, shown, "p", Reason.RULE, (), "c", "s", 0, 1, 0, channel=self.channel)


class Place(NamedTuple):
    """What is about to be shown, and where."""

    thing: Thing
    placement: str
    channel: str


def is_about(policy: ContactPolicy, place: Place) -> bool:
    """Whether a policy restricts what is about to be shown."""
    scope, (item, groups) = policy.scope, place.thing
    return (
        (not scope.placements or place.placement in scope.placements)
        and (not scope.channels or place.channel in scope.channels)
        and (not (scope.items or scope.groups) or item in scope.items or not set(groups).isdisjoint(scope.groups))
    )


def tallies(policy: ContactPolicy, place: Place, happened: Iterable[Happened]) -> list[list[int]]:
    """The times that count together against a policy, for each thing that has a count of its own there."""
    of_type = [one for one in happened if one.type == policy.counts]
    scope = policy.scope
    if policy.per == "group":
        groups = [name for name in place.thing.groups if not scope.groups or name in scope.groups]
        return [[one.at for one in of_type for thing in one.things if name in thing.groups] for name in groups]
    return [[one.at for one in of_type for _ in range(_times(policy, place, one))]]


def _times(policy: ContactPolicy, place: Place, one: Happened) -> int:
    scope = policy.scope
    if policy.per == "item":
        return sum(thing.item == place.thing.item for thing in one.things)
    if policy.per == "placement":
        return one.placement == place.placement
    if policy.per == "channel":
        return bool(one.channel) and one.channel == place.channel
    if scope.items or scope.groups:
        return sum(thing.item in scope.items or not set(thing.groups).isdisjoint(scope.groups) for thing in one.things)
    if scope.placements or scope.channels:
        return one.placement in scope.placements if scope.placements else one.channel in scope.channels
    return 1


def is_closed(times: Sequence[int], policy: ContactPolicy, now: int, wider: int = 0) -> bool:
    """Too many in the window now, or at a moment that still holds. `wider`: ms by which both are made longer."""
    window, suppress = policy.window_ms + wider, policy.suppress_ms + wider
    if sum(now - window < at for at in times) >= policy.most:
        return True
    held = (at for at in times if policy.suppress_ms and at > now - suppress)
    return any(sum(at - window < one <= at for one in times) >= policy.most for at in held)


def forbidding(policies: Iterable[ContactPolicy], place: Place, happened: Sequence[Happened], now: int) -> list[str]:
    """The names of the policies that forbid what is about to be shown."""
    return [
        policy.name
        for policy in policies
        if is_about(policy, place) and any(is_closed(one, policy, now) for one in tallies(policy, place, happened))
    ]


def may_be_forbidden(policies: Iterable[ContactPolicy], place: Place, happened: Sequence[Happened], now: int) -> bool:
    """Whether a policy could forbid it, were each moment moved within its day."""
    return any(
        is_about(policy, place)
        and any(is_closed(one, policy, now, 2 * DAY) for one in tallies(policy, place, happened))
        for policy in policies
    )

"""The filters that keep contact policies and quiet hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from maitred_server.decide.allowance import Allowance
from maitred_server.decide.caps import NO_HITS, Cap, Closed
from maitred_server.decide.contact import ContactGround
from maitred_server.decide.contacts import Contacts
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.quiet import clock
from maitred_server.policy.base import CLOSED, Bools, Floats
from maitred_server.store.windows import closed_until

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


class TooOften:
    """Nothing is shown that was shown, or dismissed, too often."""

    name = "contact policy"

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        contact, contacts = ground.contact, moment.contacts
        if contact is None or contacts is None or (contacts.profile is None and not contacts.added):
            return None
        return contacts.open_rows(contact, ground.channel(moment.ask.context))

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        contact, contacts = ground.contact, moment.contacts
        if contact is None or contacts is None:
            return []
        words = []
        for one in sorted(contacts.closed(contact, ground.channel(moment.ask.context))):
            rows = np.ones(len(ground.actions), np.bool_)
            contact.close(rows, one.cap, one.target)
            if not rows[row]:
                words.append(_why(contact.caps[one.cap], one, contacts))
        return words


def _why(cap: Cap, closed: Closed, contacts: Contacts) -> str:
    policy, name = cap.policy, f"contact policy `{cap.policy.name}`"
    verb = "shown" if cap.shows else f"`{policy.counts}` counted"
    if not (closed.places or closed.added):
        return f"{name}: it cannot be known how often it was {verb}: more was counted of the subject than is kept"
    count = contacts.count(np.array(closed.places, np.intp), cap)
    until = closed_until(contacts.profile, closed.places, cap.limit, contacts.now) if contacts.profile else 0
    held = f", then nothing for {span(policy.suppress_ms)}" if policy.suppress_ms else ""
    page = f" and {closed.added} on this page" if closed.added else ""
    again = f"; open again at {_time(until)}" if until > contacts.now else ""
    times = f"{count} time{'s' * (count != 1)}"
    return f"{name}: {verb} {times} in {span(policy.window_ms)}{page}, at most {policy.most}{held}{again}"


def span(ms: int) -> str:
    """A duration as playbooks write it."""
    if not ms:
        return "0s"
    return next(f"{ms // size}{unit}" for unit, size in _UNITS if ms % size == 0)


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


class QuietTimes:
    """Nothing is shown in quiet hours."""

    name = "quiet hours"

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        if ground.contact is None or not ground.contact.quiet:
            return None
        channel = ground.channel(moment.ask.context)
        closed = [quiet.rows for quiet in ground.contact.quiet if quiet.is_now(moment.view, moment.now, channel)]
        return ~np.logical_or.reduce(closed) if closed else None

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        if ground.contact is None:
            return []
        view, now, channel = moment.view, moment.now, ground.channel(moment.ask.context)
        return [
            f"quiet hours `{quiet.hours.name}`: it is {quiet.local_time(view, now)}, and quiet from "
            f"{clock(quiet.hours.begin)} to {clock(quiet.hours.end)}"
            for quiet in ground.contact.quiet
            if quiet.rows[row] and quiet.is_now(view, now, channel)
        ]


class Spending:
    """What one slate uses up of what its subject may still be shown."""

    def __init__(self, contacts: Contacts, ground: Ground, contact: ContactGround, channel: str) -> None:
        self._contacts, self._ground, self._contact, self._channel = contacts, ground, contact, channel
        self._closed: Bools | None = None

    def chose(self, row: int, priority: Floats) -> None:
        """A row was chosen: closes, in `priority`, what a policy forbids beside it."""
        (allowance,) = self._contacts.chose(self._ground, (row,), self._channel)
        used_up = list(self._used_up(allowance))
        if used_up:
            closed = ~self._contact.without(NO_HITS, used_up)
            priority[closed] = CLOSED
            self._closed = closed if self._closed is None else self._closed | closed

    def closed(self, row: int) -> bool:
        """Whether what was chosen before forbids a row."""
        return self._closed is not None and bool(self._closed[row])

    def _used_up(self, allowance: Allowance) -> Iterator[Closed]:
        contact, channel = self._contact, self._channel
        yield from self._contacts.used_up(contact, allowance.shared)
        for pool in contact.pools:
            if pool.of_items and contact.holding(channel)[pool.cap] and contact.caps[pool.cap].shows:
                yield from self._contacts.pool_used_up(contact, pool, channel)


def spending(ground: Ground, moment: Moment, slots: int) -> Spending | None:
    """Of a slate of so many slots that begins; None: whatever it shows closes nothing beside it."""
    contacts, contact = moment.contacts, ground.contact
    if contacts is None or contact is None or not contacts.may_use_up(contact, slots):
        return None
    return Spending(contacts, ground, contact, ground.channel(moment.ask.context))

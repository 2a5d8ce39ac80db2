"""How often something was shown over what contact policies allow, counted from the journal.

Decisions that are made at the same time do not know of each other: each may show what the others show too. A decision
that knew enough to close something, and did not, is another matter: it is told apart, and there should be none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from maitred_server.learn.exposures import CHUNK, ReadJournal
from maitred_server.model import Deletion, Exposure, Merge, Outcome, Record, Shown, SubjectKey, Unmerge
from maitred_server.playbook.control import ContactPolicy
from maitred_server.store.keys import (
    ALL_PLACEMENTS_KEY,
    ANY_KEY,
    EXPOSURE_TYPE,
    brand_prefix,
    channel_key,
    group_key,
    item_key,
    placement_key,
    type_code,
)
from maitred_server.store.touches import touches_of
from maitred_server.store.windows import Limit, held_until

PoliciesOf: TypeAlias = Callable[[str], Sequence[ContactPolicy] | None]


class Counted(NamedTuple):
    """Something that happened, with the sequence from which on it was known of the subject."""

    at: int
    known: int


class Showing(NamedTuple):
    """An exposure as it is checked: its place in the journal, and when it counts."""

    at: int
    sequence: int
    body: Exposure


@dataclass
class Over:
    """Of one policy. `over`: what was shown beyond it; `aware`: of that what a decision showed that knew enough."""

    checked: int = 0
    over: int = 0
    aware: int = 0


@dataclass
class _Subject:
    counted: dict[tuple[int, int], list[Counted]] = field(default_factory=dict)  # by type code and key
    showings: list[Showing] = field(default_factory=list)


class Overshoot:
    """Reads one brand's journal, record by record; holds what policies count of every subject."""

    def __init__(self, brand: str, policies_of: PoliciesOf) -> None:
        """`policies_of`: those of a catalogue version; None: it is kept no more, and its showings are not checked."""
        self._brand = brand_prefix(brand)
        self._policies_of = policies_of
        self._subjects: dict[SubjectKey, _Subject] = {}
        self._found: dict[str, Over] = {}
        self._members: dict[str, set[int]] = {}  # keys of items by group, as showings and outcomes had them
        self.unchecked = 0

    def add(self, entries: Iterable[tuple[int, Record]]) -> None:
        """Reads some records, in the journal's order."""
        for sequence, record in entries:
            if not record.subject.startswith(self._brand):
                continue
            if isinstance(record.body, Merge):
                self._join(record.subject, record.body.other, sequence)
            elif isinstance(record.body, Unmerge | Deletion):
                for key in {record.subject, getattr(record.body, "other", record.subject)}:
                    self._settle(key)
                    self._subjects.pop(key, None)
            else:
                self._count(sequence, record)

    def report(self) -> dict[str, Over]:
        """By policy, of all that was read."""
        for subject in list(self._subjects):
            self._settle(subject)
        return dict(sorted(self._found.items()))

    def _count(self, sequence: int, record: Record) -> None:
        touches = touches_of([record])
        if touches is None:
            return
        subject = self._subjects.setdefault(record.subject, _Subject())
        types, times = touches.types.repeat(touches.spans).tolist(), touches.times.repeat(touches.spans).tolist()
        for code, at, key in zip(types, times, touches.keys.tolist(), strict=True):
            subject.counted.setdefault((code, key), []).append(Counted(at, sequence))
        body = record.body
        for one in body.shown if isinstance(body, Exposure) else (body,) if isinstance(body, Outcome) else ():
            for group in one.groups:
                self._members.setdefault(group, set()).add(item_key(one.item))
        if isinstance(body, Exposure):
            subject.showings.append(Showing(times[0], sequence, body))

    def _join(self, subject: SubjectKey, other: SubjectKey, sequence: int) -> None:
        """From the merge on each knows what the other did before; showings of before it are checked apart."""
        for one in (subject, other):
            self._settle(one)
        mine = self._subjects.setdefault(subject, _Subject())
        for name, theirs in self._subjects.pop(other, _Subject()).counted.items():
            mine.counted.setdefault(name, []).extend(Counted(one.at, sequence) for one in theirs)

    def _settle(self, key: SubjectKey) -> None:
        """Checks the showings of a subject that are not checked yet."""
        subject = self._subjects.get(key)
        if subject is None or not subject.showings:
            return
        ordered = {name: sorted(some) for name, some in subject.counted.items()}
        for showing in subject.showings:
            policies = self._policies_of(showing.body.catalogue)
            if policies is None:
                self.unchecked += 1
            for policy in policies or ():
                for keys, slots in _tallies(policy, showing.body, self._members):
                    self._check(
                        policy, showing, [ordered.get((type_code(policy.counts), one), []) for one in keys], slots
                    )
        subject.showings.clear()

    def _check(self, policy: ContactPolicy, showing: Showing, counted: Sequence[Sequence[Counted]], slots: int) -> None:
        limit = Limit(policy.most, policy.window_ms, policy.suppress_ms)
        before = sorted(one for each in counted for one in _before(each, showing, limit))
        known = [one for one in before if one.known <= showing.body.profile_sequence]
        found = self._found.setdefault(policy.name, Over())
        found.checked += slots
        over = _over(before, limit, showing.at, slots, policy.counts == EXPOSURE_TYPE)
        if over:
            found.over += over
            found.aware += _over(known, limit, showing.body.decided_at, slots, policy.counts == EXPOSURE_TYPE)


def _before(counted: Sequence[Counted], showing: Showing, limit: Limit) -> Sequence[Counted]:
    """What decides about a showing: that it does not count itself, nor what came after."""
    begin = bisect_left(counted, (showing.at - limit.back_ms,))
    end = bisect_left(counted, (showing.at, showing.sequence))
    return counted[begin:end]


def _over(before: Sequence[Counted], limit: Limit, now: int, slots: int, shows: bool) -> int:
    """How many of a showing's slots are over a limit, after what happened before."""
    times = [one.at for one in before]
    if held_until(times, times, limit, now) > now:
        return slots
    if not shows:
        return 0
    left = limit.most - sum(at > now - limit.window_ms for at in times)
    return max(0, slots - left)


def _tallies(
    policy: ContactPolicy, body: Exposure, members: Mapping[str, set[int]]
) -> Iterator[tuple[Sequence[int], int]]:
    """What a policy counts that a showing is about: the keys that count together, and how many slots of it do."""
    about = [one for one in body.shown if _is_about(policy, body, one)]
    scope, per = policy.scope, policy.per
    if not about:
        return
    if per == "item":
        yield from (([item_key(one.item)], 1) for one in {one.item: one for one in about}.values())
    elif per == "group":
        names = dict.fromkeys(name for one in about for name in one.groups if not scope.groups or name in scope.groups)
        yield from (([group_key(name)], sum(name in one.groups for one in body.shown)) for name in names)
    elif per == "placement":
        yield [placement_key(body.placement)], 1
    elif per == "channel":
        yield [channel_key(body.channel)], 1
    elif scope.items or scope.groups:
        one_group = len(scope.groups) == 1 and not scope.items
        yield [group_key(scope.groups[0])] if one_group else _pooled(policy, members), len(about)
    elif scope.placements or scope.channels:
        yield [placement_key(one) for one in scope.placements] or [channel_key(one) for one in scope.channels], 1
    else:
        yield [ALL_PLACEMENTS_KEY if policy.counts == EXPOSURE_TYPE else ANY_KEY], 1


def _pooled(policy: ContactPolicy, members: Mapping[str, set[int]]) -> list[int]:
    """The keys of the items of a scope, each once."""
    named = {item_key(item) for item in policy.scope.items}
    return list(named.union(*(members.get(group, set()) for group in policy.scope.groups)))


def _is_about(policy: ContactPolicy, body: Exposure, one: Shown) -> bool:
    scope = policy.scope
    return (
        (not scope.placements or body.placement in scope.placements)
        and (not scope.channels or body.channel in scope.channels)
        and (not (scope.items or scope.groups) or one.item in scope.items or bool({*one.groups} & {*scope.groups}))
    )


def count(read_journal: ReadJournal, overshoot: Overshoot) -> dict[str, Over]:
    """The report over a whole journal, read from its beginning. Raises StoreError."""
    after = 0
    while entries := read_journal(after, CHUNK):
        overshoot.add(entries)
        after = entries[-1][0]
    return overshoot.report()


def as_json(found: Mapping[str, Over], unchecked: int) -> dict[str, Any]:
    """A report as plain values."""
    policies = {name: {"checked": one.checked, "over": one.over, "aware": one.aware} for name, one in found.items()}
    return {"policies": policies, "unchecked": unchecked}

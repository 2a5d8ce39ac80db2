"""Profiles made anew from journal records: pure, and the same whichever store the records come from.

Each record is of the key that it came under (its own key). Merges make several keys one subject, whose canonical key
leads its profile; a merge that was taken back never was, for all that is told after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from maitred_server.model import ItemStates, Kind, Merge, Record, SubjectKey, Unmerge
from maitred_server.store.joining import joined
from maitred_server.store.profiles import Profile

Records: TypeAlias = Sequence[tuple[int, Record]]
Pair: TypeAlias = frozenset[SubjectKey]


class Edge(NamedTuple):
    """A merge that holds, between the keys that it was told about."""

    one: SubjectKey
    other: SubjectKey
    sequence: int


class Replayed(NamedTuple):
    """Subjects as they are after some records: `profiles` by canonical key, `canonical` for each key that was merged
    into another.
    """

    profiles: Mapping[SubjectKey, Profile]
    canonical: Mapping[SubjectKey, SubjectKey]

    def profile(self, key: SubjectKey) -> Profile | None:
        """Of the subject that a key leads to; None: nothing is kept of it."""
        return self.profiles.get(self.canonical.get(key, key))


def own_key(record: Record) -> SubjectKey:
    """The key that a record came under."""
    return record.addressed or record.subject


def keys_of(record: Record) -> tuple[SubjectKey, ...]:
    """The keys under which a record is found: its own and, when it is about a merge, the other's; none when it is about
    items.
    """
    body = record.body
    if isinstance(body, Merge | Unmerge):
        return own_key(record), body.other
    return () if isinstance(body, ItemStates) else (own_key(record),)


def replayed(records: Records, first_seen: Mapping[SubjectKey, int]) -> Replayed:
    """Subjects after all these records, in the journal's order: every one of some keys and of those merged with them.

    `first_seen`: when keys were first seen whose first records are kept no more, ms.
    """
    return _Replay(first_seen, {edge.sequence for edge in edges(records)}).run(records)


def edges(records: Iterable[tuple[int, Record]]) -> list[Edge]:
    """The merges that hold after some records."""
    found: dict[Pair, Edge] = {}
    for sequence, record in records:
        body = record.body
        if isinstance(body, Merge):
            found[pair(record, body)] = Edge(own_key(record), body.other, sequence)
        elif isinstance(body, Unmerge):
            found.pop(pair(record, body), None)
    return list(found.values())


def latest_between(held: Iterable[Edge], one: SubjectKey, other: SubjectKey) -> Edge | None:
    """The merge that made one subject of two keys: the last of those that lead from one to the other."""
    met: dict[SubjectKey, list[tuple[SubjectKey, Edge]]] = {}
    for edge in held:
        met.setdefault(edge.one, []).append((edge.other, edge))
        met.setdefault(edge.other, []).append((edge.one, edge))
    reached: dict[SubjectKey, Edge | None] = {one: None}
    waiting = [one]
    while waiting:
        at = waiting.pop()
        for key, edge in met.get(at, ()):
            if key not in reached:
                before = reached[at]
                reached[key] = edge if before is None else max(before, edge, key=lambda each: each.sequence)
                waiting.append(key)
    return reached.get(other)


def pair(record: Record, body: Merge | Unmerge) -> Pair:
    """The two keys that a merge, or the end of one, is about."""
    return frozenset((own_key(record), body.other))


def history(key: SubjectKey, read: Callable[[SubjectKey], Records]) -> list[tuple[int, Record]]:
    """All records that say what a key leads to, in order: its own, and those of all keys it was ever merged with.

    `read` gives the records of one key, see `keys_of`.
    """
    found: dict[int, Record] = {}
    waiting, known = [key], {key}
    while waiting:
        for sequence, record in read(waiting.pop()):
            found[sequence] = record
            more = [one for one in keys_of(record) if one not in known]
            known.update(more)
            waiting += more
    return sorted(found.items())


class _Replay:
    def __init__(self, first_seen: Mapping[SubjectKey, int], holding: set[int]) -> None:
        self._first_seen = first_seen
        self._holding = holding  # sequences of merges
        self._profiles: dict[SubjectKey, Profile] = {}
        self._canonical: dict[SubjectKey, SubjectKey] = {}
        self._waiting: dict[SubjectKey, list[tuple[int, Record]]] = {}

    def run(self, records: Records) -> Replayed:
        for sequence, record in records:
            subject = self._leads_to(own_key(record))
            self._waiting.setdefault(subject, []).append((sequence, under(record, subject)))
            if isinstance(record.body, Merge) and sequence in self._holding:
                self._join(subject, self._leads_to(record.body.other))
        for subject in list(self._waiting):
            self._settle(subject)
        return Replayed(self._profiles, self._canonical)

    def _leads_to(self, key: SubjectKey) -> SubjectKey:
        return self._canonical.get(key, key)

    def _settle(self, subject: SubjectKey) -> Profile | None:
        """Apply what waits for a subject."""
        waiting = self._waiting.pop(subject, [])
        if waiting:
            profile = self._profiles.get(subject) or self._new(subject, waiting[0][1].kind)
            self._profiles[subject] = profile.with_records(waiting)
            if not any(self._profiles[subject].counts_by_kind):
                del self._profiles[subject]  # forgotten, and nothing came since
        return self._profiles.get(subject)

    def _new(self, subject: SubjectKey, kind: Kind) -> Profile:
        return replace(Profile.empty(kind), first_seen=self._first_seen.get(subject, 0))

    def _join(self, subject: SubjectKey, other: SubjectKey) -> None:
        profile, others = self._settle(subject), self._settle(other)
        if others is None and other in self._first_seen:
            others = self._new(other, Kind.PERSON)
        if others is not None and profile is not None:
            self._profiles[subject] = joined(profile, subject, others, other)
            self._profiles.pop(other, None)
        for key, leads_to in self._canonical.items():
            if leads_to == other:
                self._canonical[key] = subject
        self._canonical[other] = subject


def under(record: Record, subject: SubjectKey) -> Record:
    """A record as it is applied to the profile of `subject`, to which its own key leads."""
    own = own_key(record)
    addressed = b"" if own == subject else own
    if record.subject == subject and record.addressed == addressed:
        return record
    return replace(record, subject=subject, addressed=addressed)

"""The first reading of the journal: which decisions of a placement were shown, and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from maitred_server.errors import InvalidRequest, UnknownName
from maitred_server.learn.join import Came
from maitred_server.learn.reached import Reached
from maitred_server.model import Exposure, Outcome, Reason, Record
from maitred_server.playbook.hints import did_you_mean, listed
from maitred_server.replaying.rewards import Rewards
from maitred_server.replaying.sample import Sample
from maitred_server.store import AnyStore
from maitred_server.store.keys import brand_prefix

CHUNK: Final = 1_000  # records read at once
SPARE: Final = 2  # so many times the decisions asked for are held while reading

HOLDOUT: Final = "held out"
MERGED: Final = "of a subject that was merged"
OVERRIDDEN: Final = "an arm was asked for"
PENDING: Final = "feedback on its way took part, which is in no profile of the journal"
NO_PROBABILITY: Final = "without a probability"


class Asked(NamedTuple):
    """Which decisions. `since`, `until`: when they were decided, ms; `most`: so many of them, chosen by hash."""

    brand: str
    placement: str
    since: int = 0
    until: int = 1 << 62
    most: int = 20_000
    reason: Reason | None = None  # only those with this reason
    arm: tuple[str, str] | None = None  # only those in this layer's arm


class Shown(NamedTuple):
    """A decision. `snapshot`: up to which record the counts of its policy snapshot go."""

    decision: str
    snapshot: int
    sequences: tuple[int, ...]  # of its first showing, which may be told slot by slot


class Found(NamedTuple):
    """`decisions`: before any was left out; `left_out`: by reason; `young`: those whose outcomes may still come."""

    shown: list[Shown]  # in the order of their policy snapshots
    came: dict[str, list[Came]]
    decisions: int
    left_out: Counter[str]
    young: int
    since_ms: int


def read(
    store: AnyStore, asked: Asked, rewards: Rewards, progress: Callable[[int, int], None] = lambda done, of: None
) -> Found:
    """Read all of the journal once. Raises InvalidRequest when nothing is left to look at."""
    reading = _Reading(asked, rewards)
    last = max(1, store.last_sequence())
    for sequence, record in _records(store):
        reading.add(sequence, record)
        if sequence % CHUNK == 0:
            progress(sequence, last)
    progress(last, last)
    return reading.found()


def _records(store: AnyStore) -> Iterator[tuple[int, Record]]:
    after = 0
    while records := store.read_journal(after, CHUNK):
        yield from records
        after = records[-1][0]


class _Reading:
    def __init__(self, asked: Asked, rewards: Rewards) -> None:
        self._asked = asked
        self._rewards = rewards
        self._prefix = brand_prefix(asked.brand)
        self._sample = Sample()
        self._shown: dict[str, tuple[Shown, int]] = {}  # with the time of the decision
        self._came: dict[str, list[Came]] = {}
        self._left_out: Counter[str] = Counter()
        self._others: set[str] = set()  # placements
        self._types: set[str] = set()  # of outcomes
        self._decisions = 0
        self._clock = 0

    def add(self, sequence: int, record: Record) -> None:
        if not record.subject.startswith(self._prefix):
            return
        self._clock = max(self._clock, record.received_at)
        body = record.body
        if isinstance(body, Exposure):
            self._exposed(sequence, body)
        elif isinstance(body, Outcome):
            self._happened(record, body)

    def _exposed(self, sequence: int, body: Exposure) -> None:
        asked = self._asked
        self._others.add(body.placement)
        if body.placement != asked.placement or body.showing != 1 or asked.reason not in (None, body.reason):
            return
        if not asked.since <= body.decided_at < asked.until or (asked.arm and asked.arm not in body.arms):
            return
        if body.decision_id in self._shown:
            known, at = self._shown[body.decision_id]
            self._shown[body.decision_id] = known._replace(sequences=(*known.sequences, sequence)), at
            return
        self._decisions += 1
        if why := _unfit(body):
            self._left_out[why] += 1
            return
        if self._sample.holds(body.decision_id):
            reached = Reached.of(body.snapshot) if body.snapshot else None
            shown = Shown(body.decision_id, reached.through if reached else 0, (sequence,))
            self._shown[body.decision_id] = shown, body.decided_at
            if len(self._shown) > SPARE * asked.most:
                self._narrow()

    def _happened(self, record: Record, body: Outcome) -> None:
        self._types.add(body.type)
        if body.decision_id and self._sample.holds(body.decision_id) and (came := self._rewards.came(record)):
            self._came.setdefault(body.decision_id, []).extend(came)

    def _narrow(self) -> None:
        self._sample.narrow(self._shown, self._asked.most)
        self._shown, self._came = self._sample.kept(self._shown), self._sample.kept(self._came)

    def found(self) -> Found:
        self._narrow()
        if not self._shown:
            raise self._nothing()
        responses = self._rewards.learning.responses
        if len(responses) == 1 and responses[0].type not in self._types:
            hint = did_you_mean(responses[0].type, self._types) if self._types else "; it has no outcomes at all"
            raise InvalidRequest(f"no outcome `{responses[0].type}` is in the journal{hint}", "response")
        young = sum(at + self._rewards.wait_ms > self._clock for _, at in self._shown.values())
        since_ms = min(at for _, at in self._shown.values())
        shown = sorted((one for one, _ in self._shown.values()), key=lambda one: (one.snapshot, one.sequences))
        return Found(shown, self._came, self._decisions, self._left_out, young, since_ms)

    def _nothing(self) -> InvalidRequest | UnknownName:
        asked = self._asked
        if self._left_out:
            why = ", ".join(f"{count:,} {reason}" for reason, count in self._left_out.items())
            return InvalidRequest(f"no decision of placement `{asked.placement}` is left: {why}", "placement")
        if asked.placement in self._others:
            return InvalidRequest(
                f"placement `{asked.placement}` has no such decisions (of this time, of this arm)", "from"
            )
        known = listed(self._others) or "none at all"
        return UnknownName(f"the journal has no exposure of placement `{asked.placement}`; it has {known}", "placement")


def _unfit(body: Exposure) -> str:
    """Why a decision cannot stand for others; "": it can."""
    if body.reason is Reason.HOLDOUT:
        return HOLDOUT
    if body.merged:
        return MERGED
    if body.overridden:
        return OVERRIDDEN
    if body.pending:
        return PENDING
    return "" if body.shown and all(0.0 < one.probability <= 1.0 for one in body.shown) else NO_PROBABILITY

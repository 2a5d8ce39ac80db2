"""One placement's learning: how far it has read, what it holds to be joined, and its sums.

The sums are a function of the records that are in the journal up to where it has read, whatever way that came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from maitred_server.learn.entries import Entries
from maitred_server.learn.fixed import Fixed
from maitred_server.learn.join import DAY_MS, Joins, Lesson, Lessons, Reading
from maitred_server.learn.periods import period, rolled
from maitred_server.learn.plans import Plan
from maitred_server.learn.reached import Reached
from maitred_server.learn.ridge import Shown, Sums
from maitred_server.model import Record
from maitred_server.policy.base import Keys
from maitred_server.store import Note


class Touch(NamedTuple):
    """Keys of items and variants."""

    items: set[int]
    variants: set[int]


class Lane:
    """One placement of one brand."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.reached = Reached()
        self.joins = Joins(plan)
        self.sums = Sums(plan.shape, len(plan.responses))
        self.variants: dict[int, dict[int, None]] = {}  # of each item that was met
        self.today = 0  # the day by which periods were rolled
        self.clock = 0  # the latest time that a record was received, ms
        self.touched = Touch(set(), set())
        self.forgot = False  # whether anything was taken away since `touched` was emptied
        self._reading = Reading(plan)

    def learn(self, entries: Entries, through: int) -> None:
        """Add records of rising sequences; `through`: the last sequence that was looked at."""
        before: dict[str, Lessons] = {}
        for sequence, record in entries:
            if sequence > self.reached.through:
                before.setdefault(record.body.decision_id, self.joins.lessons(record.body.decision_id))  # type: ignore[union-attr]
                self.joins.add(record)
                self.clock = max(self.clock, record.received_at)
        self._change([(old, self.joins.lessons(decision)) for decision, old in before.items()])
        self.reached = self.reached._replace(through=max(self.reached.through, through))

    def unlearn(self, note: Note, brand: str) -> None:
        """Take away what records taught that are gone, of those that were read."""
        if note.number <= self.reached.forgotten:
            return
        decisions: dict[str, list[tuple[Record, bool]]] = {}
        for lost in note.lost:
            if lost.brand == brand and lost.lesson is not None and lost.sequence <= self.reached.through:
                decision = lost.lesson.body.decision_id  # type: ignore[union-attr]
                decisions.setdefault(decision, []).append((lost.lesson, lost.stays))
        changes = []
        for told in decisions.values():
            before = self._reading.taught_by(lesson for lesson, _ in told)
            changes.append((before, self._reading.taught_by(lesson for lesson, stays in told if stays)))
            for lesson, stays in told:
                if not stays:
                    self.joins.forget(lesson)
        self.forgot |= self._change(changes)
        self.reached = self.reached._replace(forgotten=note.number)

    def roll(self, today: int) -> None:
        """Join the periods that are old by now, and let go of what nothing joins any more."""
        self.joins.evict(self.clock)
        if today <= self.today:
            return
        self.today = today
        periods = rolled(self.sums.days(), today) if self.plan.fades else {}
        if periods:
            self.sums.roll(periods)

    def untouched(self) -> Touch:
        """What was touched since the last time, with the variants of all touched items."""
        touched, self.touched, self.forgot = self.touched, Touch(set(), set()), False
        of_items = (variant for item in touched.items for variant in self.variants.get(item, ()))
        return Touch(touched.items, touched.variants | set(of_items))

    @property
    def changed(self) -> bool:
        """Whether anything was added or taken away since `untouched`."""
        return bool(self.touched.items) or self.forgot

    def _change(self, changes: Sequence[tuple[Lessons, Lessons]]) -> bool:
        """Bring the sums from what decisions taught to what they teach now; whether that is another thing."""
        gone, new, other = [], [], []
        for before, after in changes:
            for slot in before.keys() | after.keys():
                was, now = before.get(slot), after.get(slot)
                if was is not None and now is not None and was.row == now.row:
                    if was.responses != now.responses:
                        other.append((now.row, _less(now.responses, was.responses)))
                    continue
                if was is not None:
                    gone.append(was)
                if now is not None:
                    new.append(now)
        differing = [Lesson(row, responses) for row, responses in other]
        for lessons, apply in ((gone, self.sums.subtract), (new, self.sums.add), (differing, self.sums.correct)):
            if lessons:
                apply(self._shown(lessons))
                self._touch(lessons)
        return bool(gone or new or other)

    def _touch(self, lessons: Iterable[Lesson]) -> None:
        for row, _ in lessons:
            self.touched.items.add(row.item)
            self.touched.variants.add(row.variant)
            self.variants.setdefault(row.item, {})[row.variant] = None

    def _shown(self, lessons: Sequence[Lesson]) -> Shown:
        rows = [lesson.row for lesson in lessons]
        owners = [at for at, row in enumerate(rows) for _ in row.groups]
        return Shown(
            np.array([self._day(row.decided_at) for row in rows], np.int32),
            _keys(row.item for row in rows),
            _keys(row.variant for row in rows),
            _keys(key for row in rows for key in row.groups),
            np.array(owners, np.int32),
            features_of(row.features for row in rows).reshape(len(rows), self.plan.space.width),
            np.array([lesson.responses for lesson in lessons], np.int32),
        )

    def _day(self, decided_at: int) -> int:
        """The period of a decision; where nothing fades there is one."""
        return period(decided_at // DAY_MS, self.today) if self.plan.fades else 0


def features_of(stored: Iterable[bytes]) -> Fixed:
    """int16, one after the other."""
    return np.frombuffer(b"".join(stored), "<i2")


def _keys(keys: Iterable[int]) -> Keys:
    return np.array(list(keys), np.uint64)


def _less(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one - other for one, other in zip(left, right, strict=True))

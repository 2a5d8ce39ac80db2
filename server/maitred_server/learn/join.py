"""Exposures and what came of them, joined: what a shown choice teaches, as a function of the records alone.

A choice teaches once, with the first showing of its decision. It enters at once, with each response's default; an
outcome of the same decision and item makes the response its own, the best of several counts. So an outcome only ever
adds a difference, and may come before its exposure.

An outcome must have happened within its response's wait, and be told within a day after the wait, or after the
exposure was told, if that was later (who is offline tells both at once). Decisions are held as long as anything may
still join, and a day longer: so far the clock may be set back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from maitred_server.learn.fixed import UNIT
from maitred_server.learn.plans import Plan
from maitred_server.model import Exposure, Outcome, Record, Shown
from maitred_server.playbook.control import Response
from maitred_server.store.keys import action_key, group_key, item_key

DAY_MS: Final = 86_400_000


class Row(NamedTuple):
    """A shown choice."""

    slot: int
    item: int  # keys, see `store.keys`
    variant: int
    groups: tuple[int, ...]
    features: bytes
    decided_at: int
    received_at: int


class Came(NamedTuple):
    """An outcome that is a response. `value`: in fixed point."""

    item: int
    response: int
    value: int
    occurred_at: int
    received_at: int


class Lesson(NamedTuple):
    """What a row teaches by now: its responses in fixed point."""

    row: Row
    responses: tuple[int, ...]


class Held(NamedTuple):
    """What is known of one decision."""

    rows: list[Row]
    came: list[Came]


Lessons: TypeAlias = dict[int, Lesson]  # by slot


class Joins:
    """The decisions of one placement that outcomes may still join."""

    def __init__(self, plan: Plan) -> None:
        self._reading = Reading(plan)
        self._held: dict[str, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[tuple[str, Held]]:
        return iter(self._held.items())

    def latest(self) -> Iterator[Held]:
        """What is held, the latest decisions first."""
        return reversed(self._held.values())

    def add(self, record: Record) -> None:
        """Add a record; one that teaches nothing here changes nothing."""
        if found := self._reading.parts(record):
            held = self._held.setdefault(_decision(record), Held([], []))
            _extend(held, found)

    def restore(self, decision: str, held: Held) -> None:
        """Take up what was held before."""
        self._held[decision] = held

    def forget(self, lesson: Record) -> None:
        """Take out a record that is gone; it may be held no more."""
        held = self._held.get(_decision(lesson))
        if held is None:
            return
        for part in self._reading.parts(lesson):
            parts: list[Row] | list[Came] = held.rows if isinstance(part, Row) else held.came
            if part in parts:
                parts.remove(part)  # type: ignore[arg-type]
        if not held.rows and not held.came:
            del self._held[_decision(lesson)]

    def lessons(self, decision: str) -> Lessons:
        """What a decision that is held teaches by now."""
        held = self._held.get(decision)
        return {} if held is None else self._reading.lessons(held)

    def evict(self, now_ms: int) -> int:
        """Let go of decisions that nothing joins any more, the oldest first; how many."""
        gone = []
        for decision, held in self._held.items():
            if self._reading.until(held) >= now_ms:
                break
            gone.append(decision)
        for decision in gone:
            del self._held[decision]
        return len(gone)


class Reading:
    """What records say to one placement."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._bytes = 2 * plan.space.width
        self._defaults = tuple(_fixed(one.default) for one in plan.responses)
        self._types: Mapping[str, list[int]] = {
            one.type: [at for at, other in enumerate(plan.responses) if other.type == one.type]
            for one in plan.responses
        }

    def taught_by(self, records: Iterable[Record]) -> Lessons:
        """What some records of one decision teach together."""
        held = Held([], [])
        for record in records:
            _extend(held, self.parts(record))
        return self.lessons(held)

    def parts(self, record: Record) -> list[Row] | list[Came]:
        """The rows of an exposure, the responses of an outcome."""
        body = record.body
        if isinstance(body, Exposure):
            return self._rows(record, body) if self._teaches(body) else []
        return self._came(record, body) if isinstance(body, Outcome) else []

    def lessons(self, held: Held) -> Lessons:
        """By slot. Of a slot that was told twice, one telling counts: the same whichever came first."""
        found = {row.slot: row for row in held.rows}
        if len(found) < len(held.rows):
            found = {row.slot: row for row in sorted(held.rows, reverse=True)}
        return {slot: Lesson(row, self.responses(row, held.came)) for slot, row in found.items()}

    def until(self, held: Held) -> int:
        """Until when something may join, ms, and a day more for clocks that are set back."""
        of_rows = (max(row.decided_at + self.plan.longest_wait, row.received_at) for row in held.rows)
        return max([*of_rows, *(one.received_at for one in held.came)]) + 2 * DAY_MS

    def _teaches(self, body: Exposure) -> bool:
        plan = self.plan
        if body.placement != plan.placement or body.space != plan.space.name:
            return False
        return body.showing == 1 and not body.merged and not body.overridden

    def _rows(self, record: Record, body: Exposure) -> list[Row]:
        known = (one for one in body.shown if len(one.features) == self._bytes)
        return [row_of(one, body.decided_at, record.received_at) for one in known]

    def _came(self, record: Record, body: Outcome) -> list[Came]:
        if not body.decision_id or body.placement not in ("", self.plan.placement):
            return []
        item, responses = item_key(body.item), self.plan.responses
        return [
            Came(item, at, _response(body.value, responses[at]), record.occurred_at, record.received_at)
            for at in self._types.get(body.type, ())
        ]

    def responses(self, row: Row, came: Sequence[Came]) -> tuple[int, ...]:
        """What a shown choice came to, in fixed point: of each response the best that joins it, or its default."""
        if not came:
            return self._defaults
        best: list[int | None] = [None] * len(self._defaults)
        for one in came:
            if one.item == row.item and self._joins(row, one):
                best[one.response] = max(one.value, best[one.response] or 0)
        return tuple(default if value is None else value for value, default in zip(best, self._defaults, strict=True))

    def _joins(self, row: Row, came: Came) -> bool:
        until = row.decided_at + self.plan.responses[came.response].wait_ms
        told_in_time = came.received_at <= max(until, row.received_at) + DAY_MS
        return came.occurred_at <= until and told_in_time and row.received_at <= came.received_at + DAY_MS


def row_of(shown: Shown, decided_at: int, received_at: int) -> Row:
    """The row of a shown choice."""
    return Row(shown.slot, *_keys(shown.item, shown.variant, shown.groups), shown.features, decided_at, received_at)


@lru_cache(maxsize=262_144)
def _keys(item: str, variant: str, groups: tuple[str, ...]) -> tuple[int, int, tuple[int, ...]]:
    return item_key(item), action_key(item, variant), tuple(dict.fromkeys(map(group_key, groups)))


def _response(value: float, response: Response) -> int:
    return _fixed(value / response.full) if response.full else UNIT


def _fixed(value: float) -> int:
    """On the grid, in [0, 1]; what is no number is 0."""
    return round(min(max(value, 0.0), 1.0) * UNIT) if value == value else 0


def _extend(held: Held, parts: list[Row] | list[Came]) -> None:
    for part in parts:
        if isinstance(part, Row):
            held.rows.append(part)
        else:
            held.came.append(part)


def _decision(record: Record) -> str:
    body = record.body
    return body.decision_id if isinstance(body, Exposure | Outcome) else ""

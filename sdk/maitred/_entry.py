"""One kept answer: how long it may be served, and what of it. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from ._calls import Answer, served_again
from .types import Choice, Decision, Reason

Decisions: TypeAlias = tuple[Decision, ...]

_NONE: frozenset[str] = frozenset()
_NO_LIMITS: dict[tuple[str, str], int] = {}  # shared by all answers that have none, and never changed


class Entry:
    """One kept answer. Choices that must not be shown any more are left out of what it serves."""

    __slots__ = (
        "_groups",
        "_items",
        "answered",
        "cached",
        "catalogue",
        "decisions",
        "fresh_until",
        "ids",
        "kept_at",
        "left",
        "number",
        "refresh_at",
        "spent",
        "stale",
        "stale_until",
        "stand_in_until",
        "tag",
    )

    def __init__(self, ids: tuple[str, ...], number: int, answer: Answer, now: float, stale_if_error: float) -> None:
        self.ids = ids
        self.number = number
        self.tag = answer.tag
        self.catalogue = answer.catalogue
        self.answered = self.decisions = answer.decisions
        self.cached: Decisions | None = None
        self.stale: Decisions | None = None
        self.kept_at = now
        self.fresh_until = now + answer.ttl_ms / 1000
        self.stale_until = self.fresh_until + answer.stale_ms / 1000 if answer.ttl_ms else now
        self.stand_in_until = max(
            self.stale_until, self.fresh_until + stale_if_error if answer.stale_ms else self.fresh_until
        )
        self.refresh_at = 0.0
        self.left = _showings_left(answer.decisions)
        self.spent = any(left <= 0 for left in self.left.values())
        """Nothing is left of a placement that had something."""
        self._items: frozenset[str] = _NONE
        self._groups: frozenset[str] = _NONE
        if self.spent:
            self._look_again()

    def as_cached(self) -> Decisions:
        if self.cached is None:
            self.cached = tuple(served_again(one, Reason.CACHED) for one in self.decisions)
        return self.cached

    def as_stale(self) -> Decisions:
        if self.stale is None:
            self.stale = tuple(served_again(one, Reason.STALE) for one in self.decisions)
        return self.stale

    def left_over(self) -> tuple[Decision | None, ...]:
        """The decisions; None for a placement of which nothing is left."""
        return tuple(
            None if before.choices and not after.choices else after
            for before, after in zip(self.answered, self.decisions, strict=True)
        )

    def spend(self, action: tuple[str, str]) -> None:
        """One showing more of an item in a variant."""
        if action in self.left:
            self.left[action] -= 1
            if self.left[action] <= 0:
                self._look_again()

    def hide(self, item: str, group: str) -> None:
        """Serve nothing of an item, or of a group."""
        self._items |= {item} - {""}
        self._groups |= {group} - {""}
        self._look_again()

    def show_again(self, item: str, group: str, now: float) -> None:
        """It may be served again; the server is asked first, for it may have left it out."""
        self._items -= {item}
        self._groups -= {group}
        self.fresh_until, self.stale_until = min(self.fresh_until, now), min(self.stale_until, now)
        self._look_again()

    def _look_again(self) -> None:
        self.decisions = tuple(without(one, self._must_go) for one in self.answered)
        self.cached = self.stale = None
        self.spent = None in self.left_over()

    def _must_go(self, choice: Choice) -> bool:
        if choice.item in self._items or not self._groups.isdisjoint(choice.groups):
            return True
        return self.left.get((choice.item, choice.variant), 1) <= 0


def _showings_left(decisions: Decisions) -> dict[tuple[str, str], int]:
    if all(choice.remaining_showings is None for decision in decisions for choice in decision.choices):
        return _NO_LIMITS
    left: dict[tuple[str, str], int] = {}
    for choice in (choice for decision in decisions for choice in decision.choices):
        if choice.remaining_showings is not None:
            action = (choice.item, choice.variant)
            left[action] = min(choice.remaining_showings, left.get(action, choice.remaining_showings))
    return left


def without(decision: Decision, must_go: Callable[[Choice], bool]) -> Decision:
    """A decision without some of its choices; itself, when all stay."""
    choices = tuple(choice for choice in decision.choices if not must_go(choice))
    return decision if len(choices) == len(decision.choices) else replace(decision, choices=choices, partial=True)

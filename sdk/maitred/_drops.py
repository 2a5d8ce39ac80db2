"""What the server says must go from caches. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .types import Choice, Decision
from .v1 import decision_pb2


class Drops(NamedTuple):
    """One message of the server's: which kept answers must go."""

    everything: bool = False
    catalogue: str = ""
    """The catalogue version in force."""
    items: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    tags: frozenset[bytes] = frozenset()
    """Of subjects."""

    @classmethod
    def of(cls, told: decision_pb2.WatchResponse) -> Drops:
        return cls(
            told.everything, told.catalogue, frozenset(told.items), frozenset(told.groups), frozenset(told.subjects)
        )

    @property
    def any(self) -> bool:
        """Whether anything must go."""
        return self.lasting or bool(self.tags)

    @property
    def lasting(self) -> bool:
        """Whether it is about more than single subjects: a worker may take a moment to obey."""
        return self.everything or bool(self.items) or bool(self.groups)

    def hit(self, decisions: Iterable[Decision], tag: bytes) -> bool:
        """Whether a kept answer must go."""
        return self.everything or tag in self.tags or self._names(decisions)

    def outlived_by(self, decisions: Iterable[Decision], catalogue: str) -> bool:
        """Whether a new answer is still from what is not in force any more."""
        return (self.everything and bool(self.catalogue) and catalogue != self.catalogue) or self._names(decisions)

    def _names(self, decisions: Iterable[Decision]) -> bool:
        if not (self.items or self.groups):
            return False
        return any(self._is_named(choice) for decision in decisions for choice in decision.choices)

    def _is_named(self, choice: Choice) -> bool:
        return choice.item in self.items or not self.groups.isdisjoint(choice.groups)

    def cause(self, tag: bytes) -> str:
        """In statistics, why an answer went."""
        return "everything" if self.everything else "subject" if tag in self.tags else "item"

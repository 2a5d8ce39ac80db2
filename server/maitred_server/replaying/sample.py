"""A bounded sample of decisions: every one alike, chosen by a hash of its id, so that memory does not grow."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")
_ALL = 1 << 64


class Sample:
    """The decisions whose hash is below a bound, which falls when there are too many of them."""

    def __init__(self) -> None:
        self._bound = _ALL

    def holds(self, decision: str) -> bool:
        """Whether a decision is in it."""
        return _hash(decision) < self._bound

    def narrow(self, decisions: Iterable[str], most: int) -> None:
        """Keep at most so many of these."""
        found = sorted(map(_hash, decisions))
        if len(found) > most:
            self._bound = found[most]

    def kept(self, held: dict[str, T]) -> dict[str, T]:
        """What is still in it."""
        return {decision: one for decision, one in held.items() if self.holds(decision)}


def _hash(decision: str) -> int:
    return int.from_bytes(blake2b(decision.encode(), digest_size=8).digest(), "big")

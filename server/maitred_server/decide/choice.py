"""What one slot shows."""

from __future__ import annotations

from typing import NamedTuple

from maitred_server.model import Reason


class Choice(NamedTuple):
    """One slot of a slate."""

    slot: int
    action: int  # index in the catalogue
    item: str
    variant: str
    reason: Reason
    propensity: float | None
    probability: float
    priority: float
    stretch: bool = False  # from outside of the subject's usual groups, on purpose
    remaining: int | None = None  # showings until a contact policy forbids it; None: no limit
    reason_text: str = ""  # why, for the subject
    content: bytes | None = None  # filled in for this subject; None: as published
    features: bytes = b""  # what it was scored by; see `model.Shown`
    met: bool = False  # its features say that the subject did this before
    row: int = 0  # of the candidates that it was chosen from

    def with_remaining(self, most: int | None) -> Choice:
        """After its page is decided. Much quicker than `_replace`."""
        return self if most is None else tuple.__new__(Choice, (*self[:9], most, *self[10:]))

"""What one slot shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

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


def plain_with_values(kind: type[Choice], choices: Iterable[Choice], at: int, values: Sequence[Any]) -> list[Choice]:
    """Choices with another value in one field, each its own; as they are where that is None."""
    return [
        one if value is None else tuple.__new__(kind, (*one[:at], value, *one[at + 1 :]))
        for one, value in zip(choices, values, strict=True)
    ]


try:
    from maitred_server.compiled.contact import with_values
except ImportError:  # nothing was compiled here
    with_values = plain_with_values

_REMAINING: Final = Choice._fields.index("remaining")


def with_remaining(choices: Iterable[Choice], left: Sequence[int | None]) -> list[Choice]:
    """After their page is decided. Much quicker than `_replace`."""
    return with_values(Choice, choices, _REMAINING, left)

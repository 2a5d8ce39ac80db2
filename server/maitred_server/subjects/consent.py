"""What consents mean when several were said: pure functions, defined where the profile is kept. And how an intensity
is said in consents.
"""

from __future__ import annotations

from collections.abc import Sequence

from maitred_server.model import Consent, ConsentState, Intensity
from maitred_server.store.consents import (
    LEVELS,
    Objected,
    Objections,
    Word,
    is_reserved,
    level_of,
    newest,
    objected,
    strictest,
)

__all__ = [
    "Objected",
    "Objections",
    "Word",
    "as_consents",
    "intensity_of",
    "is_reserved",
    "newest",
    "objected",
    "strictest",
]


def as_consents(intensity: Intensity, at_ms: int, source: str = "") -> tuple[Consent, ...]:
    """An intensity as the words that say it: of two subjects that turn out to be one the lower one holds."""
    return tuple(
        Consent(purpose, ConsentState.GRANTED if number < intensity else ConsentState.DENIED, source, at_ms)
        for number, purpose in enumerate(LEVELS, start=1)
    )


def intensity_of(said: Sequence[Consent]) -> Intensity | None:
    """The intensity that some consents say; None: none does."""
    return level_of({consent.purpose: consent.state for consent in said})

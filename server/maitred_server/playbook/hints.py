"""What was probably meant: near names for the messages about unknown ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MOST_COMPARED = 2_000
MOST_LISTED = 8


def did_you_mean(name: str, known: Collection[str]) -> str:
    """What follows the message about an unknown name: the nearest known one, or else all of them, if they are few."""
    near = get_close_matches(name, _comparable(name, known), n=1, cutoff=0.6)
    if near:
        return f"; did you mean `{near[0]}`?"
    if 0 < len(known) <= MOST_LISTED:
        return f"; known are {listed(known)}"
    return ""


def _comparable(name: str, known: Collection[str]) -> list[str]:
    """All names when they are few; else those that begin or end alike: a comparison costs some 20 us."""
    if len(known) <= MOST_COMPARED:
        return list(known)
    alike = [other for other in known if other[:2] == name[:2] or other[-3:] == name[-3:]]
    return alike[:MOST_COMPARED]


def listed(names: Iterable[str]) -> str:
    """Names in backquotes, in order."""
    return ", ".join(f"`{name}`" for name in sorted(names))

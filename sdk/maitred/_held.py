"""Values that many kept answers have in common, held once. Bounded: what is personal may be another for everybody."""

from __future__ import annotations

from functools import lru_cache

from .types import Arm, Versions

MOST = 1_024
MOST_NAMES = 8_192
MOST_BYTES = 4_096  # of a content: with longer ones, so many would be too much to hold

versions = lru_cache(MOST)(Versions)
arm_of = lru_cache(MOST)(Arm)


@lru_cache(MOST_NAMES)
def held_name(name: str) -> str:
    """The same name, as an earlier answer has it. Not `sys.intern`: Python 3.12 never lets go of what it was given."""
    return name


@lru_cache(MOST)
def _held(content: bytes) -> bytes:
    return content


def held_once(content: bytes) -> bytes:
    """The same content, as an earlier answer has it, if one has."""
    return _held(content) if len(content) <= MOST_BYTES else content

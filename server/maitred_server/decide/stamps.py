"""Segments that change with the profile alone, worked out when it is written, and used as long as nothing they are made
of has changed.

A stamp is the mark of the part of the playbook that they follow from, and their bits. A publish that changes that part
has another mark, and all stamps are void: they are worked out in decisions until each profile is next written.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from maitred_server.decide.view import View
from maitred_server.model import SubjectKey
from maitred_server.playbook.control import Control
from maitred_server.playbook.rules import Program
from maitred_server.store import Profile
from maitred_server.store.keys import brand_of

if TYPE_CHECKING:  # a world has its rules, and these their timeless segments
    from maitred_server.decide.world import World

MARK_BYTES: Final = 16


class Timeless:
    """The timeless segments of one catalogue version. Immutable."""

    def __init__(self, control: Control, program: Program) -> None:
        self._program = program
        self._names = tuple(one.name for one in control.segments if one.timeless)
        self._others = tuple(one.name for one in control.segments if not one.timeless)
        made_of = (control.segments, control.traits, control.purposes, control.intensity)
        self._mark = blake2b(msgspec.msgpack.encode(made_of), digest_size=MARK_BYTES).digest()

    def segments(self, view: View, now: int) -> int:
        """Bits of all segments that a subject is in: of the timeless ones as they are kept, where they are."""
        stamp = view.stamp
        if not self._is_good(stamp):
            return self._program.segments(view.subject, view.context, now)
        kept = int.from_bytes(stamp[MARK_BYTES:], "little")
        if not self._others:
            return kept
        return kept | self._program.segments(view.subject, view.context, now, only=self._others)

    def stamp(self, kept: bytes, see: Callable[[], View]) -> bytes:
        """The stamp of a profile: the one that is kept, while it is good."""
        if not self._names or self._is_good(kept):
            return kept
        bits = self._program.segments(see().subject, {}, 0, only=self._names)
        return self._mark + bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def _is_good(self, stamp: bytes) -> bool:
        return stamp.startswith(self._mark)


class Stamper:
    """Stamps the profiles of all brands, each by what is published in its brand; see `store.stamping`."""

    def __init__(self, world_of: Callable[[str], World | None]) -> None:
        self._world_of = world_of

    def __call__(self, subject: SubjectKey, profile: Profile) -> bytes:
        world = self._world_of(brand_of(subject))
        timeless = world.rulebook.rules.timeless if world is not None else None
        if world is None or timeless is None:
            return b""
        return timeless.stamp(profile.stamp, lambda: world.sight.see(profile, profile.kind, {}))

"""Segments that change with the profile alone, worked out when it is written, and used as long as nothing they are made
of has changed.

A stamp is the mark of the part of the playbook that they follow from, and their bits. A publish that changes that part
has another mark, and all stamps are void: they are worked out in decisions until each profile is next written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from hashlib import blake2b
from typing import Final

import msgspec

from maitred_server.decide.view import View
from maitred_server.playbook.control import Control
from maitred_server.playbook.rules import Program, Rule

MARK_BYTES: Final = 16


class Timeless:
    """The timeless segments of one catalogue version. Immutable."""

    def __init__(self, control: Control, segments: Mapping[str, Rule], program: Program) -> None:
        """`segments`: those of the control, by name. `program`: has all of them."""
        self._program = program
        names = [one.name for one in control.segments if one.timeless]
        self._bits = program.bits(names)
        self._rest = _Rest(segments, segments.keys() - set(names), program)
        made_of = (control.segments, control.traits, control.purposes, control.intensity)
        self.mark = blake2b(msgspec.msgpack.encode(made_of), digest_size=MARK_BYTES).digest()

    def segments(self, view: View, now: int) -> int:
        """Bits of all segments that a subject is in: of the timeless ones as they are kept, where they are."""
        stamp = view.stamp if view.known is not None and view.known.stamp else b""
        if not stamp or not self._is_good(stamp):
            return self._program.segments(view.subject, view.context, now)
        kept = int.from_bytes(stamp[MARK_BYTES:], "little")
        return kept | self._rest.segments(view, now)

    def stamp(self, kept: bytes, see: Callable[[], View]) -> bytes:
        """The stamp of a profile: the one that is kept, while it is good."""
        if not self._bits or self._is_good(kept):
            return kept
        bits = self._bits & self._program.segments(see().subject, {}, 0)
        return self.mark + bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def _is_good(self, stamp: bytes) -> bool:
        return stamp.startswith(self.mark)


class _Rest:
    """The segments that are not timeless, as a program of their own: in most playbooks far smaller than all of them."""

    def __init__(self, segments: Mapping[str, Rule], names: Set[str], program: Program) -> None:
        needed = {name: segments[name] for name in segments if name in _with_used(segments, names)}
        self._program = Program.of(needed, []) if needed else None
        self._places = [program.bits([name]) if name in names else 0 for name in needed]

    def segments(self, view: View, now: int) -> int:
        """Their bits among those of all segments."""
        if self._program is None:
            return 0
        found, bits = 0, self._program.segments(view.subject, view.context, now)
        while bits:
            found |= self._places[bits.bit_length() - 1]
            bits ^= 1 << (bits.bit_length() - 1)
        return found


def _with_used(segments: Mapping[str, Rule], names: Set[str]) -> set[str]:
    """Some segments, with those that they use, and those that these use."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += segments[name].uses.segments & segments.keys()
    return found

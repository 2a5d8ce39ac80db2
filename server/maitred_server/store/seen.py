"""Resend windows: which of a client's numbered events were received."""

from __future__ import annotations

import struct
from typing import NamedTuple

WINDOW = 1024

_LAYOUT = struct.Struct(f"<Q{WINDOW // 8}s")
_BITS = (1 << WINDOW) - 1


class Window(NamedTuple):
    """The highest sequence received of one (client, epoch), and which of the 1,024 below it.

    Bit 0 of `below` is the sequence just below the highest. What is older than the window counts as received.
    """

    highest: int = 0
    below: int = 0

    def has(self, sequence: int) -> bool:
        """Whether a sequence was received, or is too old to tell."""
        distance = self.highest - sequence
        if distance <= 0:
            return distance == 0
        return distance > WINDOW or bool(self.below >> (distance - 1) & 1)

    def plus(self, sequence: int) -> Window:
        """The window after receiving a sequence (at least 1)."""
        ahead = sequence - self.highest
        if ahead <= 0:
            return Window(self.highest, self.below | 1 << (-ahead - 1)) if ahead else self
        if ahead > WINDOW:
            return Window(sequence, 0)
        return Window(sequence, (self.below << ahead | 1 << (ahead - 1)) & _BITS)

    def after_run(self, length: int) -> Window:
        """The window after receiving that many sequences right after the highest."""
        below = (1 << WINDOW) - 1 if length >= WINDOW else self.below << length | (1 << length) - 1
        return Window(self.highest + length, below & _BITS)

    def settled_through(self) -> int:
        """The last sequence up to which every one was received (or is too old to matter)."""
        missing = ~self.below & _BITS
        reach = min(self.highest - 1, WINDOW)
        missing &= (1 << max(reach, 0)) - 1
        return self.highest - missing.bit_length() - 1 if missing else self.highest

    def encode(self) -> bytes:
        """As stored: 136 bytes."""
        return _LAYOUT.pack(self.highest, self.below.to_bytes(WINDOW // 8, "little"))

    @classmethod
    def decode(cls, payload: bytes) -> Window:
        """From what `encode` made."""
        highest, below = _LAYOUT.unpack(payload)
        return cls(highest, int.from_bytes(below, "little"))


class Receiving:
    """A window while events are received; runs of rising numbers are put into it together."""

    __slots__ = ("_run", "_window", "changed")

    def __init__(self, window: Window) -> None:
        self._window = window
        self._run = 0  # received right after the highest, one by one
        self.changed = False

    def receive(self, sequence: int) -> bool:
        """Whether a sequence (at least 1) was not received before; from now on it was."""
        if sequence == self._window.highest + self._run + 1:
            self._run += 1
            self.changed = True
            return True
        window = self.now()
        if window.has(sequence):
            return False
        self._window, self.changed = window.plus(sequence), True
        return True

    def now(self) -> Window:
        """The window after all that was received."""
        if self._run:
            self._window = self._window.after_run(self._run)
            self._run = 0
        return self._window

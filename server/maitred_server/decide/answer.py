"""What the pipeline answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maitred_server.decide.choice import Choice
from maitred_server.decide.world import World
from maitred_server.model import Intensity, Reason, SubjectKey


class Decision(NamedTuple):
    """The answer for one placement. `slate`: in the order in which the slots were filled."""

    decision_id: str
    placement: str
    slate: Sequence[Choice]
    reason: Reason
    policy: str
    ttl_ms: int
    stale_ms: int
    channel: str = ""
    space: str = ""  # the feature space of the choices' features

    def with_slate(self, slate: Sequence[Choice]) -> Decision:
        """The same of choices of which more is known. Much quicker than `_replace`."""
        return tuple.__new__(Decision, (*self[:2], slate, *self[3:]))


class Answer(NamedTuple):
    """The answer to one `Ask`."""

    decisions: Sequence[Decision]
    receipt: bytes
    world: World  # the published state it was decided in; a publish since then changes nothing
    arms: Sequence[tuple[str, str]]
    decided_at: int
    overridden: Sequence[str] = ()  # layers whose arm (or being in none) was asked for
    subject: SubjectKey = b""  # canonical
    segments: tuple[str, ...] = ()
    intensity: Intensity = Intensity.FULL
    caps_unknown: int = 0  # contact policies that closed all they reach: their counters cannot be known

"""What the pipeline is asked and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from maitred_server.decide.world import World
from maitred_server.model import Entry, Kind, Reason, SubjectKey, Value


class Ask(NamedTuple):
    """One request, validated and without raw ids."""

    brand: str
    subject: SubjectKey
    kind: Kind
    units: Mapping[Kind | None, SubjectKey]  # the ids that layers may assign by; None: the subject itself
    placements: Sequence[tuple[str, int]]  # name and wanted slots; 0: the placement's own number
    aliases: Sequence[tuple[Kind, SubjectKey]] = ()  # looked up in order when nothing is known of `subject`
    context: Mapping[str, Value] = {}
    pending: Sequence[Entry] = ()  # feedback that is not yet durable here
    at: int | None = None  # replay clock, ms
    overrides: Mapping[str, str] = {}  # arms by layer that were asked for


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


class Decision(NamedTuple):
    """The answer for one placement."""

    decision_id: str
    placement: str
    slate: Sequence[Choice]
    reason: Reason
    policy: str
    ttl_ms: int
    stale_ms: int


class Answer(NamedTuple):
    """The answer to one `Ask`."""

    decisions: Sequence[Decision]
    receipt: bytes
    world: World  # the published state it was decided in; a publish since then changes nothing
    arms: Sequence[tuple[str, str]]
    decided_at: int
    overridden: Sequence[str] = ()  # layers whose arm (or being in none) was asked for

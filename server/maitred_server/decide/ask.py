"""What the pipeline is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from maitred_server.model import Entry, Kind, SubjectKey, Value


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

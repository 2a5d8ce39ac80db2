"""What a record counts for in what is learned over all subjects: the learner adds it, an erasure takes it away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from maitred_server.model import Event, Exposure, Outcome, Record
from maitred_server.store.keys import EXPOSURE_TYPE, action_key, group_key, item_key, outcome_type, type_code


class Met(NamedTuple):
    """One thing that happened to an action; equal ones are counted together before any key is looked up."""

    type: str
    item: str
    variant: str
    groups: tuple[str, ...]

    def counts_for(self) -> Iterator[int]:
        """The keys of the action, of its item as a whole, and of each of its groups."""
        yield action_key(self.item, self.variant)
        yield item_key(self.item)
        yield from {group_key(group) for group in self.groups}


def met_in(record: Record) -> Sequence[Met]:
    """What a record counts for: nothing, one thing, or one for each slot that was shown."""
    body = record.body
    if isinstance(body, Event):
        return (Met(body.type, body.item, body.variant, body.groups),) if body.item else ()
    if isinstance(body, Exposure):
        return [Met(EXPOSURE_TYPE, one.item, one.variant, one.groups) for one in body.shown]
    if isinstance(body, Outcome):
        return (Met(outcome_type(body.type), body.item, body.variant, body.groups),)
    return ()


def counted_by(record: Record) -> list[tuple[int, int]]:
    """The same as (type code, key), once for each time it counts: numbers that tell nothing of the subject."""
    return [(type_code(met.type), key) for met in met_in(record) for key in met.counts_for()]

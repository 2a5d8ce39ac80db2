"""From a row to an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from maitred_server.errors import InvalidRequest
from maitred_server.importing import checks
from maitred_server.importing.rows import Defaults, EventRow, Plain, Told, ValuePart
from maitred_server.model import Event, Value
from maitred_server.rpc import convert
from maitred_server.store.touches import LARGEST_VALUE

MOST_QUANTITY = (1 << 32) - 1


def told(row: EventRow, defaults: Defaults, groups_of: Callable[[str], tuple[str, ...]], now: int) -> list[Told]:
    """What the row tells. Raises InvalidRequest with the field."""
    subject = convert.subject_id(row.subject, "subject")
    at = checks.occurred(row.time, now)
    source, touchpoint, purpose = checks.told_by(row, defaults)
    body = _event(row, groups_of)
    own_id = convert.subject_id(row.event_id, "event_id") if row.event_id else ""
    return [Told(checks.kind(row.kind, defaults), subject, at, body, source, touchpoint, purpose, own_id)]


def _event(row: EventRow, groups_of: Callable[[str], tuple[str, ...]]) -> Event:
    item = checks.optional(row.item, "item")
    if not -LARGEST_VALUE <= row.value <= LARGEST_VALUE:
        raise InvalidRequest(f"value must be a number up to {LARGEST_VALUE:g}", "value")
    if not 1 <= row.quantity <= MOST_QUANTITY:
        raise InvalidRequest(f"quantity must be 1 to {MOST_QUANTITY}", "quantity")
    return Event(
        checks.name(row.type, "type"),
        item,
        checks.optional(row.variant, "variant"),
        groups_of(item) if item else (),
        row.value,
        row.quantity,
        _attributes(row.attributes) if row.attributes else {},
    )


def _attributes(given: Mapping[str, Plain | ValuePart]) -> dict[str, Value]:
    if len(given) > convert.MAX_ATTRIBUTES:
        raise InvalidRequest(f"attributes has more than {convert.MAX_ATTRIBUTES} keys", "attributes")
    found = {}
    for key, plain in given.items():
        kept = checks.value(plain, f"attributes.{key}")
        if kept is None:
            raise InvalidRequest(f"attributes.{key} has no value", f"attributes.{key}")
        found[checks.name(key, "attributes key")] = kept
    return found

"""From a row to traits and consents."""

from __future__ import annotations

from typing import NamedTuple

from maitred_server.errors import InvalidRequest
from maitred_server.importing import checks
from maitred_server.importing.rows import ConsentPart, Defaults, Plain, ProfileRow, Told, ValuePart
from maitred_server.model import Body, Consent, Consents, ConsentState, Trait, Traits, TraitSource
from maitred_server.rpc import convert

SOURCES = {source.name.lower(): source for source in TraitSource}
STATES = {state.name.lower(): state for state in ConsentState}


class _Said(NamedTuple):
    """What holds for the whole row."""

    at: int
    now: int
    source: str
    purpose: str


def told(row: ProfileRow, defaults: Defaults, now: int) -> list[Told]:
    """What the row tells: traits, then consents. Raises InvalidRequest with the field."""
    subject = convert.subject_id(row.subject, "subject")
    source, touchpoint, purpose = checks.told_by(row, defaults)
    at = now if row.time is None else checks.occurred(row.time, now)
    said = _Said(at, now, source, convert.purpose(purpose, "purpose", required=False))
    bodies: list[Body] = []
    if row.traits:
        bodies.append(Traits(_traits(row, said)))
    if row.consents:
        bodies.append(Consents(_consents(row, said)))
    if not bodies:
        raise InvalidRequest("the row has neither traits nor consents", "traits")
    kind = checks.kind(row.kind, defaults)
    return [Told(kind, subject, at, body, source, touchpoint, purpose) for body in bodies]


def _traits(row: ProfileRow, said: _Said) -> tuple[Trait, ...]:
    if len(row.traits) > convert.MAX_TRAITS:
        raise InvalidRequest(f"traits has more than {convert.MAX_TRAITS}", "traits")
    return tuple(_trait(key, plain, said) for key, plain in row.traits.items())


def _trait(key: str, plain: Plain | ValuePart | None, said: _Said) -> Trait:
    field = f"traits.{key}"
    known, kept = checks.name(key, "traits key"), checks.value(plain, field)
    if not isinstance(plain, ValuePart):
        return Trait(known, kept, TraitSource.INFERRED, said.purpose, said.at)
    return Trait(
        known,
        kept,
        checks.one_of(SOURCES, plain.source, f"{field}.source") if plain.source else TraitSource.INFERRED,
        convert.purpose(checks.optional(plain.purpose, f"{field}.purpose"), f"{field}.purpose", required=False)
        or said.purpose,
        _observed(plain, said, field),
    )


def _consents(row: ProfileRow, said: _Said) -> tuple[Consent, ...]:
    if len(row.consents) > convert.MAX_CONSENTS:
        raise InvalidRequest(f"consents has more than {convert.MAX_CONSENTS}", "consents")
    return tuple(_consent(purpose, given, said) for purpose, given in row.consents.items())


def _consent(purpose: str, given: str | ConsentPart, said: _Said) -> Consent:
    field = f"consents.{purpose}"
    part = ConsentPart(given) if isinstance(given, str) else given
    return Consent(
        checks.name(convert.purpose(purpose, "consents key"), "consents key"),
        checks.one_of(STATES, part.state, field),
        checks.optional(part.source, f"{field}.source") or said.source,
        _observed(part, said, field),
    )


def _observed(part: ValuePart | ConsentPart, said: _Said, field: str) -> int:
    if part.observed_at is None:
        return said.at
    field = f"{field}.observed_at"
    return checks.not_ahead(checks.moment(part.observed_at, field), said.now, field)

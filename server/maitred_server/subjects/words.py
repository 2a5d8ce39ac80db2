"""What a journal record says, as a sentence that its subject can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maitred_server.model import (
    Consent,
    Consents,
    Event,
    Exposure,
    Intensity,
    Merge,
    Objection,
    Outcome,
    Record,
    Trait,
    Traits,
    TraitSource,
    Unmerge,
    Value,
)
from maitred_server.subjects.consent import intensity_of, is_reserved

_SOURCES = {
    TraitSource.EXPLICIT: "you told us",
    TraitSource.INFERRED: "we concluded",
    TraitSource.CONTEXTUAL: "it was so at the time",
}
INTENSITIES = {
    Intensity.OFF: "nothing is chosen for you",
    Intensity.CONTEXTUAL: "what is shown depends on where and when only; nothing known about you is used",
    Intensity.EXPLICIT: "only what you told us yourself is used",
    Intensity.FULL: "all that you allowed is used",
}


def in_words(record: Record) -> str:
    """One sentence or a few, in plain language."""
    match record.body:
        case Exposure() as body:
            return _exposure(body)
        case Outcome() as body:
            return f"After that: {body.type} of {_named(body.item, body.variant)}{_worth(body.value)}."
        case Event() as body:
            return _event(body)
        case Traits(traits=traits):
            return " ".join(_trait(one) for one in traits)
        case Consents(consents=consents):
            return " ".join(_consents(consents))
        case Objection() as body:
            return _objection(body)
        case Merge():
            return "Another id turned out to be yours; what was kept under it is kept here since."
        case Unmerge():
            return "An id that was taken for yours is not; what was kept under it is no longer kept here."
    return "What was kept before was erased."


def _exposure(body: Exposure) -> str:
    shown = listed([_named(one.item, one.variant) for one in body.shown])
    again = f" (showing {body.showing})" if body.showing > 1 else ""
    return f"At “{body.placement}” you were shown {shown}{again}. Why: {body.reason.name.lower()}."


def _event(body: Event) -> str:
    about = f" of {_named(body.item, body.variant)}" if body.item else ""
    times = f", {body.quantity} of them" if body.quantity != 1 else ""
    more = "; ".join(f"{name}: {shown(value)}" for name, value in sorted(body.attributes.items()))
    return f"{body.type}{about}{times}{_worth(body.value)}.{f' Noted with it: {more}.' if more else ''}"


def _trait(trait: Trait) -> str:
    if trait.value is None:
        return f"“{trait.name}” was removed."
    return f"“{trait.name}” is {shown(trait.value)} ({_SOURCES[trait.source]}; for {trait.purpose})."


def _consents(said: Sequence[Consent]) -> Iterable[str]:
    yield from (_consent(one) for one in said if not is_reserved(one.purpose))
    if (intensity := intensity_of(said)) is not None:
        yield f"You chose how much may be used: {INTENSITIES[intensity]}."


def _objection(body: Objection) -> str:
    about = f"“{body.item}”" if body.item else f"anything of “{body.group}”"
    if body.withdrawn:
        return f"You took back that {about} is not for you."
    return f"You said that {about} is not for you{f' (why: {body.reason})' if body.reason else ''}."


def _consent(consent: Consent) -> str:
    return f"Use for “{consent.purpose}” was {consent.state.name.lower()}."


def _named(item: str, variant: str) -> str:
    return f"“{item}” ({variant})" if variant else f"“{item}”"


def _worth(value: float) -> str:
    return f", {value:g}" if value else ""


def shown(value: Value) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return listed([f"“{one}”" for one in value])
    return f"{value:g}" if isinstance(value, float) else f"“{value}”" if isinstance(value, str) else str(value)


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if not names:
        return "nothing"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

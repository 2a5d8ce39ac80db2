"""What a subject allowed, by purpose: the newest word wins; when two subjects turn out to be one, the strictest.

What a subject does not want to see, and how much of it may be used, are kept as words on purposes of our own, so that
both are remembered, merged, replayed and exported as consents are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from maitred_server.model import Consent, Consents, ConsentState, Intensity, Objection, Record

MOST_PURPOSES = 256
MOST_OBJECTIONS = 256
NONE = b"\x90"  # no consents, as stored

OBJECTION_PREFIX, INTENSITY_PREFIX = "not-for-me:", "intensity:"
_ITEM, _GROUP = f"{OBJECTION_PREFIX}item:", f"{OBJECTION_PREFIX}group:"
# What each purpose allows when it is granted, the most basic first: of a level each but the last so many are denied.
LEVELS = (f"{INTENSITY_PREFIX}any", f"{INTENSITY_PREFIX}profile", f"{INTENSITY_PREFIX}inferred")
_OBJECTION_BYTES, _INTENSITY_BYTES = OBJECTION_PREFIX.encode(), INTENSITY_PREFIX.encode()


class Word(NamedTuple):
    """A consent as kept. Only what was said at or after `settled_at` (ms), in a later record, replaces it."""

    consent: Consent
    sequence: int
    settled_at: int


class Objections(NamedTuple):
    """What a subject does not want to see."""

    items: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


class Objected(NamedTuple):
    """One thing that a subject does not want to see; one of item and group is set. `since`: ms."""

    item: str
    group: str
    since: int


NO_OBJECTIONS = Objections()

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Word])


def is_reserved(purpose: str) -> bool:
    """Whether a purpose is one of our own, that nobody may name as such."""
    return purpose.startswith((OBJECTION_PREFIX, INTENSITY_PREFIX))


def newest(one: Word, other: Word) -> Word:
    """Of two words of one subject the one that holds: said later, or as late and recorded later."""
    return other if (other.settled_at, other.sequence) >= (one.settled_at, one.sequence) else one


def strictest(one: Word, other: Word) -> Word:
    """Of the words of two subjects that turn out to be one: REVOKED over DENIED over GRANTED, else the newer.

    What was said before the newer of the two does not loosen it afterwards, however late it comes.
    """
    held = newest(one, other) if one.consent.state == other.consent.state else max(one, other, key=_strictness)
    return Word(held.consent, max(one.sequence, other.sequence), max(one.settled_at, other.settled_at))


def _strictness(word: Word) -> int:
    return word.consent.state


def decode(payload: bytes) -> dict[str, Word]:
    """By purpose, from what was stored."""
    return {word.consent.purpose: word for word in _decoder.decode(payload)}


def visible(payload: bytes) -> dict[str, Consent]:
    """The consents in force, by purpose."""
    if payload == NONE:
        return {}
    return {purpose: word.consent for purpose, word in decode(payload).items() if not is_reserved(purpose)}


def objected(payload: bytes) -> list[Objected]:
    """What the subject does not want to see, the latest first."""
    if _OBJECTION_BYTES not in payload:
        return []
    denied = (word.consent for word in decode(payload).values() if word.consent.state is not ConsentState.GRANTED)
    found = [_named(one) for one in denied if one.purpose.startswith(OBJECTION_PREFIX)]
    return sorted(found, key=lambda one: -one.since)


def _named(consent: Consent) -> Objected:
    purpose, since = consent.purpose, consent.observed_at
    if purpose.startswith(_ITEM):
        return Objected(purpose.removeprefix(_ITEM), "", since)
    return Objected("", purpose.removeprefix(_GROUP), since)


def objections(payload: bytes) -> Objections:
    """The same, as decisions use it."""
    found = objected(payload)
    if not found:
        return NO_OBJECTIONS
    return Objections(
        frozenset(one.item for one in found if one.item), frozenset(one.group for one in found if one.group)
    )


def intensity(payload: bytes) -> Intensity | None:
    """How much the subject lets be used; None: it never said."""
    if _INTENSITY_BYTES not in payload:
        return None
    return level_of({purpose: word.consent.state for purpose, word in decode(payload).items()})


def level_of(states: Mapping[str, ConsentState]) -> Intensity | None:
    """The intensity that some words say; None: none does. The first purpose that is not granted bounds it."""
    if states.keys().isdisjoint(LEVELS):
        return None
    granted = [states.get(purpose, ConsentState.GRANTED) is ConsentState.GRANTED for purpose in LEVELS]
    return Intensity(1 + [*granted, False].index(False))


def put(payload: bytes, records: Iterable[tuple[int, Record]]) -> bytes:
    """The stored consents after some records. None ever goes, but for objections that were taken back, when there are
    too many. Raises ValueError over 256 purposes, or 256 objections.
    """
    said = [word for sequence, record in records for word in _words(sequence, record)]
    if not said:
        return payload
    kept = decode(payload)
    before = _sizes(kept)
    for word in said:
        known = kept.get(word.consent.purpose)
        kept[word.consent.purpose] = word if known is None else newest(known, word)
    _check(kept, before)
    return _encoder.encode(list(kept.values()))


def _words(sequence: int, record: Record) -> Iterator[Word]:
    body = record.body
    if isinstance(body, Consents):
        for consent in body.consents:
            yield Word(consent, sequence, consent.observed_at)
    elif isinstance(body, Objection):
        state = ConsentState.GRANTED if body.withdrawn else ConsentState.DENIED
        purpose = f"{_ITEM}{body.item}" if body.item else f"{_GROUP}{body.group}"
        yield Word(Consent(purpose, state, record.source, record.occurred_at), sequence, record.occurred_at)


class _Sizes(NamedTuple):
    purposes: int
    objections: int


def _sizes(kept: Mapping[str, Word]) -> _Sizes:
    objections = sum(purpose.startswith(OBJECTION_PREFIX) for purpose in kept)
    return _Sizes(sum(not is_reserved(purpose) for purpose in kept), objections)


def _check(kept: dict[str, Word], before: _Sizes) -> None:
    """Make room where that is possible. Raises ValueError where it is not."""
    sizes = _sizes(kept)
    if sizes.purposes > max(before.purposes, MOST_PURPOSES):
        raise ValueError(f"a subject has at most {MOST_PURPOSES} purposes")
    most = max(before.objections, MOST_OBJECTIONS)
    if sizes.objections > most:
        for purpose in _taken_back(kept)[: sizes.objections - MOST_OBJECTIONS]:
            del kept[purpose]
        if _sizes(kept).objections > most:
            raise ValueError(f"a subject has at most {MOST_OBJECTIONS} objections")


def _taken_back(kept: Mapping[str, Word]) -> list[str]:
    """Objections that are not in force any more, the oldest first."""
    found = [
        (word.settled_at, purpose)
        for purpose, word in kept.items()
        if purpose.startswith(OBJECTION_PREFIX) and word.consent.state is ConsentState.GRANTED
    ]
    return [purpose for _, purpose in sorted(found)]


def joined(payload: bytes, other: bytes) -> bytes:
    """The stored consents of two subjects that turn out to be one; both sides' purposes stay."""
    if other == NONE:
        return payload
    kept = decode(payload)
    for purpose, word in decode(other).items():
        kept[purpose] = strictest(kept[purpose], word) if purpose in kept else word
    return _encoder.encode(list(kept.values()))

"""What a subject allowed, by purpose: the newest word wins; when two subjects turn out to be one, the strictest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from maitred_server.model import Consent, Consents, Record

MOST_PURPOSES = 256
NONE = b"\x90"  # no consents, as stored


class Word(NamedTuple):
    """A consent as kept. Only what was said at or after `settled_at` (ms), in a later record, replaces it."""

    consent: Consent
    sequence: int
    settled_at: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Word])


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
    return {purpose: word.consent for purpose, word in decode(payload).items()}


def put(payload: bytes, records: Iterable[tuple[int, Record]]) -> bytes:
    """The stored consents after some records. None ever goes: raises ValueError over 256 purposes."""
    said = [
        Word(consent, sequence, consent.observed_at)
        for sequence, record in records
        if isinstance(record.body, Consents)
        for consent in record.body.consents
    ]
    if not said:
        return payload
    kept = decode(payload)
    before = len(kept)
    for word in said:
        known = kept.get(word.consent.purpose)
        kept[word.consent.purpose] = word if known is None else newest(known, word)
    if len(kept) > max(before, MOST_PURPOSES):
        raise ValueError(f"a subject has at most {MOST_PURPOSES} purposes")
    return _encoder.encode(list(kept.values()))


def joined(payload: bytes, other: bytes) -> bytes:
    """The stored consents of two subjects that turn out to be one; both sides' purposes stay."""
    if other == NONE:
        return payload
    kept = decode(payload)
    for purpose, word in decode(other).items():
        kept[purpose] = strictest(kept[purpose], word) if purpose in kept else word
    return _encoder.encode(list(kept.values()))

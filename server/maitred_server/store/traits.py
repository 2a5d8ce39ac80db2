"""Traits of a subject: the newest observation of each name wins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from maitred_server.model import Record, Trait, Traits, TraitSource

MOST_BYTES = 64 * 1024
NONE = b"\x90"  # no traits, as stored

# By name; with the journal sequence that set it. A removed trait stays, without value, so that an older observation
# that comes late does not bring it back.
Kept: TypeAlias = dict[str, tuple[Trait, int]]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[Trait, int]])


def decode(payload: bytes) -> Kept:
    """From what `encode` made."""
    return {trait.name: (trait, sequence) for trait, sequence in _decoder.decode(payload)}


def encode(kept: Kept) -> bytes:
    """As stored."""
    return _encoder.encode(list(kept.values()))


def put(payload: bytes, records: Iterable[tuple[int, Record]]) -> tuple[bytes, int]:
    """The stored traits after some records, and how many had to go to stay within 64 KiB."""
    changes = [
        (trait, sequence)
        for sequence, record in records
        if isinstance(record.body, Traits)
        for trait in record.body.traits
    ]
    if not changes:
        return payload, 0
    kept = decode(payload)
    for trait, sequence in changes:
        known = kept.get(trait.name)
        if known is None or (trait.observed_at, sequence) >= (known[0].observed_at, known[1]):
            kept[trait.name] = trait, sequence
    encoded = encode(kept)
    return (encoded, 0) if len(encoded) <= MOST_BYTES else _bounded(kept)


def joined(payload: bytes, other: bytes) -> tuple[bytes, int]:
    """The stored traits of two subjects that turn out to be one, by the same rule, and how many had to go."""
    if other == NONE:
        return payload, 0
    kept = decode(payload)
    for name, (trait, sequence) in decode(other).items():
        known = kept.get(name)
        if known is None or (trait.observed_at, sequence) >= (known[0].observed_at, known[1]):
            kept[name] = trait, sequence
    encoded = encode(kept)
    return (encoded, 0) if len(encoded) <= MOST_BYTES else _bounded(kept)


def visible(payload: bytes) -> dict[str, Trait]:
    """The traits that have a value."""
    return {trait.name: trait for trait, _ in _decoder.decode(payload) if trait.value is not None}


def _bounded(kept: Kept) -> tuple[bytes, int]:
    """Removed ones go first, then what was not said explicitly; of these the oldest."""
    sizes = {name: len(_encoder.encode(one)) for name, one in kept.items()}
    excess, gone = sum(sizes.values()) + 5 - MOST_BYTES, 0
    for name in sorted(kept, key=lambda name: _worth(*kept[name])):
        if excess <= 0:
            break
        excess -= sizes[name]
        gone += 1
        del kept[name]
    return encode(kept), gone


def _worth(trait: Trait, sequence: int) -> tuple[bool, bool, int, int]:
    return trait.value is not None, trait.source is TraitSource.EXPLICIT, trait.observed_at, sequence

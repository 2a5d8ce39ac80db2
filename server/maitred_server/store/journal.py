"""Journal records as bytes: msgpack with a checksum that also covers the key they are stored under."""

from __future__ import annotations

from zlib import crc32

import msgspec

from maitred_server.errors import RecordDamaged
from maitred_server.model import BODY_NAMES, Record

KIND_NAMES: tuple[str, ...] = tuple(BODY_NAMES.values())
KIND_INDEX: dict[type, int] = {body: index for index, body in enumerate(BODY_NAMES)}
KIND_SLOTS = 16  # kept in stored counters, so that kinds can be added

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def framed(key: bytes, payload: bytes) -> bytes:
    """A value to store: the checksum of key and payload, then the payload."""
    return crc32(payload, crc32(key)).to_bytes(4, "little") + payload


def unframed(key: bytes, value: bytes) -> bytes:
    """The payload of a stored value; raises RecordDamaged when key or payload are not what was written."""
    payload = value[4:]
    if crc32(payload, crc32(key)) != int.from_bytes(value[:4], "little"):
        raise RecordDamaged("a stored record fails its checksum")
    return payload


def encode_record(record: Record) -> bytes:
    """Payload of a journal record; raises TypeError or ValueError for what cannot be stored."""
    return _encoder.encode(record)


def decode_record(key: bytes, value: bytes) -> Record:
    """The record stored under a journal key; raises RecordDamaged."""
    try:
        return _decoder.decode(unframed(key, value))
    except msgspec.DecodeError as error:
        raise RecordDamaged("a stored record cannot be read") from error


def kind_index(record: Record) -> int:
    """Which counter a record belongs to."""
    return KIND_INDEX[type(record.body)]


def by_kind(counts: tuple[int, ...]) -> dict[str, int]:
    """Counters as people read them; every kind is named."""
    return dict(zip(KIND_NAMES, counts, strict=False))

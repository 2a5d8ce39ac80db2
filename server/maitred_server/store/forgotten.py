"""What was taken out of the journal, for the learner to subtract: what the records counted for, not whose they were.

A note is written in the transaction that takes the records out. The learner takes the notes in the read transaction of
its next chunk and subtracts what it had counted: records up to its own cursor. Those beyond were gone before it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import structlog

from maitred_server.errors import RecordDamaged
from maitred_server.model import Record
from maitred_server.store.counted import counted_by
from maitred_server.store.env import Environment, Txn
from maitred_server.store.journal import framed, unframed
from maitred_server.store.keys import brand_of, sequence_key

AT_ONCE = 1_000  # notes that are read in one transaction

_NUMBER = b"forgotten"

log = structlog.get_logger(__name__)


class Lost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record that is gone: its brand, and each (type code, key) that it counted for."""

    sequence: int
    brand: str
    counted: list[tuple[int, int]]


class Note(NamedTuple):
    """The records that went in one transaction. Numbers rise, and none is ever used again."""

    number: int
    lost: list[Lost]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Lost])


def note(env: Environment, txn: Txn, records: Iterable[tuple[int, Record]]) -> Note:
    """Note that these journal records (by sequence) go in this transaction; number 0: none of them counted."""
    lost = lost_by(records)
    if not lost:
        return Note(0, lost)
    number = last_number(env, txn) + 1
    key = sequence_key(number)
    txn.put(_NUMBER, key, db=env.databases.meta)
    txn.put(key, framed(key, _encoder.encode(lost)), db=env.databases.forgotten)
    return Note(number, lost)


def lost_by(records: Iterable[tuple[int, Record]]) -> list[Lost]:
    """What goes with these records: of those that counted."""
    counted = ((sequence, record, counted_by(record)) for sequence, record in records)
    return [Lost(sequence, brand_of(record.subject), counts) for sequence, record, counts in counted if counts]


def last_number(env: Environment, txn: Txn) -> int:
    """The number of the newest note; 0: there was none."""
    return int.from_bytes(txn.get(_NUMBER, b"", db=env.databases.meta), "big")


def noted(env: Environment, txn: Txn, after: int, limit: int = AT_ONCE) -> list[Note]:
    """The next notes after a number. A damaged one says nothing: what it took away stays counted, and is logged."""
    found: list[Note] = []
    with txn.cursor(db=env.databases.forgotten) as cursor:
        more = cursor.set_range(sequence_key(after + 1))
        while more and len(found) < limit:
            key, value = cursor.item()
            found.append(Note(int.from_bytes(key, "big"), _lost(key, value)))
            more = cursor.next()
    return found


def is_due(env: Environment, through: int) -> bool:
    """Whether there is anything to `drop`."""
    with env.reading() as txn, txn.cursor(db=env.databases.forgotten) as cursor:
        return bool(cursor.first()) and int.from_bytes(cursor.key(), "big") <= through


def drop(env: Environment, txn: Txn, through: int) -> int:
    """Delete the notes up to a number: every published snapshot is without what they name. How many there were."""
    gone = 0
    with txn.cursor(db=env.databases.forgotten) as cursor:
        more = cursor.first()
        while more and int.from_bytes(cursor.key(), "big") <= through:
            more = cursor.delete()
            gone += 1
    return gone


def _lost(key: bytes, value: bytes) -> list[Lost]:
    try:
        return _decoder.decode(unframed(key, value))
    except (RecordDamaged, msgspec.DecodeError):
        log.error("forgotten_note_damaged", number=int.from_bytes(key, "big"))
        return []

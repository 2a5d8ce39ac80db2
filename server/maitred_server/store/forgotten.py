"""What was taken out of the journal, for the learner to subtract: what the records counted for, not whose they were.

A note is written in the transaction that takes the records out. The learner takes the notes in the read transaction of
its next chunk and subtracts what it had counted: records up to its own cursor. Those beyond were gone before it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import msgspec
import structlog

from maitred_server.errors import RecordDamaged
from maitred_server.model import Record
from maitred_server.store.counted import counted_by
from maitred_server.store.env import Environment, Txn
from maitred_server.store.journal import framed, unframed
from maitred_server.store.keys import brand_of, sequence_key
from maitred_server.store.lessons import decision_of, lesson_of

AT_ONCE = 1_000  # notes that are read in one transaction

Records: TypeAlias = Iterable[tuple[int, Record]]

_NUMBER = b"forgotten"

log = structlog.get_logger(__name__)


class Lost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record that is gone: its brand, each (type code, key) that it counted for, and what it taught.

    `stays`: it is not gone; it is told because others of its decision are, and it taught together with them.
    """

    sequence: int
    brand: str
    counted: list[tuple[int, int]]
    lesson: Record | None = None
    stays: bool = False


class Note(NamedTuple):
    """The records that went in one transaction. Numbers rise, and none is ever used again."""

    number: int
    lost: list[Lost]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Lost])


def note(
    env: Environment, txn: Txn, records: Iterable[tuple[int, Record]], others: Callable[[], Records] = lambda: ()
) -> Note:
    """Note that these journal records (by sequence) go in this transaction; number 0: none of them counted.

    `others`: gives the records of their subject that may stay.
    """
    lost = lost_by(records, others)
    if not lost:
        return Note(0, lost)
    number = last_number(env, txn) + 1
    key = sequence_key(number)
    txn.put(_NUMBER, key, db=env.databases.meta)
    txn.put(key, framed(key, _encoder.encode(lost)), db=env.databases.forgotten)
    return Note(number, lost)


def lost_by(records: Iterable[tuple[int, Record]], others: Callable[[], Records] = lambda: ()) -> list[Lost]:
    """What goes with these records: of those that counted. And what stays of the decisions that they taught."""
    found = [
        Lost(sequence, brand_of(record.subject), counted_by(record), lesson_of(record)) for sequence, record in records
    ]
    gone = {one.sequence for one in found}
    decisions = {decision_of(one.lesson) for one in found if one.lesson is not None}
    rest = others() if decisions else ()
    stays = [
        Lost(sequence, brand_of(record.subject), [], lesson, stays=True)
        for sequence, record in rest
        if sequence not in gone and (lesson := lesson_of(record)) is not None and decision_of(lesson) in decisions
    ]
    return [*(one for one in found if one.counted or one.lesson is not None), *stays]


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

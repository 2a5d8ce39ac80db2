"""The record of each erasure: what went, when, and what is still to be done. Nothing in it leads to the subject."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from maitred_server.errors import RecordDamaged
from maitred_server.store.env import Environment, Txn
from maitred_server.store.forgotten import Note
from maitred_server.store.generations import number_of
from maitred_server.store.journal import framed, unframed

ID_BYTES = 16


class ErasedStore(NamedTuple):
    """What went from one place. `done_at`: ms; 0: it is still to be done."""

    name: str
    records: int
    done_at: int


class Erasure(NamedTuple):
    """How far one erasure has come. `erasure_id`: 32 hexadecimal digits."""

    erasure_id: str
    erased_at: int
    stores: tuple[ErasedStore, ...]

    @property
    def done(self) -> bool:
        return all(store.done_at for store in self.stores)


class Gone(NamedTuple):
    """How much went in the erasing transaction."""

    profiles: int
    records: int
    aliases: int


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """`note`: what the learner has to subtract; `generation`: the environment whose bytes still have it.

    `taught`: the note holds what was learned from, so it has to leave the disk too.
    """

    erased_at: int
    gone: tuple[int, int, int]
    note: int
    counts: int
    generation: int
    learned_at: int
    disk_at: int = 0
    taught: bool = False


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Kept)


def add(env: Environment, txn: Txn, at_ms: int, gone: Gone, note: Note) -> Erasure:
    """Begin the record of an erasure, in its transaction."""
    key = os.urandom(ID_BYTES)
    counts = sum(len(lost.counted) for lost in note.lost)
    taught = any(lost.lesson is not None for lost in note.lost)
    kept = _Kept(at_ms, gone, note.number, counts, number_of(env.path), 0 if note.number else at_ms, taught=taught)
    _put(env, txn, key, kept)
    txn.put(key, b"", db=env.databases.waiting)
    return _as_told(key, kept)


def read(env: Environment, erasure_id: bytes) -> Erasure | None:
    """The erasure of an id. Raises RecordDamaged."""
    stored = env.read(erasure_id, env.databases.erasures)
    return None if stored is None else _as_told(erasure_id, _decoded(erasure_id, stored))


def longest_waiting(env: Environment) -> int | None:
    """When the oldest erasure happened whose bytes are still on the disk (ms); None: there is none."""
    with env.reading() as txn:
        generation = number_of(env.path)
        return min((kept.erased_at for _, kept in _waiting(env, txn) if kept.generation >= generation), default=None)


def to_settle(env: Environment, learned_through: int, swept: bool) -> bool:
    """Whether `settle` would get anything done."""
    with env.reading() as txn:
        return any(_progress(env, kept, learned_through, swept, 1) != kept for _, kept in _waiting(env, txn))


def settle(env: Environment, txn: Txn, learned_through: int, swept: bool, at_ms: int) -> int:
    """Note what is done by now; how many erasures are done with this.

    `learned_through`: the note up to which the learner has subtracted, in all that is published; `swept`: nothing is
    left on the disk of earlier environments, nor of what was published before.
    """
    done = 0
    for key, kept in list(_waiting(env, txn)):
        now = _progress(env, kept, learned_through, swept, at_ms)
        if now != kept:
            _put(env, txn, key, now)
        if now.learned_at and now.disk_at:
            txn.delete(key, db=env.databases.waiting)
            done += 1
    return done


def _progress(env: Environment, kept: _Kept, learned_through: int, swept: bool, at_ms: int) -> _Kept:
    """A note that taught is kept until it is learned, so the environment of that moment must be rewritten."""
    learned_now = not kept.learned_at and kept.note <= learned_through
    generation = number_of(env.path) if learned_now and kept.taught else kept.generation
    learned_at = at_ms if learned_now else kept.learned_at
    rewritten = swept and learned_at and generation < number_of(env.path)
    disk_at = kept.disk_at or (at_ms if rewritten else 0)
    return replace(kept, learned_at=learned_at, generation=generation, disk_at=disk_at)


def _waiting(env: Environment, txn: Txn) -> Iterator[tuple[bytes, _Kept]]:
    with txn.cursor(db=env.databases.waiting) as cursor:
        for key in cursor.iternext(values=False):
            stored = txn.get(key, b"", db=env.databases.erasures)
            yield key, _decoded(key, stored)


def _put(env: Environment, txn: Txn, key: bytes, kept: _Kept) -> None:
    txn.put(key, framed(key, _encoder.encode(kept)), db=env.databases.erasures)


def _decoded(key: bytes, stored: bytes) -> _Kept:
    try:
        return _decoder.decode(unframed(key, stored))
    except msgspec.DecodeError as error:
        raise RecordDamaged("a stored erasure cannot be read") from error


def _as_told(key: bytes, kept: _Kept) -> Erasure:
    profiles, records, aliases = kept.gone
    stores = (
        ErasedStore("profile", profiles, kept.erased_at),
        ErasedStore("history", records, kept.erased_at),
        ErasedStore("aliases", aliases, kept.erased_at),
        ErasedStore("learned", kept.counts, kept.learned_at),
        ErasedStore("disk", profiles + records + aliases, kept.disk_at),
    )
    return Erasure(key.hex(), kept.erased_at, stores)

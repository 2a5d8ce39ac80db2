"""What the processes that read a file do: from a part to a block."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from maitred_server.errors import NotPublished
from maitred_server.importing.parser import GroupsOf, Parser, Reading, no_groups
from maitred_server.importing.rows import Reject, Told
from maitred_server.importing.sources import Part
from maitred_server.importing.staged import Block, Staged, block
from maitred_server.model import Record
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.store.published import brand_folder
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms

# How long after it happened an event is recognised by its own id.
REMEMBERED_MS = 3 * 365 * 86_400_000


class Plan(NamedTuple):
    """How a file becomes blocks; goes to other processes. `remember_ids`: of rows that have one. `now`: when the import
    was begun, ms: what is too far ahead of it is so whenever it is gone on with.
    """

    data: Path
    brand: str
    reading: Reading
    remember_ids: bool = False
    now: int = 0


class Stager:
    """Makes blocks of one file."""

    def __init__(self, plan: Plan) -> None:
        """Raises StoreRefused when there are no keys, InvalidRequest when mapping and columns do not go together."""
        self._plan = plan
        self._key = KeyDirectory(plan.data / "keys").pseudonym_key()
        self._subject_key = Pseudonyms(self._key).subject_key
        self._parser = Parser(plan.reading, groups_of(plan.data, plan.brand))

    def block(self, part: Part) -> Block:
        rejects: list[Reject] = []
        staged: list[Staged] = []
        rows = 0
        for _, told in self._parser.told(part, self._plan.now, rejects):
            staged += [self._staged(one) for one in told]
            rows += 1
        return block(rows + len(rejects), staged, rejects)

    def _staged(self, told: Told) -> Staged:
        subject = self._subject_key(self._plan.brand, told.kind, told.subject)
        record = Record(subject, told.kind, 0, told.occurred_at, told.body, told.source, told.touchpoint, told.purpose)
        return record, self._identity(told) if told.own_id else b""

    def _identity(self, told: Told) -> bytes:
        """The id under which an event is recognised in whatever file; b"": under none."""
        if (uuid := time_ordered(told.own_id)) is not None:
            return uuid.bytes
        return own_identity(self._key, told) if self._plan.remember_ids else b""


def time_ordered(text: str) -> UUID | None:
    """A UUID version 7; None: it is none."""
    if len(text) != 36:
        return None
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    return uuid if uuid.version == 7 else None


def own_identity(key: bytes, told: Told) -> bytes:
    """The source, its id and its time in the form of a UUID version 7.

    The store forgets such ids by the time in them: it is `REMEMBERED_MS` after the event's own.
    """
    digest = blake2b(digest_size=10, key=key, person=b"maitred.own-id")
    for text in (told.source, told.own_id):
        digest.update(len(text).to_bytes(4, "big") + text.encode())
    tail = bytearray(digest.digest())
    tail[0] = tail[0] & 0x0F | 0x70
    tail[2] = tail[2] & 0x3F | 0x80
    return (told.occurred_at + REMEMBERED_MS).to_bytes(6, "big") + bytes(tail)


def groups_of(data: Path, brand: str) -> GroupsOf:
    """What tells the groups of an item, as published now; none when nothing is."""
    try:
        catalogue = Catalogue.open(brand_folder(data, brand) / "catalogue")
    except NotPublished:
        return no_groups
    return lru_cache(maxsize=262_144)(catalogue.groups_of)

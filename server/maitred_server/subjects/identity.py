"""From the caller's ids to the keys that everything is kept under. Raw ids go no further than this."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from maitred_server.model import Kind, SubjectKey
from maitred_server.store.keys import PSEUDONYM_BYTES, brand_prefix

PSEUDONYM_KEY_BYTES = 32


class Pseudonyms:
    """Makes the keyed pseudonyms of one installation.

    Without the key nobody can tell from a stored key whose it is, not even by trying all ids.
    """

    def __init__(self, key: bytes) -> None:
        """`key`: 32 secret bytes. Raises ValueError for another length."""
        if len(key) != PSEUDONYM_KEY_BYTES:
            raise ValueError(f"a pseudonym key has {PSEUDONYM_KEY_BYTES} bytes")
        self._keyed = blake2b(key=key, digest_size=PSEUDONYM_BYTES, person=b"maitred.subject")
        self._begun: dict[tuple[str, Kind], _Begun] = {}  # brands come from credentials: they are few

    def subject_key(self, brand: str, kind: Kind, subject_id: str) -> SubjectKey:
        """The key of a subject: brand prefix and 16 bytes. Kind is part of it: person 42 is not household 42."""
        prefix, hashed = self.begun(brand, kind)
        digest = hashed.copy()
        digest.update(subject_id.encode())
        return prefix + digest.digest()

    def begun(self, brand: str, kind: Kind) -> tuple[bytes, blake2b]:
        """What the keys of a brand's subjects of one kind begin with, and the hash of an id so far: for whoever makes
        many. A copy of the hash takes the id; its digest is the rest of the key. Raises ValueError for no brand.
        """
        return self._begun.get((brand, kind)) or self._begin(brand, kind)

    def _begin(self, brand: str, kind: Kind) -> _Begun:
        digest = self._keyed.copy()
        digest.update(bytes([kind]))
        return self._begun.setdefault((brand, kind), _Begun(brand_prefix(brand), digest))


class _Begun(NamedTuple):
    """What the keys of a brand's subjects of one kind have in common."""

    prefix: bytes
    digest: blake2b  # of the secret key and the kind

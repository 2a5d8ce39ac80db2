"""From the caller's ids to the keys that everything is kept under. Raw ids go no further than this."""

from __future__ import annotations

from hashlib import blake2b

from maitred_server.model import Kind, SubjectKey
from maitred_server.store.keys import PSEUDONYM_BYTES, brand_prefix

PSEUDONYM_KEY_BYTES = 32
_KIND_BYTES = {kind: bytes([kind]) for kind in Kind}


class Pseudonyms:
    """Makes the keyed pseudonyms of one installation.

    Without the key nobody can tell from a stored key whose it is, not even by trying all ids.
    """

    def __init__(self, key: bytes) -> None:
        """`key`: 32 secret bytes. Raises ValueError for another length."""
        if len(key) != PSEUDONYM_KEY_BYTES:
            raise ValueError(f"a pseudonym key has {PSEUDONYM_KEY_BYTES} bytes")
        self._keyed = blake2b(key=key, digest_size=PSEUDONYM_BYTES, person=b"maitred.subject")

    def subject_key(self, brand: str, kind: Kind, subject_id: str) -> SubjectKey:
        """The key of a subject: brand prefix and 16 bytes. Kind is part of it: person 42 is not household 42."""
        digest = self._keyed.copy()
        digest.update(_KIND_BYTES[kind] + subject_id.encode())
        return brand_prefix(brand) + digest.digest()

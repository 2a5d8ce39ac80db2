"""Receipts: what learning and proof will need, sealed, and carried by the client until it says what was shown.

A token is `version key-id salt counter ciphertext`, sealed with AES-256-GCM. Every process derives a subkey of its
own from the
installation's key and a random salt, and counts its nonces: no two tokens share key and nonce, without any
agreement between processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from itertools import count

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from maitred_server.errors import NotAllowed
from maitred_server.model import Kind, Reason, SubjectKey, Value

_VERSION = 1
_KEY_ID = 4
_SALT = 16
_COUNTER = 12
_HEADER = 1 + _KEY_ID + _SALT
_LONGEST = 262_144  # a page of 16 placements with 50 slots each, and long names


class SealedSlot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One slot as it was decided."""

    slot: int
    item: str
    variant: str
    reason: Reason
    propensity: float | None
    probability: float
    priority: float
    stretch: bool = False
    features: bytes = b""


class SealedDecision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One placement's decision. `slots`: in the order in which they were filled; `wanted`: as the request had it."""

    decision_id: str
    placement: str
    policy: str
    reason: Reason
    slots: tuple[SealedSlot, ...]
    wanted: int = 0
    channel: str = ""
    space: str = ""


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """What a token holds. `seed` with the clock, the versions and the profile's sequence is enough to decide again."""

    subject: SubjectKey
    kind: Kind
    decided_at: int
    seed: int
    profile_sequence: int
    catalogue: str
    snapshot: str
    arms: tuple[tuple[str, str], ...]
    decisions: tuple[SealedDecision, ...]
    dimensions: dict[str, str] = {}
    segments: tuple[str, ...] = ()
    merged: bool = False
    overridden: tuple[str, ...] = ()
    addressed: SubjectKey = b""  # the key that led to the subject, when it was another than its canonical one
    item_states: int = 0  # version of the live item states
    context: dict[str, Value] = {}  # of the request
    pending: bool = False  # feedback that was not durable yet was used: the profile of that moment is in no journal

    @property
    def asked_for(self) -> SubjectKey:
        """The key that the decision was asked for: feedback with this receipt comes under it."""
        return self.addressed or self.subject

    def decision(self, decision_id: str) -> SealedDecision | None:
        """The decision of that id; None when the receipt is of another answer."""
        for decision in self.decisions:
            if decision.decision_id == decision_id:
                return decision
        return None


class Sealer:
    """Seals and opens receipts. Of one process; safe between threads."""

    def __init__(self, sealing: tuple[bytes, bytes], find_key: Callable[[bytes], bytes | None]) -> None:
        """`sealing`: id (4 bytes) and key (32 bytes) to seal with.

        `find_key`: the key of an id; None when there is no such key.
        """
        key_id, key = sealing
        salt = os.urandom(_SALT)
        self._header = bytes([_VERSION]) + key_id + salt
        self._aead = _derive(key, salt)
        self._nonces = count()
        self._find_key = find_key
        self._opener = lru_cache(maxsize=256)(self._make_opener)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Receipt)

    def seal(self, receipt: Receipt) -> bytes:
        return self.seal_packed(self._encoder.encode(receipt))

    def seal_packed(self, packed: bytes) -> bytes:
        """`packed`: a receipt as `packing.pack` makes it."""
        nonce = next(self._nonces).to_bytes(_COUNTER, "big")
        return self._header + nonce + self._aead.encrypt(nonce, packed, self._header)

    def open(self, token: bytes) -> Receipt:
        """Raises NotAllowed for anything that this installation did not seal, or that was changed since."""
        if not _HEADER + _COUNTER < len(token) <= _LONGEST or token[0] != _VERSION:
            raise NotAllowed(
                "this is no receipt of this server; hand back the receipt of the answer as it came", "receipt"
            )
        header, nonce = token[:_HEADER], token[_HEADER : _HEADER + _COUNTER]
        try:
            plain = self._opener(header).decrypt(nonce, token[_HEADER + _COUNTER :], header)
        except InvalidTag:
            raise NotAllowed("the receipt was changed; hand it back as it came", "receipt") from None
        return self._decoder.decode(plain)

    def _make_opener(self, header: bytes) -> AESGCM:
        key = self._find_key(header[1 : 1 + _KEY_ID])
        if key is None:  # not cached: the next reload may know it
            raise NotAllowed("the receipt was sealed with a key this server does not have", "receipt")
        return _derive(key, header[1 + _KEY_ID :])


def _derive(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(blake2b(salt, key=key, digest_size=32, person=b"maitred.receipt").digest())

"""The installation's keys: files of mode 0600 in `keys/`, made at the first start.

A receipt key's file name says when it was made and its id. A new key opens receipts at once but seals only when it has
been there for a minute, so that every process has seen it before the first receipt made with it comes back.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from maitred_server.errors import StoreRefused
from maitred_server.store.published import write_file

KEY_BYTES = 32
KEY_ID_BYTES = 4
SETTLE_MS = 60_000

_PSEUDONYM = "pseudonym.key"


class ReceiptKey(NamedTuple):
    """One receipt key."""

    made_at: int
    key_id: bytes
    path: Path


class KeyDirectory:
    """Reads and makes keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[bytes, bytes] = {}

    def prepare(self) -> None:
        """Make what is missing. By one process, before others read. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self._folder / _PSEUDONYM).exists():
            write_file(self._folder / _PSEUDONYM, [os.urandom(KEY_BYTES)])
        if not self._receipt_keys():
            self.add_receipt_key()

    def add_receipt_key(self) -> bytes:
        """Make a new receipt key; returns its id."""
        key_id = os.urandom(KEY_ID_BYTES)
        name = f"receipt-{time.time_ns() // 1_000_000}-{key_id.hex()}.key"
        write_file(self._folder / name, [os.urandom(KEY_BYTES)])
        return key_id

    def pseudonym_key(self) -> bytes:
        return _read(self._folder / _PSEUDONYM)

    def sealing(self) -> tuple[bytes, bytes]:
        """Id and key to seal with: the newest that has settled, or the oldest when none has."""
        keys = self._receipt_keys()
        if not keys:
            raise StoreRefused(f"there is no receipt key in {self._folder}")
        settled = [key for key in keys if key.made_at <= time.time_ns() // 1_000_000 - SETTLE_MS]
        chosen = settled[-1] if settled else keys[0]
        return chosen.key_id, _read(chosen.path)

    def find(self, key_id: bytes) -> bytes | None:
        """The key of an id, from the files when it is not known yet; None when there is none."""
        if key_id not in self._known:
            self._known = {key.key_id: _read(key.path) for key in self._receipt_keys()}
        return self._known.get(key_id)

    def _receipt_keys(self) -> list[ReceiptKey]:
        found = []
        for path in self._folder.glob("receipt-*-*.key"):
            _, made_at, key_id = path.stem.split("-")
            found.append(ReceiptKey(int(made_at), bytes.fromhex(key_id), path))
        return sorted(found)


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise StoreRefused(f"cannot read the key {path}: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise StoreRefused(f"the key {path} is damaged: it must have {KEY_BYTES} bytes")
    return key

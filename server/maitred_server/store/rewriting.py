"""Writing all that is kept into a fresh environment, in the order of its keys: what was deleted stays behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb

from maitred_server.errors import RecordDamaged
from maitred_server.store.aliases import is_pointer
from maitred_server.store.directory import make_private
from maitred_server.store.env import MAX_DATABASES, Environment, Txn, layout
from maitred_server.store.profiles import Profile
from maitred_server.store.published import sync_folder

BYTES_AT_ONCE = 32 << 20  # written in one transaction

Pair = tuple[bytes, bytes]


def rewrite(env: Environment, txn: Txn, folder: Path) -> int:
    """Write what a transaction sees into `folder`, synced; how many entries there are. Raises StoreError, OSError.

    Names of counter types that no profile counts any more are left out: clients chose them.
    """
    fresh = _fresh(make_private(folder), env.map_size)
    try:
        entries = 0
        for name, source in env.databases._asdict().items():
            target = fresh.open_db(name.encode(), None, **layout(name))
            if source is None:
                continue
            pairs: Iterable[Pair] = _all(txn, source)
            if name == "names":
                pairs = _names_in_use(env, txn, list(pairs))
            entries += _put(fresh, target, pairs)
        fresh.sync(True)
    except lmdb.Error as error:
        raise env.error(error) from error
    finally:
        fresh.close()
    sync_folder(folder)
    sync_folder(folder.parent)
    return entries


def _fresh(folder: Path, map_size: int) -> lmdb.Environment:
    return lmdb.open(str(folder), map_size=map_size, mode=0o600, sync=False, metasync=False, max_dbs=MAX_DATABASES)


def _all(txn: Txn, database: Any) -> Iterator[Pair]:
    with txn.cursor(db=database) as cursor:
        yield from cursor.iternext()


def _put(fresh: lmdb.Environment, database: Any, pairs: Iterable[Pair]) -> int:
    entries, rest = 0, iter(pairs)
    while batch := _batch(rest):
        with fresh.begin(write=True) as txn, txn.cursor(db=database) as cursor:
            cursor.putmulti(batch, append=True)
        entries += len(batch)
    return entries


def _batch(pairs: Iterator[Pair]) -> list[Pair]:
    batch: list[Pair] = []
    size = 0
    while size < BYTES_AT_ONCE and (some := list(islice(pairs, 256))):
        batch += some
        size += sum(len(key) + len(value) for key, value in some)
    return batch


def _names_in_use(env: Environment, txn: Txn, names: list[Pair]) -> list[Pair]:
    """Looks through profiles until every name was met."""
    unmet = {int.from_bytes(code, "big") for code, _ in names}
    for key, stored in _all(txn, env.databases.profiles):
        if not unmet:
            break
        unmet -= _types_of(key, stored)
    return [(code, name) for code, name in names if int.from_bytes(code, "big") not in unmet]


def _types_of(key: bytes, stored: bytes) -> set[int]:
    if is_pointer(stored):
        return set()
    try:
        profile = Profile.decode(key, stored)
    except RecordDamaged:
        return set()
    return {*profile.rows["type"].tolist(), *profile.ring["type"].tolist()}

"""Backups of a running server, and putting one back.

A backup is laid out as a data directory is: the store, written anew from one moment of it, the catalogues, the
ledger of erasures. The keys are not in it: who has both can tell whose data it is. What the learner published is not in
it either, for it may still count who was erased; it is learned again from the journal.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from maitred_server.errors import StoreRefused
from maitred_server.store import audit, changes
from maitred_server.store.compaction import compact
from maitred_server.store.directory import make_private
from maitred_server.store.env import DEFAULT_MAP_SIZE, Environment
from maitred_server.store.generations import FIRST, folder_in_use, number_of, open_current, sweep
from maitred_server.store.ledger import LEDGER, Ledger
from maitred_server.store.published import (
    brand_folders,
    copy_versions,
    current,
    forget_learned,
    switch,
    sync_folder,
    write_file,
)
from maitred_server.store.rewriting import rewrite
from maitred_server.store.store import Store

CATALOGUE = "catalogue"


class BackedUp(NamedTuple):
    """What is in a backup."""

    last_sequence: int
    subjects: int
    bytes: int


class Restored(NamedTuple):
    """What was put back. `erased_again`: subjects that were erased after the backup was made, and are again."""

    last_sequence: int
    subjects: int
    erased_again: int


def back_up(data: Path, to: Path, map_size: int = DEFAULT_MAP_SIZE, allow_overlay: bool | None = None) -> BackedUp:
    """Make a backup in a new folder `to`, on a local disk, beside a running server or not; it is there whole, verified
    and synced, or not at all. Raises StoreRefused, StoreError, OSError.
    """
    if to.exists():
        raise StoreRefused("there is something in the backup's place already")
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        _write(data, make_private(part), map_size, allow_overlay)
        done = _verified(part, map_size, allow_overlay)
        part.rename(to)
        sync_folder(to.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return done


def _write(data: Path, part: Path, map_size: int, allow_overlay: bool | None) -> None:
    env = open_current(data, map_size, True, allow_overlay)
    try:
        with env.reading() as txn:
            rewrite(env, txn, part / FIRST)
    finally:
        env.close()
    _copy_catalogues(data, part)
    if (data / LEDGER).exists():  # after the store: what was erased meanwhile is in it
        write_file(part / LEDGER, [(data / LEDGER).read_bytes()])
    sync_folder(part)


def _copy_catalogues(source: Path, target: Path) -> None:
    """The catalogues of every brand that `target` does not have: all versions that are kept."""
    for folder in brand_folders(source):
        copy = target / folder.relative_to(source) / CATALOGUE
        if current(folder / CATALOGUE) is not None and current(copy) is None:
            make_private(copy)
            copy_versions(folder / CATALOGUE, copy)


def _verified(folder: Path, map_size: int, allow_overlay: bool | None) -> BackedUp:
    """Raises StoreRefused for what is not sound."""
    env = open_current(folder, map_size, True, allow_overlay)
    try:
        return _checked(env)
    finally:
        env.close()


def _checked(env: Environment) -> BackedUp:
    if not audit.audited(env).sound:
        raise StoreRefused("the backup is damaged: its records and what they count do not agree")
    with env.reading() as txn:
        subjects = txn.stat(env.databases.profiles)["entries"] - txn.stat(env.databases.aliases)["entries"]
        return BackedUp(env.counts(txn).sequence, subjects, (env.path / "data.mdb").stat().st_size)


def restore(
    data: Path,
    backup: Path,
    ledgers: Sequence[Path] = (),
    replace: bool = False,
    map_size: int = DEFAULT_MAP_SIZE,
    allow_overlay: bool | None = None,
) -> Restored:
    """Put a backup back into a data directory, and erase again who was erased since. Hold the directory's lock.

    Who that is stands in the directory's own ledger, in the backup's, and in `ledgers`. `replace`: what is in the
    directory goes. A backup is any folder laid out as a data directory. Raises StoreRefused, StoreError, OSError.
    """
    if not replace and (folder_in_use(data) / "data.mdb").exists():
        raise StoreRefused("the data directory has a store already; say --replace if it may go")
    folder = _next_folder(data)
    try:
        _copy_store(backup, folder)
        env = Environment.open(folder, map_size, False, allow_overlay)
        try:
            _checked(env)
            env.write(lambda txn: changes.begin(env, txn, anew=True))
        finally:
            env.close()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    Ledger(data).merge([backup / LEDGER, *ledgers])
    _copy_catalogues(backup, data)
    forget_learned(data)
    switch(data, folder.name)
    return _forgetting(data, map_size, allow_overlay)


def _next_folder(data: Path) -> Path:
    numbers = [number_of(folder) for folder in data.glob(f"{FIRST}*") if folder.is_dir()]
    return data / f"{FIRST}-{max([1, *numbers]) + 1}"


def _copy_store(backup: Path, folder: Path) -> None:
    source = folder_in_use(backup) / "data.mdb"
    if not source.exists():
        raise StoreRefused("there is no store in the backup")
    shutil.copyfile(source, make_private(folder) / "data.mdb")
    (folder / "data.mdb").chmod(0o600)
    with (folder / "data.mdb").open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(folder)


def _forgetting(data: Path, map_size: int, allow_overlay: bool | None) -> Restored:
    """What was erased since is erased again when the store is opened; its bytes go at once."""
    with Store.open(data, map_size, allow_overlay=allow_overlay) as store:
        again = store.erased_again
    if again:
        compact(data, map_size, allow_overlay)
    sweep(data, folder_in_use(data))
    with Store.open(data, map_size, read_only=True, allow_overlay=allow_overlay) as store:
        usage = store.usage()
    return Restored(usage.last_sequence, usage.subjects, again)

"""The LMDB environment: how it is opened, what is in it, and how its errors become ours."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import lmdb

from maitred_server.errors import StoreBroken, StoreError, StoreFull, StoreRefused
from maitred_server.store.directory import check_file_system, make_private
from maitred_server.store.flag import Flag
from maitred_server.store.journal import KIND_SLOTS, framed, unframed

FORMAT = 2
DEFAULT_MAP_SIZE = 64 << 30
ADMIT_UP_TO = 0.85  # of the map: the rest lets deletes through
DISK_RESERVE = 64 << 20  # free space (or 5% of a small disk) that is left for deletes
MAX_READERS = 1024

_FORMAT_KEY = b"format"
_COUNTS_KEY = b"counts"
_SUCCESSOR_KEY = b"successor"
_COUNTS = struct.Struct(f"<Q{KIND_SLOTS}Q")
_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_BROKEN = (lmdb.PanicError, lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError)
_LITTLE_SPACE = 1 << 20

T = TypeVar("T")
_LATER = frozenset(("changes",))  # databases that stores of this format once did not have
_SORTED_SETS = frozenset(("by_subject", "aliases"))  # databases that hold several values for a key
Txn: TypeAlias = "lmdb.Transaction[bytes]"


class Databases(NamedTuple):
    """Handles of the named databases, by what they hold."""

    meta: Any  # b"format", b"counts"; of `forgotten`, `ledger` and `compaction` what is kept once
    journal: Any  # sequence -> record
    by_subject: Any  # subject's key -> sequences of what came under it, and of the merges that name it
    profiles: Any  # subject's canonical key -> profile; other key -> pointer to the canonical one
    aliases: Any  # canonical key -> the other keys that lead to it
    origins: Any  # subject's key -> when it was first seen, where the record of that is kept no more
    crowded: Any  # subject with more records than are kept of one -> nothing
    sessions: Any  # session subject that is kept and was not merged -> nothing
    windows: Any  # client and epoch -> resend window
    foreign: Any  # foreign event id -> nothing
    tombstones: Any  # subject -> when it was forgotten
    items: Any  # brand and item -> item
    item_states: Any  # brand and item or group -> live state
    names: Any  # code of a counter type -> its name
    forgotten: Any  # number -> what records that are gone had counted for, until the learner has subtracted it
    erasures: Any  # id of an erasure -> how far it has come
    waiting: Any  # ids of the erasures that are not done yet
    changes: Any  # sequence -> whose cached decisions must go


MAX_DATABASES = len(Databases._fields) + 8


class Counts(NamedTuple):
    """The journal in numbers, kept in the same transaction as the journal."""

    sequence: int = 0  # the last one given
    by_kind: tuple[int, ...] = (0,) * KIND_SLOTS


class Retired(Exception):
    """This environment was rewritten into another, and is not to be written any more."""


class Environment:
    """One opened environment. Raises only our own errors, and `Retired`."""

    def __init__(self, path: Path, env: lmdb.Environment, databases: Databases, flag: Flag) -> None:
        self.path = path
        self._env = env
        self.databases = databases
        self.flag = flag
        self.map_size: int = env.info()["map_size"]
        self._page: int = env.stat()["psize"]

    @classmethod
    def open(cls, path: Path, map_size: int, read_only: bool, allow_overlay: bool | None) -> Environment:
        """Open the environment at `path`, made when missing unless read-only. Raises StoreRefused."""
        if read_only and not (path / "data.mdb").exists():
            raise StoreRefused("there is no store in the data directory yet")
        check_file_system(path if read_only else make_private(path), allow_overlay)
        flag = Flag.open(path)
        try:
            env = _opened(path, map_size, read_only)
        except lmdb.Error as error:
            flag.close()
            raise StoreRefused(f"the store cannot be opened: {error}".replace(str(path), "store")) from error
        try:
            return cls(path, env, _databases(env, read_only), flag)
        except BaseException:
            env.close()
            flag.close()
            raise

    def close(self) -> None:
        """Close; everything read before stays valid."""
        self._env.close()
        self.flag.close()

    @property
    def busy(self) -> bool:
        """Whether a thread of this process is in the middle of reading."""
        mine = (line.split() for line in self._env.readers().splitlines()[1:])
        return any(pid == str(os.getpid()) and txn != "-" for pid, _, txn in mine)

    def successor(self) -> str | None:
        """The folder's name of the environment that this one was rewritten into; None while this one is in use."""
        name = self.read(_SUCCESSOR_KEY, self.databases.meta)
        return None if name is None else name.decode()

    def retire(self, txn: Txn, successor: str) -> None:
        """From this transaction on nothing is written here any more, by whatever process."""
        txn.put(_SUCCESSOR_KEY, successor.encode(), db=self.databases.meta)

    def read(self, key: bytes, database: Any) -> bytes | None:
        """A copy of one value."""
        try:
            with self._env.begin(db=database) as txn:
                value: bytes | None = txn.get(key)
                return value
        except lmdb.Error as error:
            raise self.error(error) from error

    def look_up(self, find: Callable[[Txn, Any, bytes], T], key: bytes, database: Any) -> T:
        """What `find` tells of a key in one database: the quickest way to more than one read of the same moment."""
        try:
            txn = self._env.begin(db=database)
            try:
                return find(txn, database, key)
            finally:
                txn.abort()  # it only read; without `with`, since every decision comes by
        except lmdb.Error as error:
            raise self.error(error) from error

    @contextmanager
    def reading(self) -> Iterator[Txn]:
        """A snapshot; to be left at once."""
        try:
            with self._env.begin() as txn:
                yield txn
        except lmdb.Error as error:
            raise self.error(error) from error

    def write(self, work: Callable[[Txn], T]) -> T:
        """Do something in one transaction; durable when this returns, undone when it raises. Raises also `Retired`."""
        try:
            with self._env.begin(write=True) as txn:
                if txn.get(_SUCCESSOR_KEY, db=self.databases.meta) is not None:
                    raise Retired
                return work(txn)
        except lmdb.Error as error:
            raise self.error(error) from error

    def admit(self, txn: Txn) -> None:
        """Raises StoreFull when the map or the disk is nearly full: what remains is for deletes."""
        if self._disk_is_nearly_full():
            raise StoreFull("the disk is nearly full; only deletes are accepted")
        if self.used(txn) > self.map_size * ADMIT_UP_TO:
            raise StoreFull("the store is nearly full; only deletes are accepted")

    def used(self, txn: Txn) -> int:
        """Bytes of the pages in use; pages that were freed count as free."""
        stats = [txn.stat(database) for database in self.databases if database is not None]
        return self._page * sum(one["branch_pages"] + one["leaf_pages"] + one["overflow_pages"] for one in stats)

    def counts(self, txn: Txn) -> Counts:
        """The journal in numbers."""
        value = txn.get(_COUNTS_KEY, db=self.databases.meta)
        if value is None:
            return Counts()
        sequence, *by_kind = _COUNTS.unpack(unframed(_COUNTS_KEY, value))
        return Counts(sequence, tuple(by_kind))

    def put_counts(self, txn: Txn, counts: Counts) -> None:
        """Keep the journal's numbers."""
        value = framed(_COUNTS_KEY, _COUNTS.pack(counts.sequence, *counts.by_kind))
        txn.put(_COUNTS_KEY, value, db=self.databases.meta)

    def check_readers(self) -> int:
        """Free what dead processes held; how many there were."""
        try:
            freed: int = self._env.reader_check()
        except lmdb.Error as error:
            raise self.error(error) from error
        return freed

    def error(self, error: lmdb.Error) -> StoreError:
        """What an LMDB error means."""
        if isinstance(error, lmdb.MapFullError | lmdb.TxnFullError):
            return StoreFull("the store is full")
        code = getattr(error, "code", 0)
        if code in _NO_SPACE or (code == errno.EIO and self._disk_is_full()):
            return StoreFull("the disk is full")
        if isinstance(error, _BROKEN) or code == errno.EIO:
            return StoreBroken("the store met an input/output error and must be reopened")
        return StoreError(f"the store failed: {getattr(error, 'reason', '') or error}")

    def _disk_is_full(self) -> bool:
        """LMDB reports a write that was cut short by a full disk as an input/output error."""
        return self._disk()[0] < _LITTLE_SPACE

    def _disk_is_nearly_full(self) -> bool:
        free, size = self._disk()
        return free < min(DISK_RESERVE, size // 20)

    def _disk(self) -> tuple[int, int]:
        """Free bytes and size of the file system; without a limit when it does not say."""
        try:
            disk = os.statvfs(self.path)
        except OSError:
            return 1 << 62, 1 << 62
        return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


def _opened(path: Path, map_size: int, read_only: bool) -> lmdb.Environment:
    return lmdb.open(
        str(path),
        map_size=map_size,
        subdir=True,
        readonly=read_only,
        create=not read_only,
        mode=0o600,
        sync=True,
        metasync=True,
        writemap=False,
        meminit=True,
        lock=True,
        readahead=False,
        max_readers=MAX_READERS,
        max_dbs=MAX_DATABASES,
        max_spare_txns=8,
    )


def _databases(env: lmdb.Environment, read_only: bool) -> Databases:
    """Opened in one transaction; when read-only each in its own, for a handle of a reading transaction ends with it."""
    with nullcontext() if read_only else env.begin(write=True) as txn:
        try:
            meta = env.open_db(b"meta", txn, create=not read_only)
            with nullcontext(txn) if txn else env.begin() as checking:
                _check_format(checking, meta, read_only)
            rest = [_database(env, txn, name, read_only) for name in Databases._fields[1:]]
        except lmdb.Error as error:
            raise StoreRefused("the store is incomplete or of another program") from error
        return Databases(meta, *rest)


def _database(env: lmdb.Environment, txn: Txn | None, name: str, read_only: bool) -> Any:
    """None: an older store, opened to read only, does not have it."""
    try:
        return env.open_db(name.encode(), txn, create=not read_only, **layout(name))
    except lmdb.NotFoundError:
        if name in _LATER:
            return None
        raise


def layout(database: str) -> dict[str, bool]:
    """How a database is laid out, as LMDB's options."""
    return {"dupsort": database in _SORTED_SETS, "dupfixed": database == "by_subject"}


def _check_format(txn: Txn, meta: Any, read_only: bool) -> None:
    stored = txn.get(_FORMAT_KEY, db=meta)
    if stored is None and not read_only:
        txn.put(_FORMAT_KEY, FORMAT.to_bytes(4, "little"), db=meta)
        return
    found = int.from_bytes(stored or b"", "little")
    if found > FORMAT:
        raise StoreRefused(f"the store was written by a newer version (format {found}; this version knows {FORMAT})")
    if found < FORMAT:
        raise StoreRefused(f"the store has a format that this version cannot read ({found})")

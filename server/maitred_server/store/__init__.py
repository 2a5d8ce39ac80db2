"""The journal and all that is derived from it in the same transaction; see docs/store.md."""

from maitred_server.store.base import AnyStore
from maitred_server.store.directory import DirectoryLock, lock_directory
from maitred_server.store.erasures import ErasedStore, Erasure
from maitred_server.store.forgotten import Lost, Note
from maitred_server.store.memory import MemoryStore
from maitred_server.store.profiles import CounterTable, Profile, Recent
from maitred_server.store.results import (
    DUPLICATE,
    FORGOTTEN,
    REFUSED,
    Audit,
    Changes,
    Commit,
    Deleted,
    Found,
    Statistics,
    Tombstone,
    Usage,
)
from maitred_server.store.retention import Keeping
from maitred_server.store.store import Store

__all__ = [
    "AnyStore",
    "Store",
    "MemoryStore",
    "Profile",
    "CounterTable",
    "Recent",
    "Commit",
    "Changes",
    "Note",
    "Lost",
    "Deleted",
    "Erasure",
    "ErasedStore",
    "Found",
    "Keeping",
    "Tombstone",
    "Usage",
    "Audit",
    "Statistics",
    "DUPLICATE",
    "REFUSED",
    "FORGOTTEN",
    "DirectoryLock",
    "lock_directory",
]

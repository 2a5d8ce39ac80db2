"""Importing a file into a data directory."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import NamedTuple

from maitred_server.errors import MaitredError
from maitred_server.importing import catalogue, local
from maitred_server.importing import mapping as mappings
from maitred_server.importing.local import Job
from maitred_server.importing.plan import Asked, prepare
from maitred_server.importing.report import Summary, Watcher
from maitred_server.importing.stager import Plan
from maitred_server.model import Item
from maitred_server.store import Store
from maitred_server.store.retention import HISTORY_RECORDS
from maitred_server.store.secrets import KeyDirectory


class Target(NamedTuple):
    """A data directory and a brand in it. `map_size` (bytes) and `history_records`: as the server has them."""

    data: Path
    brand: str
    map_size: int
    history_records: int = HISTORY_RECORDS

    def opened(self) -> Store:
        """Its store. Raises StoreRefused."""
        return Store.open(self.data, map_size=self.map_size, history_records=self.history_records)


def run(asked: Asked, target: Target, watcher: Watcher) -> Summary:
    """Import a file; beside a running server or without one. Raises MaitredError."""
    job = Job(asked.file, asked.rejects_file, asked.max_rejects)
    if asked.kind == "items":
        mapping = mappings.load(asked.mapping) if asked.mapping else None
        with target.opened() as store:
            return catalogue.run(lambda items: _put(store, target.brand, items), mapping, job, watcher)
    prepared = prepare(asked, target.brand, watcher)
    with target.opened() as store:
        KeyDirectory(target.data / "keys").prepare()
        plan = Plan(target.data, target.brand, prepared.reading, asked.remember_ids)
        gc.freeze()  # millions of values come and go, and none is in a ring
        gc.disable()
        try:
            return local.run(store, plan, job, prepared.identity, watcher)
        except OSError as error:
            raise MaitredError(f"the data directory cannot be used: {error.strerror}") from None
        finally:
            gc.enable()


def _put(store: Store, brand: str, items: list[Item]) -> list[tuple[int, str, str]]:
    store.submit_items(brand, items).result()
    return []

"""Importing a file into a data directory."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import NamedTuple

from maitred_server.importing import catalogue, local
from maitred_server.importing import mapping as mappings
from maitred_server.importing.local import Job
from maitred_server.importing.plan import Asked, prepare
from maitred_server.importing.report import Summary, Watcher
from maitred_server.importing.stager import Plan
from maitred_server.model import Item
from maitred_server.store import Store
from maitred_server.store.secrets import KeyDirectory


class Target(NamedTuple):
    """A data directory and a brand in it. `map_size`: as the server has it, bytes."""

    data: Path
    brand: str
    map_size: int


def run(asked: Asked, target: Target, watcher: Watcher) -> Summary:
    """Import a file; beside a running server or without one. Raises MaitredError."""
    job = Job(asked.file, asked.rejects_file, asked.max_rejects)
    if asked.kind == "items":
        mapping = mappings.load(asked.mapping) if asked.mapping else None
        with Store.open(target.data, map_size=target.map_size) as store:
            return catalogue.run(lambda items: _put(store, target.brand, items), mapping, job, watcher)
    prepared = prepare(asked, target.brand, watcher)
    with Store.open(target.data, map_size=target.map_size) as store:
        KeyDirectory(target.data / "keys").prepare()
        plan = Plan(target.data, target.brand, prepared.reading, asked.remember_ids)
        gc.freeze()  # millions of values come and go, and none is in a ring
        gc.disable()
        try:
            return local.run(store, plan, job, prepared.identity, watcher)
        finally:
            gc.enable()


def _put(store: Store, brand: str, items: list[Item]) -> list[tuple[int, str, str]]:
    store.submit_items(brand, items).result()
    return []

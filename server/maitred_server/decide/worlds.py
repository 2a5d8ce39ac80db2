"""Follows what is published, brand by brand, and swaps in whole new worlds."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from maitred_server.decide.world import World
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.store.published import Follower, brand_folders

CATALOGUE = "catalogue"
POLICY = "policy"

log = structlog.get_logger()


class Worlds:
    """The world of each brand. `world` only reads a dict; `poll` does the work, on whatever thread calls it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._brands: dict[str, _Brand] = {}
        self._worlds: dict[str, World] = {}

    def world(self, brand: str) -> World | None:
        """What is in force; None when nothing was published."""
        return self._worlds.get(brand)

    def poll(self) -> None:
        """Take up what was published since the last time."""
        with self._lock:
            for folder in brand_folders(self._data):
                brand = self._brands.setdefault(folder.name, _Brand(folder))
                if (world := brand.poll()) is not None:
                    self._worlds[folder.name] = world


class _Brand:
    def __init__(self, folder: Path) -> None:
        self._catalogue = Follower(folder / CATALOGUE, Catalogue.open)
        self._policy = Follower(folder / POLICY, _open_snapshot)
        self._world: World | None = None
        self._failure = ""

    def poll(self) -> World | None:
        """A new world; None when nothing changed."""
        changed = [follower.poll() for follower in (self._catalogue, self._policy)]
        self._complain(self._catalogue.failure or self._policy.failure)
        if self._catalogue.value is None or not any(changed):
            return None
        self._world = World(self._catalogue.value, self._policy.value, self._world)
        return self._world

    def _complain(self, failure: str) -> None:
        if failure and failure != self._failure:
            log.error("published_version_unusable", failure=failure)
        self._failure = failure


def _open_snapshot(folder: Path, version: str) -> PolicySnapshot:
    return PolicySnapshot.open(folder / f"{version}.snapshot")

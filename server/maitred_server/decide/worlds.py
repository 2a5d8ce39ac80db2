"""Follows what is published and the live item states, brand by brand, and swaps in whole new worlds."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from maitred_server.decide.overlay import NO_STATES, LiveStates, Overlay
from maitred_server.decide.ruleset import Ruleset
from maitred_server.decide.world import World
from maitred_server.errors import MaitredError
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.store.itemstate import StateChanges
from maitred_server.store.published import Follower, brand_folder, brand_folders

CATALOGUE = "catalogue"
POLICY = "policy"

log = structlog.get_logger()


class StateReader(Protocol):
    """What is needed of a store."""

    def item_state_version(self, brand: str) -> int: ...
    def item_states_since(self, brand: str, version: int) -> StateChanges: ...


class Worlds:
    """The world of each brand. `world` only reads a dict; `poll` does the work, on whatever thread calls it."""

    def __init__(self, data: Path, states: StateReader | None = None) -> None:
        """`data`: the data directory. `states`: where live item states are; None: there are none."""
        self._data = data
        self._states = states
        self._lock = threading.Lock()
        self._brands: dict[str, _Brand] = {}
        self._worlds: dict[str, World] = {}
        self._poller = ThreadPoolExecutor(1, thread_name_prefix="worlds")

    def world(self, brand: str) -> World | None:
        """What is in force; None when nothing was published."""
        return self._worlds.get(brand)

    def poll(self) -> None:
        """Take up what was published, and the live states that were set, since the last time."""
        with self._lock:
            for folder in brand_folders(self._data):
                brand = self._brands.setdefault(folder.name, _Brand(folder, self._states))
                if (world := brand.poll()) is not None:
                    self._worlds[folder.name] = world

    def poll_soon(self) -> Future[None]:
        """Poll on a thread of its own: for those who must not wait, and need to know when it is done."""
        return self._poller.submit(self.poll)

    def trial(self, brand: str, catalogue: Catalogue) -> World:
        """The world as it would be with another catalogue in force. `poll` must have read what there is."""
        with self._lock:
            folder = brand_folder(self._data, brand)
            known = self._brands.setdefault(brand, _Brand(folder, self._states))
            if (world := known.poll()) is not None:
                self._worlds[brand] = world
            return known.trial(catalogue)

    def close(self) -> None:
        """Nobody polls any more."""
        self._poller.shutdown(wait=True, cancel_futures=True)


class _Brand:
    def __init__(self, folder: Path, states: StateReader | None) -> None:
        self._catalogue = Follower(folder / CATALOGUE, _open_catalogue)
        self._policy = Follower(folder / POLICY, _open_snapshot)
        self._states = _StateFollower(folder.name, states)
        self._world: World | None = None
        self._failure = ""

    def poll(self) -> World | None:
        """A new world; None when nothing changed.

        There is none before the live states could be read once: what was killed is not served again by accident.
        """
        changed = [follower.poll() for follower in (self._catalogue, self._policy, self._states)]
        self._complain(self._catalogue.failure or self._policy.failure or self._states.failure)
        published = self._catalogue.value
        if published is None or not self._states.known or not (any(changed) or self._world is None):
            return None
        overlay = self._overlay(published.catalogue)
        self._world = World(published.catalogue, self._policy.value, self._world, overlay, published.rules)
        return self._world

    def trial(self, catalogue: Catalogue) -> World:
        return World(catalogue, self._policy.value, None, self._overlay(catalogue))

    def _overlay(self, catalogue: Catalogue) -> Overlay:
        if self._world and self._world.catalogue is catalogue and self._world.overlay.version == self._states.version:
            return self._world.overlay
        return Overlay.of(catalogue, self._states.value, self._states.version)

    def _complain(self, failure: str) -> None:
        if failure and failure != self._failure:
            log.error("published_version_unusable", failure=failure)
        self._failure = failure


class _StateFollower:
    """Follows the live states of a brand; when they cannot be read those of before stay, and `failure` says why."""

    def __init__(self, brand: str, states: StateReader | None) -> None:
        self.value: LiveStates = NO_STATES
        self.version = 0
        self.known = states is None
        self.failure = ""
        self._brand = brand
        self._states = states

    def poll(self) -> bool:
        """Reads what was set since the last time; True when `value` is another than before."""
        if self._states is None:
            return False
        try:
            return self._read(self._states)
        except MaitredError as error:
            self.failure = f"live item states: {type(error).__name__}: {error}"
            return False

    def _read(self, states: StateReader) -> bool:
        changed = states.item_state_version(self._brand) != self.version
        if changed:
            told = states.item_states_since(self._brand, self.version)
            self.value = (NO_STATES if told.whole else self.value).with_states(told.states)
            self.version = told.version
        self.known, self.failure = True, ""
        return changed


class _Published(NamedTuple):
    catalogue: Catalogue
    rules: Ruleset


def _open_catalogue(folder: Path, version: str) -> _Published:
    """Read its rules too: what cannot be served is not taken up."""
    catalogue = Catalogue.open(folder, version)
    return _Published(catalogue, Ruleset(catalogue))


def _open_snapshot(folder: Path, version: str) -> PolicySnapshot:
    return PolicySnapshot.open(folder / f"{version}.snapshot")

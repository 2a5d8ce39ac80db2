"""What is published, joined once and then only read: a catalogue and the policy snapshot that goes with it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from maitred_server.errors import UnknownName
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Floats, Keys, Positions
from maitred_server.policy.features import KeyIndex
from maitred_server.policy.snapshot import PolicySnapshot


class Ground(NamedTuple):
    """One placement's candidates as columns, aligned: a row for each of its m actions."""

    placement: Placement
    actions: Positions  # int32[m], indices into the catalogue
    item_index: Positions  # int32[m]
    item_keys: Keys  # uint64[m]
    key_index: KeyIndex
    popularity: Floats  # float64[m]
    order: Floats  # float64[m]


class World:
    """A pair of published states. Never changed: a publish makes a new one, and a decision holds on to the one it
    began with.
    """

    def __init__(self, catalogue: Catalogue, snapshot: PolicySnapshot | None, before: World | None = None) -> None:
        """`before`: the world that this one replaces; what did not change is taken from it."""
        self.catalogue = catalogue
        self.snapshot = snapshot
        self.snapshot_version = snapshot.version if snapshot else ""
        same = before._grounds if before is not None and before.catalogue is catalogue else {}
        self._grounds: dict[str, Ground] = {
            name: self._with_popularity(same.get(name) or _lay(catalogue, placement))
            for name, placement in catalogue.placements.items()
        }

    def ground(self, name: str) -> Ground:
        """The candidates of a placement. Raises UnknownName."""
        ground = self._grounds.get(name)
        if ground is None:
            raise UnknownName(f"there is no placement {name!r}{self._near(name)}", "placements")
        return ground

    def _with_popularity(self, ground: Ground) -> Ground:
        if self.snapshot is None:
            return ground
        counts = self.snapshot.counts(ground.placement.counts, ground.item_keys)
        return ground._replace(popularity=counts.astype(np.float64))

    def _near(self, name: str) -> str:
        near = get_close_matches(name, self._grounds, n=3)
        if near:
            return f"; did you mean {' or '.join(near)}?"
        return f"; published are {', '.join(sorted(self._grounds)[:10])}"


def _lay(catalogue: Catalogue, placement: Placement) -> Ground:
    actions = placement.candidates
    item_keys = np.ascontiguousarray(catalogue.item_keys[actions])
    return Ground(
        placement=placement,
        actions=actions,
        item_index=np.ascontiguousarray(catalogue.item_index[actions]),
        item_keys=item_keys,
        key_index=KeyIndex(item_keys),
        popularity=np.zeros(len(item_keys)),
        order=_places(placement.order, actions),
    )


def _places(order: Positions, actions: Positions) -> Floats:
    """Place of each action in the fixed order; inf for those that are not in it. `actions` rises."""
    places = np.full(len(actions), np.inf)
    rows = np.searchsorted(actions, order)
    for place, (action, row) in enumerate(zip(order, rows, strict=True)):
        if row < len(actions) and actions[row] == action:
            places[row] = place
    return places

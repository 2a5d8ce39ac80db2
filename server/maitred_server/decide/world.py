"""What decisions read, joined once: a catalogue, the policy snapshot that goes with it, and the live item states."""

from __future__ import annotations

from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from maitred_server.decide.overlay import Overlay
from maitred_server.errors import UnknownName
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Floats, Keys, Positions
from maitred_server.policy.features import KeyIndex
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.subjects.assignment import divisions


class Ground(NamedTuple):
    """One placement's candidates as columns, aligned: a row for each of its m actions."""

    placement: Placement
    actions: Positions  # int32[m], indices into the catalogue
    item_index: Positions  # int32[m]
    item_keys: Keys  # uint64[m]
    key_index: KeyIndex
    popularity: Floats  # float64[m]
    order: Floats  # float64[m]
    available: Bools | None = None  # bool[m]: not closed by a live state; None: none is


class World:
    """Published states and live ones. Never changed: a publish or a live state makes a new one, and a decision holds
    on to the one it began with.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        snapshot: PolicySnapshot | None,
        before: World | None = None,
        overlay: Overlay | None = None,
    ) -> None:
        """`before`: the world that this one replaces; what did not change is taken from it. `overlay`: of this
        catalogue; None: no item has a live state.
        """
        self.catalogue = catalogue
        self.layers = divisions(catalogue.layers)
        self.units = frozenset(layer.unit for layer in catalogue.layers if layer.unit is not None)
        self.snapshot = snapshot
        self.snapshot_version = snapshot.version if snapshot else ""
        self.overlay = Overlay.of(catalogue) if overlay is None else overlay
        same = before if before is not None and before.catalogue is catalogue else None
        self._grounds: dict[str, Ground] = {
            name: self._ground(placement, same) for name, placement in catalogue.placements.items()
        }

    def ground(self, name: str) -> Ground:
        """The candidates of a placement. Raises UnknownName."""
        ground = self._grounds.get(name)
        if ground is None:
            raise UnknownName(f"there is no placement {name!r}{self._near(name)}", "placements")
        return ground

    def _ground(self, placement: Placement, same: World | None) -> Ground:
        ground = _lay(self.catalogue, placement) if same is None else same._grounds[placement.name]
        if same is None or same.snapshot is not self.snapshot:
            ground = self._with_popularity(ground)
        return ground._replace(available=self.overlay.available(ground.actions))

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

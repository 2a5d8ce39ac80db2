"""What decisions read, joined once: a catalogue, the policy snapshot that goes with it, and the live item states."""

from __future__ import annotations

from copy import copy
from difflib import get_close_matches

import numpy as np
from msgspec.structs import replace

from maitred_server.decide.conditions import Conditions
from maitred_server.decide.ground import Ground, fallback_placement, lay
from maitred_server.decide.overlay import Overlay
from maitred_server.decide.rulebook import Rulebook
from maitred_server.decide.ruleset import Ruleset
from maitred_server.decide.view import Sight
from maitred_server.decide.wording import Wording
from maitred_server.errors import UnknownName
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.subjects.assignment import asked_traits, divisions


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
        rules: Ruleset | None = None,
    ) -> None:
        """`before`: the world that this one replaces; what did not change is taken from it. `overlay`: of this
        catalogue; None: no item has a live state. `rules`: of this catalogue; None: they are read.

        Raises RecordDamaged when its rules cannot be read.
        """
        self.catalogue = catalogue
        self.layers = divisions(catalogue.layers)
        self.asked_traits = asked_traits(catalogue.layers)
        self.units = frozenset(layer.unit for layer in catalogue.layers if layer.unit is not None)
        self.snapshot = snapshot
        self.snapshot_version = snapshot.version if snapshot else ""
        self.overlay = Overlay.of(catalogue) if overlay is None else overlay
        same = before if before is not None and before.catalogue is catalogue else None
        self.wording: Wording = same.wording if same else Wording(catalogue)
        self.sight: Sight = same.sight if same else Sight(catalogue.control)
        self.capped = bool(catalogue.control.contact_policies)
        self.rulebook: Rulebook = Rulebook(catalogue, self.overlay, same.rulebook if same else None, rules)
        self.conditions: Conditions = self.rulebook
        self._grounds: dict[str, Ground] = {
            name: self._ground(placement, same._grounds[name] if same else None, same)
            for name, placement in catalogue.placements.items()
        }
        self._fallbacks: dict[str, Ground] = {
            name: self._fallback(placement, same) for name, placement in catalogue.placements.items()
        }

    def ground(self, name: str) -> Ground:
        """The candidates of a placement. Raises UnknownName."""
        ground = self._grounds.get(name)
        if ground is None:
            raise UnknownName(f"there is no placement {name!r}{self._near(name)}", "placements")
        return ground

    def fallback(self, name: str) -> Ground:
        """The items that a placement serves when no candidate may be: not weighted, and without a plan of slots."""
        return self._fallbacks[name]

    def serving(self, ground: Ground) -> World:
        """The same, with another ground of a placement: to ask what would be decided if the playbook said so."""
        other = copy(self)
        other._grounds = {**self._grounds, ground.placement.name: ground}
        return other

    def _ground(self, placement: Placement, before: Ground | None, same: World | None) -> Ground:
        gate = self.rulebook.gate(placement) if before is None else self.rulebook.renewed(before.gate)
        ground = lay(self.catalogue, placement, gate) if before is None else replace(before, gate=gate)
        if same is None or same.snapshot is not self.snapshot:
            ground = self._with_popularity(ground)
        if ground.weights is not None:
            ground = replace(ground, weights=ground.weights.priced(self.overlay.price[ground.actions]))
        return replace(ground, available=self.overlay.available(ground.actions))

    def _fallback(self, placement: Placement, same: World | None) -> Ground:
        before = None if same is None else same._fallbacks[placement.name]
        asked = fallback_placement(self.catalogue, placement) if before is None else before.placement
        return replace(self._ground(asked, before, same), weights=None, slots=None, learned=None)

    def _with_popularity(self, ground: Ground) -> Ground:
        if self.snapshot is None:
            return ground
        counts = self.snapshot.counts(ground.placement.counts, ground.item_keys).astype(np.float64)
        if ground.learned is None:
            return ground.with_popularity(counts)
        of_items = counts[ground.first_row == np.arange(len(counts))]
        responses = tuple(one.type for one in ground.learned.learning.responses)
        model = self.snapshot.model(ground.placement.name, ground.learned.space.name, responses)
        learned = ground.learned.renewed(counts, float(of_items.sum()), model)
        return replace(ground.with_popularity(counts), learned=learned)

    def _near(self, name: str) -> str:
        near = get_close_matches(name, self._grounds, n=3)
        if near:
            return f"; did you mean {' or '.join(near)}?"
        return f"; published are {', '.join(sorted(self._grounds)[:10])}"

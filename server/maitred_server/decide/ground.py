"""One placement's candidates as columns, with all that the playbook says of them, joined once per published version."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.decide.arbitration import Weights
from maitred_server.decide.contact import ContactGround
from maitred_server.decide.rulebook import Gate
from maitred_server.decide.slots import SlotPlan
from maitred_server.decide.variants import Fitting
from maitred_server.decide.wishes import WishGround
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Floats, Keys, Positions
from maitred_server.policy.features import KeyIndex


class Ground(NamedTuple):
    """Arrays are aligned: a row for each of the placement's m actions."""

    placement: Placement
    plan: SlatePlan
    actions: Positions  # int32[m], indices into the catalogue
    item_index: Positions  # int32[m]
    item_keys: Keys  # uint64[m]
    key_index: KeyIndex
    popularity: Floats  # float64[m]
    order: Floats  # float64[m]
    wishes: WishGround  # which rows a subject's wishes are about
    gate: Gate | None  # the rules that candidates must meet; None: none
    contact: ContactGround | None  # the contact policies that reach candidates; None: none
    fitting: Fitting | None  # which variants fit where; None: all fit everywhere
    weights: Weights | None  # levers, values and context weights; None: all are 1
    slots: SlotPlan | None  # pins, reserved and stretch slots, limits of groups; None: none
    available: Bools | None = None  # bool[m]: not closed by a live state; None: none is


def lay(catalogue: Catalogue, placement: Placement, gate: Gate | None) -> Ground:
    """The ground of a placement, before anything is known of popularity and live states."""
    actions = placement.candidates
    item_keys = np.ascontiguousarray(catalogue.item_keys[actions])
    plan = catalogue.control.slate(placement.name)
    return Ground(
        placement=placement,
        plan=plan,
        actions=actions,
        item_index=np.ascontiguousarray(catalogue.item_index[actions]),
        item_keys=item_keys,
        key_index=KeyIndex(item_keys),
        popularity=np.zeros(len(item_keys)),
        order=_places(placement.order, actions),
        wishes=WishGround.lay(catalogue, placement),
        gate=gate,
        contact=ContactGround.lay(catalogue, placement, plan),
        fitting=Fitting.lay(catalogue, placement, plan),
        weights=Weights.lay(catalogue, placement, plan),
        slots=SlotPlan.lay(catalogue, placement, plan),
    )


def _places(order: Positions, actions: Positions) -> Floats:
    """Place of each action in the fixed order; inf for those that are not in it. `actions` rises."""
    places = np.full(len(actions), np.inf)
    rows = np.searchsorted(actions, order)
    for place, (action, row) in enumerate(zip(order, rows, strict=True)):
        if row < len(actions) and actions[row] == action:
            places[row] = place
    return places

"""One placement's candidates as columns, with all that the playbook says of them, joined once per published version."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from maitred_server.decide.contact import ContactGround
from maitred_server.decide.gates import Gates
from maitred_server.decide.learned import LearnedGround
from maitred_server.decide.own import OwnIndex
from maitred_server.decide.slots import SlotPlan
from maitred_server.decide.variants import Fitting
from maitred_server.decide.weights import Weights
from maitred_server.decide.wishes import WishGround
from maitred_server.model import Value
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Floats, Keys, Positions
from maitred_server.policy.features import KeyIndex


class Ground(msgspec.Struct, frozen=True, eq=False):
    """Arrays are aligned: a row for each of the placement's m actions."""

    placement: Placement
    plan: SlatePlan
    actions: Positions  # int32[m], indices into the catalogue
    item_index: Positions  # int32[m], rising
    first_row: Positions  # int32[m]: the rows of row r's item begin here
    end_row: Positions  # int32[m]: and end before this one
    item_keys: Keys  # uint64[m]
    key_index: KeyIndex
    own_index: OwnIndex  # of what the placement counts
    popularity: Floats  # float64[m]
    scaled: Floats  # float64[m]: see `policy.base.Situation`
    order: Floats  # float64[m]
    wishes: WishGround  # which rows a subject's wishes are about
    gate: Gates | None  # the rules that candidates must meet; None: none
    contact: ContactGround | None  # the contact policies that reach candidates; None: none
    fitting: Fitting | None  # which variants fit where; None: all fit everywhere
    weights: Weights | None  # levers, values and context weights; None: all are 1
    slots: SlotPlan | None  # pins, reserved and stretch slots, limits of groups; None: none
    learned: LearnedGround | None = None  # None: nothing is learned here
    available: Bools | None = None  # bool[m]: not closed by a live state; None: none is
    costly: bool = False  # a response that is learned here costs something

    def with_popularity(self, counts: Floats) -> Ground:
        """With that of another snapshot. `counts`: float64[m]."""
        scaled = counts / (counts.max(initial=0.0) + 1.0)
        counts.flags.writeable = scaled.flags.writeable = False
        return msgspec.structs.replace(self, popularity=counts, scaled=scaled)

    def channel(self, context: Mapping[str, Value]) -> str:
        """Where it is shown: what the request's context says, else the placement's own."""
        said = context.get("channel")
        return said if said and isinstance(said, str) else self.plan.channel


def lay(catalogue: Catalogue, placement: Placement, gate: Gates | None) -> Ground:
    """The ground of a placement, before anything is known of popularity and live states."""
    actions = placement.candidates
    item_index = np.ascontiguousarray(catalogue.item_index[actions])
    item_keys = np.ascontiguousarray(catalogue.item_keys[actions])
    key_index = KeyIndex(item_keys)
    plan = catalogue.control.slate(placement.name)
    learned = LearnedGround.lay(catalogue, placement)
    return Ground(
        placement=placement,
        plan=plan,
        actions=actions,
        item_index=item_index,
        first_row=item_index.searchsorted(item_index).astype(np.int32),
        end_row=item_index.searchsorted(item_index, side="right").astype(np.int32),
        item_keys=item_keys,
        key_index=key_index,
        own_index=OwnIndex.lay(placement.counts, item_keys),
        popularity=np.zeros(len(item_keys)),
        scaled=np.zeros(len(item_keys)),
        order=_places(catalogue.item_index[placement.order], item_index),
        wishes=WishGround.lay(catalogue, placement),
        gate=gate,
        contact=ContactGround.lay(catalogue, placement, plan),
        fitting=Fitting.lay(catalogue, placement, plan),
        weights=Weights.lay(catalogue, placement, plan),
        slots=SlotPlan.lay(catalogue, placement, plan),
        learned=learned,
        costly=learned is not None and bool((learned.worth < 0.0).any()),
    )


def fallback_placement(catalogue: Catalogue, placement: Placement) -> Placement:
    """A placement that has the fallback's items, in all variants, as its candidates, and the fallback as its order."""
    items = np.unique(catalogue.item_index[placement.fallback])
    begins, ends = catalogue.item_index.searchsorted(items), catalogue.item_index.searchsorted(items, side="right")
    actions = [np.arange(begin, end, dtype=np.int32) for begin, end in zip(begins, ends, strict=True)]
    candidates = np.concatenate([np.zeros(0, np.int32), *actions])
    return msgspec.structs.replace(placement, candidates=candidates, order=placement.fallback)


def _places(order: Positions, item_index: Positions) -> Floats:
    """Place of each row's item in the fixed order; inf for those that are not in it. `order`: item numbers."""
    places = np.full(len(item_index), np.inf)
    for place, item in enumerate(order.tolist()):
        begin, end = item_index.searchsorted([item, item + 1])
        places[begin:end] = place
    return places

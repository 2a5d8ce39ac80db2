"""What is learned in a placement, brought to its candidates: features, predictions, the policy that tries things."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.decide.view import View
from maitred_server.model import Intensity, Reason
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Learning
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Floats, Policy, Scores
from maitred_server.policy.exploring import Budgeted, explorer
from maitred_server.policy.features import KeyIndex
from maitred_server.policy.grid import packed
from maitred_server.policy.learned import predicted
from maitred_server.policy.linear import Candidates, Linear, Model
from maitred_server.policy.meeting import Stage, meet, stage
from maitred_server.policy.past import NO_PAST, past
from maitred_server.policy.space import FeatureSpace, feature_space


class LearnedGround(NamedTuple):
    """What does not depend on the subject; joined once for each published version and policy snapshot."""

    learning: Learning
    counts: str  # the counter type that pair features look at
    space: FeatureSpace
    candidates: Candidates
    stage: Stage
    worth: Floats  # float64[t]
    linear: Linear | None  # None: nothing was learned yet

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, items: KeyIndex) -> LearnedGround | None:
        """Of a placement, before anything is known; None when nothing is learned there."""
        learning = catalogue.control.learned(placement.name)
        if learning is None or not learning.responses:
            return None
        candidates = _candidates(catalogue, placement)
        return cls(
            learning,
            placement.counts,
            feature_space(learning.features, learning.traits, learning.hashed),
            candidates,
            stage(items, candidates.groups, candidates.group_owner, len(candidates.items)),
            np.array([one.worth for one in learning.responses]),
            None,
        )

    def renewed(self, popularity: Floats, total: float, model: Model | None) -> LearnedGround:
        """With another snapshot's popularity and model. A model of another shape is of another playbook: not used."""
        shares = popularity / max(total, 1.0)
        fits = model is not None and model.wide.shape == (len(self.worth), self.space.width)
        linear = Linear(model, self.candidates, self.space.own) if model is not None and fits else None
        return self._replace(stage=self.stage._replace(shares=shares), linear=linear)

    def see(self, view: View, now: int) -> Seen | None:
        """The candidates as this subject meets them; None: nothing may be used of it, so nothing is learned from it."""
        if view.intensity is Intensity.OFF:
            return None
        may = view.profile is not None and view.may_count(self.counts)
        did = past(view.profile, self.counts, now) if may else NO_PAST
        said = {
            name: (view.subject if root == "subject" else view.context).get(key)
            for name in self.learning.traits
            for root, _, key in (name.partition("."),)
        }
        meeting = meet(self.stage, did, said)
        return Seen(self, self.space.candidates(meeting), self.space.shared(meeting), meeting.counts > 0)


class Seen(NamedTuple):
    """One subject's features of all candidates, on the grid."""

    ground: LearnedGround
    own: Floats  # float64[m, own]
    shared: Floats  # float64[d - own]
    met: Bools  # bool[m]: the subject did this before

    def scores(self) -> Scores:
        """What is predicted: the first response as propensity, the sum of all times their worth as priority."""
        ground = self.ground
        defaults = [one.default for one in ground.learning.responses]
        responses = predicted(ground.space, ground.linear, self.own, self.shared, defaults)
        return Scores(ground.worth @ responses, responses[0], (Reason.LEARNED,), worth_is_in=True)

    def policy(self, name: str, seed: int) -> Policy:
        """The learned policy of a name, for this decision."""
        learning, linear = self.ground.learning, self.ground.linear
        worth = np.full(len(self.own), self.ground.worth[0])
        inner = explorer(name, linear, self.own, self.shared, worth, seed, learning.scale)
        return Budgeted(inner, 0.0 if name == "greedy" else learning.exploration, learning.scale)

    def sealed(self, row: int, slot: int) -> bytes:
        """The features of a choice, as they go into the receipt."""
        return packed(np.concatenate([self.own[row], self.ground.space.in_slot(self.shared, slot)]))


def _candidates(catalogue: Catalogue, placement: Placement) -> Candidates:
    actions = placement.candidates
    items = catalogue.item_index[actions]
    offsets, members = catalogue.item_groups_columns
    counts = (offsets[1:] - offsets[:-1])[items]
    owner = np.arange(len(items), dtype=np.int32).repeat(counts)
    begins = np.concatenate([[0], np.cumsum(counts)])[owner]
    places = np.arange(len(owner)) - begins + offsets[items][owner]
    groups = catalogue.group_keys[members[places]]
    return Candidates(catalogue.item_keys[actions], catalogue.action_keys[actions], groups, owner)

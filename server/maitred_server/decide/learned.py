"""What is learned in a placement, brought to its candidates: features, predictions, the policy that tries things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from maitred_server.decide.view import View
from maitred_server.model import Intensity, Reason
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Learning
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Floats, Policy, Scores
from maitred_server.policy.exploring import Budgeted, Known, explorer
from maitred_server.policy.learned import believed
from maitred_server.policy.linear import Candidates, Linear, Model
from maitred_server.policy.meeting import Stage, stage
from maitred_server.policy.scorer import Encounter, Scorer
from maitred_server.policy.space import FeatureSpace, feature_space

try:
    from maitred_server.compiled.learned import Encounters
except ImportError:  # nothing was compiled here
    from maitred_server.policy.encounters import Encounters

_REASONS: Final = (Reason.LEARNED,)


class LearnedGround(msgspec.Struct, frozen=True, eq=False):
    """What does not depend on the subject; joined once for each published version and policy snapshot."""

    learning: Learning
    counts: str  # the counter type that pair features look at
    space: FeatureSpace
    candidates: Candidates
    stage: Stage
    worth: Floats  # float64[t]
    exposures: float  # that the model has learned from; see `Model`
    encounters: Encounters  # by the model, or by what is believed while nothing was learned
    explorers: dict[str, Policy]  # by name: those that are the same for all decisions, as they are asked for

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement) -> LearnedGround | None:
        """Of a placement, before anything is known; None when nothing is learned there."""
        learning = catalogue.control.learned(placement.name)
        if learning is None or not learning.responses:
            return None
        candidates = _candidates(catalogue, placement)
        space = feature_space(learning.features, learning.traits, learning.hashed)
        staged = stage(candidates.items, candidates.groups, candidates.group_owner)
        model = believed(space, [one.default for one in learning.responses])
        encounters = Encounters(Scorer(space, Linear(model, candidates, space.own)), staged, placement.counts)
        worth = np.array([one.worth for one in learning.responses], np.float64)
        return cls(learning, placement.counts, space, candidates, staged, worth, model.exposures, encounters, {})

    def renewed(self, popularity: Floats, total: float, model: Model | None) -> LearnedGround:
        """With another snapshot's popularity and model. A model of another shape is of another playbook: not used."""
        stage = self.stage.with_shares(popularity / max(total, 1.0))
        if model is None or model.wide.shape != (len(self.worth), self.space.width):
            model = believed(self.space, [one.default for one in self.learning.responses])
        scorer = Scorer(self.space, Linear(model, self.candidates, self.space.own))
        encounters = Encounters(scorer, stage, self.counts)
        return msgspec.structs.replace(
            self, stage=stage, exposures=model.exposures, encounters=encounters, explorers={}
        )

    def see(self, view: View, now: int) -> Seen | None:
        """The candidates as this subject meets them; None: nothing may be used of it, so nothing is learned from it."""
        if view.intensity is Intensity.OFF:
            return None
        profile = view.profile if view.may_count(self.counts) else None
        return Seen(self, self.encounters.meet(profile, now, view.subject, view.context))


class Seen(msgspec.Struct, frozen=True, eq=False):
    """One subject's encounter with the candidates."""

    ground: LearnedGround
    encounter: Encounter

    @property
    def shared(self) -> Floats:
        """float64[d - own], on the grid: the features of subject and context, of the first slot; the last is 1."""
        return self.encounter.shared

    def scores(self) -> Scores:
        """What is predicted: the first response as propensity, the sum of all times their worth as priority."""
        priority, first = self.encounter.weighed(self.ground.worth)
        return Scores(priority, first, _REASONS, worth_is_in=True)

    def policy(self, name: str, seed: int) -> Policy:
        """The learned policy of a name, for this decision."""
        found = self.ground.explorers.get(name)
        return self._policy(name, seed) if found is None else found

    def _policy(self, name: str, seed: int) -> Policy:
        learning, stage, space = self.ground.learning, self.ground.stage, self.ground.space
        known = Known(stage.size, self.ground.exposures, space.width, self._deviations)
        inner = explorer(name, known, seed, learning.scale)
        found = Budgeted(inner, 0.0 if name == "greedy" else learning.exploration, learning.scale)
        if name != "thompson":  # which draws for each decision
            self.ground.explorers[name] = found
        return found

    def _deviations(self) -> Floats:
        return self.encounter.deviations() * abs(float(self.ground.worth[0]))

    def sealed(self, rows: Sequence[int], slots: Sequence[int]) -> tuple[list[bytes], list[bool]]:
        """The features of some choices, as they go into the receipt, and whether the subject did each before."""
        return self.encounter.sealed(rows, slots), self.encounter.met(rows)


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

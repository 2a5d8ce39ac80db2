"""What is learned in a placement, brought to its candidates: features, predictions, the policy that tries things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

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
from maitred_server.policy.meeting import Stage, meet, stage
from maitred_server.policy.past import NO_PAST, past
from maitred_server.policy.scorer import Encounter, Scorer
from maitred_server.policy.space import FeatureSpace, feature_space

_REASONS: Final = (Reason.LEARNED,)


class LearnedGround(NamedTuple):
    """What does not depend on the subject; joined once for each published version and policy snapshot."""

    learning: Learning
    counts: str  # the counter type that pair features look at
    said: tuple[tuple[str, bool, str], ...]  # of each trait that is told: its name, whether of the subject, the key
    space: FeatureSpace
    candidates: Candidates
    stage: Stage
    worth: Floats  # float64[t]
    scorer: Scorer  # of the model, and of what is believed while nothing was learned

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement) -> LearnedGround | None:
        """Of a placement, before anything is known; None when nothing is learned there."""
        learning = catalogue.control.learned(placement.name)
        if learning is None or not learning.responses:
            return None
        candidates = _candidates(catalogue, placement)
        space = feature_space(learning.features, learning.traits, learning.hashed)
        return cls(
            learning,
            placement.counts,
            tuple((name, name.partition(".")[0] == "subject", name.partition(".")[2]) for name in learning.traits),
            space,
            candidates,
            stage(candidates.items, candidates.groups, candidates.group_owner),
            np.array([one.worth for one in learning.responses]),
            _unlearned(learning, space, candidates),
        )

    def renewed(self, popularity: Floats, total: float, model: Model | None) -> LearnedGround:
        """With another snapshot's popularity and model. A model of another shape is of another playbook: not used."""
        stage = self.stage.with_shares(popularity / max(total, 1.0))
        if model is None or model.wide.shape != (len(self.worth), self.space.width):
            return self._replace(stage=stage, scorer=_unlearned(self.learning, self.space, self.candidates))
        return self._replace(stage=stage, scorer=Scorer(self.space, Linear(model, self.candidates, self.space.own)))

    def see(self, view: View, now: int) -> Seen | None:
        """The candidates as this subject meets them; None: nothing may be used of it, so nothing is learned from it."""
        if view.intensity is Intensity.OFF:
            return None
        may = view.profile is not None and view.may_count(self.counts)
        did = past(view.profile, self.counts, now) if may else NO_PAST
        subject, context = view.subject, view.context
        said = {name: (subject if of_subject else context).get(key) for name, of_subject, key in self.said}
        meeting = meet(self.stage, did, said)
        return Seen(self, Encounter(self.scorer, meeting))


class Seen(NamedTuple):
    """One subject's encounter with the candidates."""

    ground: LearnedGround
    encounter: Encounter

    @property
    def shared(self) -> Floats:
        """float64[d - own], on the grid: the features of subject and context, of the first slot; the last is 1."""
        return self.encounter.shared

    def scores(self) -> Scores:
        """What is predicted: the first response as propensity, the sum of all times their worth as priority."""
        responses, worth = self.encounter.predict(), self.ground.worth
        first: Floats = responses[0]
        priority = first * worth[0] if len(worth) == 1 else worth @ responses
        return Scores(priority, first, _REASONS, worth_is_in=True)

    def policy(self, name: str, seed: int) -> Policy:
        """The learned policy of a name, for this decision."""
        learning, stage, space = self.ground.learning, self.ground.stage, self.ground.space
        exposures = self.ground.scorer.linear.model.exposures
        inner = explorer(name, Known(stage.size, exposures, space.width, self._deviations), seed, learning.scale)
        return Budgeted(inner, 0.0 if name == "greedy" else learning.exploration, learning.scale)

    def _deviations(self) -> Floats:
        return self.encounter.deviations() * abs(float(self.ground.worth[0]))

    def met(self, row: int) -> bool:
        """Whether the subject did this before."""
        return self.encounter.met(row)

    def sealed(self, rows: Sequence[int], slots: Sequence[int]) -> list[bytes]:
        """The features of some choices, as they go into the receipt."""
        return self.encounter.sealed(rows, slots)


def _unlearned(learning: Learning, space: FeatureSpace, candidates: Candidates) -> Scorer:
    model = believed(space, [one.default for one in learning.responses])
    return Scorer(space, Linear(model, candidates, space.own))


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

"""From a lane's sums to its model: all of it now and then, what was touched in between.

A model is a function of the sums at two places of the journal and of a day: at its base all weights are made, and up
to where it goes only those of items and variants that were touched since.
"""

from __future__ import annotations

import numpy as np

from maitred_server.learn.anchored import fit_from
from maitred_server.learn.families import families
from maitred_server.learn.lane import Lane, Touch
from maitred_server.learn.weights import Touched, Weights, refit
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.fitted import Fitted, Stamp
from maitred_server.policy.linear import Deltas


class Fitter:
    """Makes the models of one lane."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.is_behind = False  # whether what is wider is of before what is narrower
        self._weights: Weights | None = None

    @property
    def has_base(self) -> bool:
        """Whether there is anything that only has to be brought up to date."""
        return self._weights is not None

    def anew(self, catalogue: Catalogue, day: int) -> None:
        """Make all weights."""
        lane = self.lane
        lane.roll(day)
        lane.untouched()
        self.is_behind = False
        self._weights = fit_from(lane.plan.prior, lane.sums, families(catalogue, lane.variants), lane.plan.fitting, day)

    def further(self, catalogue: Catalogue, day: int) -> None:
        """Make the weights of what was touched, those above them being as they are. There must be a base."""
        if self._weights is None:
            raise ValueError("there are no weights to go on from")
        touch = self.lane.untouched()
        if touch.items:
            self.is_behind = True
            known = families(catalogue, _of(self.lane.variants, touch))
            self._weights = refit(self._weights, self.lane.sums, known, _touched(touch), day)

    def fitted(self, stamp: Stamp) -> Fitted:
        """The model as it is now. There must be a base."""
        if self._weights is None:
            raise ValueError("there are no weights yet")
        plan, model = self.lane.plan, self._weights.model()
        groups, items, variants = map(_met, model.levels)
        responses = tuple(one.type for one in plan.responses)
        return Fitted(plan.space.name, responses, model._replace(levels=(groups, items, variants)), stamp)


def _touched(touch: Touch) -> Touched:
    items, variants = (np.array(sorted(keys), np.uint64) for keys in touch)
    return Touched(np.zeros(0, np.uint64), items, variants)


def _of(variants: dict[int, dict[int, None]], touch: Touch) -> dict[int, dict[int, None]]:
    return {item: variants.get(item, {}) for item in touch.items}


def _met(level: Deltas) -> Deltas:
    """Without the keys whose exposures are all taken away again."""
    met = level.exposures > 0
    if met.all():
        return level
    return Deltas(level.keys[met], level.values[met], level.inverses[met], level.exposures[met])

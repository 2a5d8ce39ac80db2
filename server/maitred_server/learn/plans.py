"""What is learned in which placement, as the catalogue in force has it."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from typing import Final

import msgspec

from maitred_server.learn.anchored import PENALTIES
from maitred_server.learn.evidence import PENALTIES as GRID
from maitred_server.learn.ridge import Space
from maitred_server.learn.weights import Fitting
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Learning, Response
from maitred_server.policy.base import Floats
from maitred_server.policy.learned import prior
from maitred_server.policy.space import FeatureSpace, feature_space

VERSION: Final = 1  # of how lessons are made of records: one more and all is learned again


class Plan(msgspec.Struct, frozen=True, dict=True):
    """How one placement is learned. Sums of two plans with different keys are never added up."""

    placement: str
    space: FeatureSpace
    responses: tuple[Response, ...]
    half_life_days: float = 0.0

    @cached_property
    def key(self) -> str:
        """A hash of all that sums depend on; what a response is worth is not among it, nor how fast it fades."""
        responses = [(one.type, one.wait_ms, one.default, one.full) for one in self.responses]
        definition = repr((VERSION, self.placement, self.space.name, responses, self.fades))
        return blake2b(definition.encode(), digest_size=12, person=b"maitred.plan").hexdigest()

    @property
    def fades(self) -> bool:
        """Whether sums are apart by period."""
        return self.half_life_days > 0

    @property
    def fitting(self) -> Fitting:
        """How weights are made."""
        return Fitting(PENALTIES, self.half_life_days if self.fades else None, GRID)

    @cached_property
    def shape(self) -> Space:
        """Which features have weights at which level."""
        space = self.space
        return Space.of(space.width, list(space.group), list(space.item), list(space.variant))

    @cached_property
    def prior(self) -> Floats:
        """Weights float64[t, d] that learning starts from."""
        return prior(self.space, [one.default for one in self.responses])

    @cached_property
    def longest_wait(self) -> int:
        """The longest time that an outcome may take, ms."""
        return max((one.wait_ms for one in self.responses), default=0)


def plan_of(learning: Learning) -> Plan:
    """The plan of one placement."""
    space = feature_space(learning.features, learning.traits, learning.hashed)
    return Plan(learning.placement, space, learning.responses, learning.half_life_days)


def plans_of(catalogue: Catalogue) -> dict[str, Plan]:
    """The plans by placement; placements without outcomes to learn have none."""
    learned = (one for one in catalogue.control.learning if one.responses)
    return {one.placement: plan_of(one) for one in learned}

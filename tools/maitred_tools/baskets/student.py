"""One learned policy that learns from its own exposures alone, with the server's features, sums and weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from maitred_server.learn.anchored import PENALTIES, fit_from
from maitred_server.learn.fixed import UNIT, fixed
from maitred_server.learn.ridge import Shown, Space, Sums
from maitred_server.learn.weights import Families, Fitting
from maitred_server.policy.base import CLOSED, Floats
from maitred_server.policy.exploring import Budgeted, Known, explorer
from maitred_server.policy.families import DEFAULTS
from maitred_server.policy.learned import believed, prior
from maitred_server.policy.linear import Linear
from maitred_server.policy.meeting import Meeting
from maitred_server.policy.scorer import Encounter, Scorer
from maitred_server.policy.space import feature_space

from maitred_tools.baskets.shop import Shop
from maitred_tools.demo.groceries import Ints
from maitred_tools.demo.reference import SLOTS

REFIT_EVERY = 500  # visits
PERIOD_DAYS = 28


class Course(NamedTuple):
    """How a student learns. `budget`: the share of the choices that may try something."""

    name: str
    policy: str = "greedy"
    budget: float = 0.0
    families: tuple[str, ...] = DEFAULTS
    fitting: Fitting = Fitting(PENALTIES)


class _Lesson(NamedTuple):
    rows: Ints
    day: int
    features: Floats
    responses: Floats


class Student:
    """`decide`, then `told` of what was bought, visit by visit."""

    def __init__(self, shop: Shop, course: Course) -> None:
        self.space = feature_space(course.families)
        self._shop = shop
        self._course = course
        space = self.space
        self._sums = Sums(Space.of(space.width, list(space.group), list(space.item), list(space.variant)), 1)
        self._scorer = Scorer(space, Linear(believed(space, (0.0,)), shop.candidates, space.own))
        self._lessons: list[_Lesson] = []
        groups: dict[int, tuple[int, ...]] = {
            int(item): (int(group),) for item, group in zip(shop.items, shop.groups, strict=True)
        }
        items = dict(zip(shop.variants.tolist(), shop.items.tolist(), strict=True))
        self._families = Families(groups, items)
        self.tried = 0

    def decide(self, meeting: Meeting, draws: Floats, seed: int) -> tuple[Ints, Floats]:
        """The categories of the slots, and the features float64[slots, d] by which they were chosen."""
        encounter = Encounter(self._scorer, meeting)
        priority = encounter.predict()[0]
        known = Known(len(priority), self._scorer.linear.model.exposures, self.space.width, encounter.deviations)
        policy, chosen = Budgeted(explorer(self._course.policy, known, seed), self._course.budget), []
        for draw in draws.tolist():
            best = int(priority.argmax())
            found = policy.choose(priority, draw)
            assert found is not None
            chosen.append(found[0])
            self.tried += found[0] != best
            priority[found[0]] = CLOSED
        return np.array(chosen, np.int64), encounter.features(chosen, range(SLOTS)) / UNIT

    def told(self, rows: Ints, day: int, features: Floats, hits: Floats) -> None:
        """What came of a slate."""
        self._lessons.append(_Lesson(rows, day // PERIOD_DAYS * PERIOD_DAYS, features, hits))
        if len(self._lessons) == REFIT_EVERY:
            self._sums.add(self._shown())
            self._lessons.clear()
            weights = fit_from(prior(self.space, (0.0,)), self._sums, self._families, self._course.fitting, day)
            self._scorer = Scorer(self.space, Linear(weights.model(), self._shop.candidates, self.space.own))

    def _shown(self) -> Shown:
        rows = np.concatenate([one.rows for one in self._lessons])
        days = np.repeat(np.array([one.day for one in self._lessons], np.int32), SLOTS)
        responses = np.concatenate([one.responses for one in self._lessons])[:, None] * UNIT
        return Shown(
            days,
            self._shop.items[rows],
            self._shop.variants[rows],
            self._shop.groups[rows],
            np.arange(len(rows), dtype=np.int32),
            fixed(np.concatenate([one.features for one in self._lessons])),
            responses.astype(np.int32),
        )

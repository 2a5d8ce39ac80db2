"""Every visit is given to every policy; each learns from nothing but its own exposures and what all bought."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from maitred_server.policy.meeting import meet
from maitred_server.policy.past import past

from maitred_tools.baskets.shop import PURCHASE, Shop
from maitred_tools.baskets.student import Course, Student
from maitred_tools.demo.groceries import Floats, Groceries, Visit
from maitred_tools.demo.reference import SLOTS, simulate

DAY_MS = 86_400_000


class Contest(NamedTuple):
    """Hits of each policy at each visit, 0 to SLOTS, and how many of a learned policy's choices were not its best."""

    hits: dict[str, Floats]
    tried: dict[str, int]


def hold(
    groceries: Groceries,
    courses: Sequence[Course],
    visits: int,
    seed: int = 1,
    watch: Callable[[], None] = lambda: None,
) -> Contest:
    """The first `visits` visits, in time order. The policies that do not learn are those of `demo.reference`."""
    shop = Shop(groceries)
    students = {course.name: Student(shop, course) for course in courses}
    hits = {name: np.zeros(visits) for name in students}
    draws = {name: np.random.default_rng([seed, place]) for place, name in enumerate(students)}
    for visit in groceries.visits(visits):
        meeting = meet(shop.stage(), past(shop.profile(visit.household), PURCHASE, visit.at_ms))
        basket = _in_basket(visit, shop.size)
        for name, student in students.items():
            rows, features = student.decide(meeting, draws[name].random(SLOTS), visit.number)
            hits[name][visit.number] = basket[rows].sum()
            student.told(rows, visit.at_ms // DAY_MS, features, basket[rows])
        shop.bought(visit)
        watch()
    return Contest(simulate(groceries, visits).hits | hits, {name: one.tried for name, one in students.items()})


def _in_basket(visit: Visit, size: int) -> Floats:
    found = np.zeros(size)
    found[[one.category for one in visit.basket]] = 1.0
    return found

"""What is played, in what order, and what is chosen by tuning."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final, NamedTuple, TypeVar

from maitred_tools.learn.contestants import CONTESTANTS
from maitred_tools.learn.data import SETS, has_shared
from maitred_tools.learn.drift import ENTRANTS, Drifted
from maitred_tools.learn.play import Played, Task
from maitred_tools.learn.upworthy import RULES, Lost

TUNING_ORDER: Final = 1_000  # not among the orders that are measured
LONGER: Final = {"coupons": 3}  # times the rounds: of each three the outcome of one is known
NEEDS: Final = {"coupons": "in_vehicle_coupon"}
T = TypeVar("T")
R = TypeVar("R")


class Plan(NamedTuple):
    """How much is played."""

    rounds: int = 1_000
    tuning_rounds: int = 500
    orders: int = 10
    headlines: int = 100  # tests
    impressions: int = 10_000  # of each
    drift_rounds: int = 3_000
    drift_orders: int = 3
    processes: int = 2


def problems() -> list[str]:
    """The data sets that are there."""
    return [name for name in SETS if name not in NEEDS or has_shared(NEEDS[name])]


def tuning(plan: Plan) -> list[Task]:
    """Every setting of every contestant once, on an order of its own."""
    return [
        Task(name, who, setting, TUNING_ORDER, plan.tuning_rounds * LONGER.get(name, 1))
        for name in problems()
        for who, contestant in CONTESTANTS.items()
        for setting in range(len(contestant.settings))
        if len(contestant.settings) > 1
    ]


def best_settings(tasks: Iterable[Task], found: Iterable[Played]) -> dict[tuple[str, str], int]:
    """By data set and contestant the setting with the most reward; of equals the first."""
    best: dict[tuple[str, str], tuple[float, int]] = {}
    for task, played in zip(tasks, found, strict=True):
        key, reached = (task.data, task.contestant), (played.reward, -task.setting)
        best[key] = max(best.get(key, reached), reached)
    return {key: -setting for key, (_, setting) in best.items()}


def measuring(plan: Plan, settings: dict[tuple[str, str], int]) -> list[Task]:
    """Every contestant, as tuned, on every order."""
    return [
        Task(name, who, settings.get((name, who), 0), order, plan.rounds * LONGER.get(name, 1))
        for name in problems()
        for who in CONTESTANTS
        for order in range(plan.orders)
    ]


def headlines(plan: Plan) -> list[Lost]:
    """Every rule over the same tests."""
    return [Lost(rule, test, plan.impressions) for rule in RULES for test in range(plan.headlines)]


def drifts(plan: Plan) -> list[Drifted]:
    """Every contestant's settings over drifting items."""
    return [
        Drifted(who, setting, order, plan.drift_rounds)
        for who, contestant in ENTRANTS.items()
        for setting in range(len(contestant.settings))
        for order in range(plan.drift_orders)
    ]


class Runner:
    """Runs tasks in processes of one thread each."""

    def __init__(self, processes: int) -> None:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ[name] = "1"  # inherited by the processes, before they import numpy
        self._pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))

    def run(self, work: Callable[[T], R], tasks: Sequence[T], told: Callable[[], None]) -> list[R]:
        """Results in the order of the tasks. `told` is called after each."""
        found = []
        for result in self._pool.map(work, tasks):
            found.append(result)
            told()
        return found

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(cancel_futures=True)

"""Playing a problem: decide, see what the chosen action brought, learn, go on."""

from __future__ import annotations

import time
from functools import cache
from typing import NamedTuple

import numpy as np

from maitred_tools.learn.contestants import CONTESTANTS
from maitred_tools.learn.data import SETS, Problem


class Task(NamedTuple):
    """One contestant with one of its settings on one order of a data set."""

    data: str
    contestant: str
    setting: int
    order: int
    rounds: int


class Played(NamedTuple):
    """What came of it. Times are of one processor, in microseconds."""

    reward: float  # mean over the rounds in which it is known, each by its weight
    decide_us: float
    learn_us: float
    known: int  # rounds with a known reward


def play(task: Task) -> Played:
    """Runs a task; for a process of its own."""
    return play_problem(_loaded(task.data).order(task.order, task.rounds), task)


@cache
def _loaded(name: str) -> Problem:
    return SETS[name]()


def play_problem(problem: Problem, task: Task) -> Played:
    """Every contestant meets the same rounds with the same draws."""
    who = CONTESTANTS[task.contestant]
    learner = who.make(problem, who.settings[task.setting], task.order)
    contexts = [who.told(context) for context in problem.contexts]
    draws = np.random.default_rng([11, task.order]).random(len(contexts))
    total = weight = 0.0
    known = deciding = learning = 0
    for row, context in enumerate(contexts):
        begun = time.process_time_ns()
        chosen = learner.decide(context, problem.is_open[row], float(draws[row]))
        decided = time.process_time_ns()
        deciding += decided - begun
        reward = float(problem.rewards[row, chosen[0]])
        if np.isnan(reward):
            continue
        decided = time.process_time_ns()
        learner.learn(context, chosen, reward)
        learning += time.process_time_ns() - decided
        known += 1
        total += reward * problem.weights[row, chosen[0]]
        weight += problem.weights[row, chosen[0]]
    return Played(
        float(total / max(weight, 1e-12)), deciding / len(contexts) / 1e3, learning / max(known, 1) / 1e3, known
    )

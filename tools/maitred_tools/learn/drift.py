"""An item's worth flips midway: how long until the next best is served as a matter of course."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from maitred_server.policy.base import Floats

from maitred_tools.learn.contestants import CONTESTANTS
from maitred_tools.learn.data import Problem, full
from maitred_tools.learn.ours import Setting

RATES: Final = (0.5, 0.35, 0.3, 0.25, 0.2)  # of five items; then the first is worth 0.05
FLIPPED: Final = 0.05
WINDOW: Final = 100  # rounds; recovered: four in five of a window go to the best item
ENOUGH: Final = 0.8
_FADING: Final = Setting(half_life_days=2.0, rounds_a_day=100, again=0.02)
ENTRANTS: Final = {name: who for name, who in CONTESTANTS.items() if name != "ours_tuned"} | {
    "ours_half_life": CONTESTANTS["ours"]._replace(settings=(_FADING,))
}


class Drifted(NamedTuple):
    """One contestant, with one of its settings, over so many rounds, of which half come before the flip."""

    contestant: str
    setting: int
    order: int
    rounds: int


class Recovery(NamedTuple):
    """`rounds`: until it had recovered, all that were left when it never did. `reward`: mean after the flip."""

    rounds: int
    recovered: bool
    reward: float


def problem(rounds: int, order: int) -> Problem:
    """No context but one that never changes; what every item would bring is drawn beforehand."""
    chance = np.random.default_rng([19, order])
    rates = np.tile(RATES, (rounds, 1))
    rates[rounds // 2 :, 0] = FLIPPED
    drawn: Floats = (chance.random(rates.shape) < rates).astype(np.float64)
    return full("drift", np.ones((rounds, 1)), drawn)


def drift(task: Drifted) -> Recovery:
    """Runs it; for a process of its own."""
    who = ENTRANTS[task.contestant]
    given = problem(task.rounds, task.order)
    learner = who.make(given, who.settings[task.setting], task.order)
    draws = np.random.default_rng([23, task.order]).random(task.rounds)
    chosen = np.zeros(task.rounds, np.int64)
    context = who.told(given.contexts[0])
    for row in range(task.rounds):
        choice = learner.decide(context, given.is_open[row], float(draws[row]))
        chosen[row] = choice[0]
        learner.learn(context, choice, float(given.rewards[row, choice[0]]))
    return recovery(chosen, given)


def recovery(chosen: np.ndarray, given: Problem) -> Recovery:
    """How soon after the flip a window of choices is of the item that is then the best."""
    half = len(chosen) // 2
    best = int(np.argmax(RATES[1:])) + 1
    right = np.convolve(chosen[half:] == best, np.ones(WINDOW) / WINDOW, "valid") >= ENOUGH
    reward = float(given.rewards[np.arange(half, len(chosen)), chosen[half:]].mean())
    if not right.any():
        return Recovery(len(chosen) - half, False, reward)
    return Recovery(int(right.argmax()) + WINDOW, True, reward)

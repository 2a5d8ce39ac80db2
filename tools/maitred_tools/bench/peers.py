"""Other people's choosers, asked for one choice among as many actions with as many features."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from itertools import cycle
from typing import Any, Final

from maitred_server.policy.space import feature_space

from maitred_tools.bench import places

TAUGHT: Final = 20  # rounds that each learns from before it is asked
CONTEXTS: Final = 5  # that take turns
VOWPAL, CROSSED, GITTINS = "vowpalwabbit", "vowpalwabbit, crossed", "gittins"
PACKAGES: Final = {VOWPAL: "vowpalwabbit", CROSSED: "vowpalwabbit", GITTINS: "gittins"}
FOR_EVER: Final = 1e12

Choose = Callable[[], object]


def there(name: str) -> str:
    """The version of a peer's package; "": it is not there."""
    return metadata.version(PACKAGES[name]) if find_spec(PACKAGES[name]) else ""


def chooser(name: str, actions: int) -> Choose:
    """What makes one choice with each call. `crossed`: features of context and action are multiplied too."""
    if name == GITTINS:
        return _gittins(actions)
    return _vowpal(actions, "-q sa" if name == CROSSED else "")


def micros(choose: Choose, calls: int) -> float:
    """Microseconds of CPU of one call: the mean."""
    begin = time.thread_time_ns()
    for _ in range(calls):
        choose()
    return (time.thread_time_ns() - begin) / 1000 / calls


def widths() -> tuple[int, int]:
    """Features of an action, and of the context with its constant: as the learned placements have them."""
    space = feature_space((), places.TRAITS, places.HASHED)
    return space.own, space.width - space.own


def _vowpal(actions: int, options: str) -> Choose:
    """Examples are parsed beforehand; the choice is what the package gives: the probabilities of all actions."""
    import vowpalwabbit

    chance = random.Random(13)  # noqa: S311
    workspace = vowpalwabbit.Workspace(f"--cb_explore_adf --squarecb {options} --quiet")
    for row in range(TAUGHT):
        workspace.learn(list(_lines(actions, chance, row % actions)))
    parsed: Iterator[Any] = cycle([workspace.parse(list(_lines(actions, chance))) for _ in range(CONTEXTS)])
    return lambda: workspace.predict(next(parsed))


def _lines(actions: int, chance: random.Random, told: int = -1) -> Iterator[str]:
    own, shared = widths()
    yield "shared |s " + " ".join(f"s{at}:{chance.random():.4f}" for at in range(shared - 1))  # it adds the constant
    for row in range(actions):
        label = f"0:{chance.random():.3f}:0.1 " if row == told else ""
        yield f"{label}|a " + " ".join(f"a{at}:{chance.random():.4f}" for at in range(own))


def _gittins(actions: int) -> Choose:
    import gittins

    own, shared = widths()
    chance = random.Random(13)  # noqa: S311
    state: Any = gittins.create(bits=18, horizon=FOR_EVER)
    offered = [(f"a{row}", {f"a{at}": chance.random() for at in range(own)}) for row in range(actions)]
    context = {f"s{at}": chance.random() for at in range(shared - 1)}
    numbers = iter(range(1, 1 << 60))

    def choose() -> object:
        number = next(numbers)
        found = gittins.decide(state, context, offered, float(number), str(number))
        gittins.learn(state, found.decision_id, 0.0, float(number))  # nothing is left open
        return found

    return choose

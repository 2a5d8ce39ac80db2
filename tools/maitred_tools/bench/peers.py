"""Other people's choosers, asked for one choice among as many actions with as many features."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from itertools import cycle
from typing import Any, Final, NamedTuple

from maitred_server.policy.space import feature_space

from maitred_tools.bench import places

TAUGHT: Final = 20  # rounds that each learns from before it is asked
CONTEXTS: Final = 5  # that take turns
VOWPAL, CROSSED, GITTINS = "vowpalwabbit", "vowpalwabbit, crossed", "gittins"
PACKAGES: Final = {VOWPAL: "vowpalwabbit", CROSSED: "vowpalwabbit", GITTINS: "gittins"}
FOR_EVER: Final = 1e12


class Chooser(NamedTuple):
    """`choose` makes one choice with each call; `finish`, which is not timed, does with it what must be done."""

    choose: Callable[[], Any]
    finish: Callable[[Any], object] = lambda made: None


def there(name: str) -> str:
    """The version of a peer's package; "": it is not there."""
    return metadata.version(PACKAGES[name]) if find_spec(PACKAGES[name]) else ""


def chooser(name: str, actions: int) -> Chooser:
    """A peer that was taught a little. `crossed`: features of context and action are multiplied too."""
    if name == GITTINS:
        return _gittins(actions)
    return _vowpal(actions, "-q sa" if name == CROSSED else "")


def micros(chooser: Chooser, calls: int) -> float:
    """Microseconds of CPU of one choice: the mean."""
    begin = time.thread_time_ns()
    made = [chooser.choose() for _ in range(calls)]
    took = time.thread_time_ns() - begin
    for one in made:
        chooser.finish(one)
    return took / 1000 / calls


def widths() -> tuple[int, int]:
    """Features of an action, and of the context with its constant: as the learned placements have them."""
    space = feature_space((), places.TRAITS, places.HASHED)
    return space.own, space.width - space.own


def _vowpal(actions: int, options: str) -> Chooser:
    """Examples are parsed beforehand; the choice is what the package gives: the probabilities of all actions."""
    import vowpalwabbit

    chance = random.Random(13)  # noqa: S311
    workspace = vowpalwabbit.Workspace(f"--cb_explore_adf --squarecb {options} --quiet")
    for row in range(TAUGHT):
        workspace.learn(list(_lines(actions, chance, row % actions)))
    parsed: Iterator[Any] = cycle([workspace.parse(list(_lines(actions, chance))) for _ in range(CONTEXTS)])
    return Chooser(lambda: workspace.predict(next(parsed)))


def _lines(actions: int, chance: random.Random, told: int = -1) -> Iterator[str]:
    own, shared = widths()
    yield "shared |s " + " ".join(f"s{at}:{chance.random():.4f}" for at in range(shared - 1))  # it adds the constant
    for row in range(actions):
        label = f"0:{chance.random():.3f}:0.1 " if row == told else ""
        yield f"{label}|a " + " ".join(f"a{at}:{chance.random():.4f}" for at in range(own))


def _gittins(actions: int) -> Chooser:
    """It remembers what it decided until it learns what came of it: that is not timed, but nothing is left open."""
    import gittins

    own, shared = widths()
    chance = random.Random(13)  # noqa: S311
    state: Any = gittins.create(bits=18, horizon=FOR_EVER)
    offered = [(f"a{row}", {f"a{at}": chance.random() for at in range(own)}) for row in range(actions)]
    context = {f"s{at}": chance.random() for at in range(shared - 1)}
    numbers = iter(range(1, 1 << 60))

    def choose() -> Any:
        number = next(numbers)
        return gittins.decide(state, context, offered, float(number), str(number))

    return Chooser(choose, lambda made: gittins.learn(state, made.decision_id, 0.0, float(next(numbers))))

"""Who takes part, and with which settings: the same number for each, the first being its default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from maitred_server.policy.base import Bools, Floats

from maitred_tools.learn.data import Problem
from maitred_tools.learn.ours import DEFAULT, Chosen, Ours, Setting


class Learner(Protocol):
    """One that decides and learns. `context`: in the form that it wants."""

    def decide(self, context: Any, is_open: Bools, draw: float) -> Chosen: ...

    def learn(self, context: Any, chosen: Chosen, reward: float) -> None: ...


class Contestant(NamedTuple):
    """Settings by what they are called, of which the first is the default."""

    settings: tuple[Any, ...]
    make: Callable[[Problem, Any, int], Learner]
    told: Callable[[Floats], Any]  # a context in the form that it wants; not timed


def _ours(problem: Problem, setting: Setting, seed: int) -> Learner:
    return Ours(problem.contexts.shape[1], problem.rewards.shape[1], setting)


def _vowpal(problem: Problem, options: str, seed: int) -> Learner:
    from maitred_tools.learn.vowpal import Vowpal

    return Vowpal(problem.rewards.shape[1], options, seed)


def _gittins(problem: Problem, epsilon: float | None, seed: int) -> Learner:
    from maitred_tools.learn.engine import Gittins

    return Gittins(problem.rewards.shape[1], epsilon, seed)


def _as_text(context: Floats) -> str:
    from maitred_tools.learn.vowpal import text

    return text(context)


def _as_names(context: Floats) -> dict[str, float]:
    from maitred_tools.learn.engine import named

    return named(context)


def _same(context: Floats) -> Floats:
    return context


def _of_vowpal(*options: str) -> Contestant:
    return Contestant(options, _vowpal, _as_text)


TRIED: Final = (DEFAULT, Setting(eagerness=30.0), Setting(grid=()), Setting(eagerness=30.0, grid=()))
CONTESTANTS: Final[dict[str, Contestant]] = {
    "ours": Contestant((DEFAULT,), _ours, _same),
    "ours_tuned": Contestant(TRIED, _ours, _same),
    "vw_squarecb": _of_vowpal(
        "--squarecb", "--squarecb --gamma_scale 100", "--squarecb -l 2", "--squarecb --gamma_scale 100 -l 2"
    ),
    "vw_epsilon": _of_vowpal("--epsilon 0.05", "--epsilon 0.02", "--epsilon 0.05 -l 2", "--epsilon 0.02 -l 2"),
    "vw_regcb": _of_vowpal(
        "--regcb", "--regcb --mellowness 0.001", "--regcbopt --mellowness 0.001", "--regcbopt --mellowness 0.001 -l 2"
    ),
    "vw_cover": _of_vowpal("--cover 4", "--cover 4 --nounif", "--cover 4 -l 2", "--cover 4 --nounif -l 2"),
    "gittins": Contestant((None, 0.1, 0.05, 0.02), _gittins, _as_names),
}

"""`python -m maitred_tools.bench.probabilities`: do choices come as often as their action probabilities say?

Pages are decided in this process by the very code that serves, on a small playbook with pins, caps, reserved and
stretch slots, limits of groups, rules, weights, and no repeats over the page. What was filled before a slot is its
condition: among the pages that agree in it, each action must come as often as its choices report.
"""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeAlias

import numpy as np
import typer
from maitred_server.decide.pipeline import Page
from maitred_server.model import Reason
from maitred_server.policy import POLICIES, Policy
from maitred_server.policy.base import CLOSED, Floats, Scores, Situation
from rich.console import Console

from maitred_tools.bench import smallpage
from maitred_tools.bench.chisquare import NO_FIT, Cell, Fit, fit
from maitred_tools.bench.progress import progress

SIGNIFICANT: Final = 0.001
SEED: Final = 20_240_229
COLUMNS: Final = ("policy", "decisions", "conditions", "freedom", "chi-square", "p", "least place")

Prefix: TypeAlias = tuple[int, ...]  # the moment, then the actions that were chosen before
Tally: TypeAlias = dict[Prefix, dict[int, list[float]]]  # by action: how often, and the probability it reported

out = Console()


class Softmax:
    """Chooses with unequal probabilities. It is measured only, not served."""

    name = "softmax"
    weighted = True

    def score(self, situation: Situation) -> Scores:
        counts = situation.popularity.copy()
        if situation.own is not None:
            counts[situation.own.rows] += situation.own.counts
        return Scores(np.log1p(counts), None, (Reason.EXPLORED,))

    def probabilities(self, priority: Floats) -> Floats:
        shares: Floats = np.exp(priority - priority.max())
        shares /= shares.sum()
        return shares

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        if priority.max() == CLOSED:
            return None
        shares = self.probabilities(priority)
        row = min(int(shares.cumsum().searchsorted(draw, side="right")), int(np.flatnonzero(shares)[-1]))
        return row, float(shares[row])


class Forgetful(Softmax):
    """Wrong: reports as if a tenth of its choices were left to chance, and leaves none to it."""

    name = "wrong-forgetful"

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        chosen = super().choose(priority, draw)
        return chosen and (chosen[0], 0.9 * chosen[1] + 0.1 / int((priority > CLOSED).sum()))


class Unconditional(Softmax):
    """Wrong: reports each choice's probability as if no slot had been filled before."""

    name = "wrong-unconditional"
    _whole: Floats

    def score(self, situation: Situation) -> Scores:
        scores = super().score(situation)
        self._whole = self.probabilities(scores.priority)
        return scores

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        chosen = super().choose(priority, draw)
        return chosen and (chosen[0], float(self._whole[chosen[0]]))


HONEST: Final[tuple[Policy, ...]] = (*POLICIES.values(), Softmax())
WRONG: Final[tuple[Policy, ...]] = (Forgetful(), Unconditional())


class Place(NamedTuple):
    """One place in the page's order of filling."""

    conditions: int  # how many different pages led up to it
    fit: Fit


class Simulation(NamedTuple):
    """What came of one policy."""

    policy: str
    decisions: int
    places: Sequence[Place]
    pinned: int  # choices of a kind
    stretched: int
    shown: Sequence[frozenset[str]]  # items, by moment

    @property
    def fit(self) -> Fit:
        """Of all places together."""
        return sum((place.fit for place in self.places), NO_FIT)


@contextmanager
def served(policy: Policy) -> Iterator[None]:
    """As if the policy were one of those that serve."""
    before = dict(POLICIES)
    POLICIES[policy.name] = policy
    try:
        yield
    finally:
        POLICIES.clear()
        POLICIES.update(before)


def simulate(
    policy: Policy, decisions: int, seed: int = SEED, done: Callable[[int], None] = lambda count: None
) -> Simulation:
    """Decides pages of two placements. `done` is told of every page how many decisions it had."""
    with served(policy), tempfile.TemporaryDirectory() as folder:
        world = smallpage.world(Path(folder), policy.name)
        moments, tally, seeds = smallpage.moments(world), _Tally(), random.Random(seed)  # noqa: S311 - a simulation
        for number in range(decisions // len(smallpage.PAGE)):
            which = number % len(moments)
            tally.add(which, Page(world, moments[which], seeds.getrandbits(64)))
            done(len(smallpage.PAGE))
    places = [Place(len(conditions), sum(map(_fit, conditions.values()), NO_FIT)) for conditions in tally.places]
    shown = [frozenset(tally.items[which]) for which in range(len(moments))]
    return Simulation(policy.name, decisions, places, tally.pinned, tally.stretched, shown)


class _Tally:
    """What was chosen, by place in the order of filling and by what was chosen before."""

    def __init__(self) -> None:
        self.pinned = self.stretched = 0
        self.places: list[Tally] = []
        self.items: dict[int, set[str]] = defaultdict(set)

    def add(self, moment: int, page: Page) -> None:
        """Decide a page and count it. Raises ValueError when equal conditions report different probabilities."""
        prefix: Prefix = (moment,)
        for name in smallpage.PAGE:
            for choice in page.decide("", name, 0).slate:
                if len(self.places) < len(prefix):
                    self.places.append(defaultdict(dict))
                cell = self.places[len(prefix) - 1][prefix].setdefault(choice.action, [0.0, choice.probability])
                if cell[1] != choice.probability:
                    raise ValueError(f"{choice.item} after {prefix}: reported {cell[1]} and {choice.probability}")
                cell[0] += 1
                self.pinned += choice.reason is Reason.RULE
                self.stretched += choice.stretch
                self.items[moment].add(choice.item)
                prefix += (choice.action,)


def _fit(cells: dict[int, list[float]]) -> Fit:
    return fit(Cell(int(times), probability) for times, probability in cells.values())


def bound(simulations: Iterable[Simulation]) -> float:
    """What every place's p must be above, when there are so many places (Bonferroni)."""
    return SIGNIFICANT / max(1, sum(place.fit.freedom > 0 for one in simulations for place in one.places))


def holds(simulation: Simulation, least: float) -> bool:
    """Whether the probabilities are right: of all places together, and of each."""
    return simulation.fit.p > SIGNIFICANT and all(place.fit.p > least for place in simulation.places)


def main(
    decisions: Annotated[int, typer.Option(min=20_000, help="Decisions of each policy")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Another seed simulates other decisions")] = SEED,
) -> None:
    """Decide many pages and compare how often each action came with the probability it reported."""
    plan = [(policy, decisions) for policy in HONEST] + [(policy, decisions // 10) for policy in WRONG]
    out.print(line(*COLUMNS), soft_wrap=True)
    with progress("decisions", sum(count for _, count in plan)) as moved:
        found = [told(simulate(policy, count, seed, moved)) for policy, count in plan]
    honest, wrong = found[: len(HONEST)], found[len(HONEST) :]
    least = bound(honest)
    out.print(f"A policy's p must be above {SIGNIFICANT}, that of each place in its order of filling above {least:.1e}")
    out.print(
        f"(Bonferroni: {SIGNIFICANT / least:.0f} places). The wrong ones must fall below: they show what is seen."
    )
    raise typer.Exit(not (all(holds(one, least) for one in honest) and not any(holds(one, least) for one in wrong)))


def told(one: Simulation) -> Simulation:
    """Prints what came of a policy as soon as it is known."""
    conditions = sum(place.conditions for place in one.places)
    out.print(line(one.policy, f"{one.decisions:,}", f"{conditions:,}", *_figures(one)), soft_wrap=True)
    return one


def line(policy: str, *cells: str) -> str:
    """One line of the table."""
    return f"{policy:20}" + "".join(f"{cell:>12}" for cell in cells)


def _figures(one: Simulation) -> tuple[str, ...]:
    if not one.fit.freedom:
        return "0", "-", "certain", "certain"
    least = min(place.fit.p for place in one.places)
    return f"{one.fit.freedom:,}", f"{one.fit.chi_square:,.1f}", f"{one.fit.p:.3g}", f"{least:.3g}"


if __name__ == "__main__":
    typer.run(main)

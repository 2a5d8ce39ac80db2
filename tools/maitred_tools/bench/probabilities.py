"""`python -m maitred_tools.bench.probabilities`: do choices come as often as their action probabilities say?

Pages are decided by the very code that serves, on a small playbook with pins, caps, reserved and stretch slots, limits
of groups, rules, weights, no repeats over the page, and for the learned policies a model that the learner's functions
made. What was filled before a slot is its condition: among the pages that agree in it, each action must come as often
as its choices report.
"""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeAlias

import typer
from maitred_server.policy import POLICIES, Policy
from rich.console import Console

from maitred_tools.bench import smallpage
from maitred_tools.bench.chisquare import NO_FIT, Cell, Fit, fit
from maitred_tools.bench.pages import CHECKED, Pages, Prefix, Step
from maitred_tools.bench.progress import progress
from maitred_tools.bench.unequal import Forgetful, Softmax, Unconditional

SIGNIFICANT: Final = 0.001
SEED: Final = 20_240_229
COLUMNS: Final = ("policy", "decisions", "conditions", "freedom", "chi-square", "p", "least place")

Tally: TypeAlias = dict[Prefix, dict[int, list[float]]]  # by action: how often, and the probability it reported

out = Console()


PANELS: Final = 8  # of `thompson`
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
    certain: bool  # nothing was left to chance

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


def simulate(policy: Policy, decisions: int, seed: int = SEED) -> Simulation:
    """Decides pages of two placements."""
    with served(policy), tempfile.TemporaryDirectory() as folder:
        world = smallpage.world(Path(folder), policy.name)
        moments, tally, seeds = smallpage.moments(world), _Tally(), random.Random(seed)  # noqa: S311 - a simulation
        panels, every = PANELS if policy.name == "thompson" else 0, 1 if isinstance(policy, Unconditional) else CHECKED
        pages = Pages(world, moments, smallpage.PAGE, panels, every)
        for number in range(decisions // len(smallpage.PAGE)):
            tally.add(pages.page(number, seeds.getrandbits(64)))
    names = world.catalogue
    places = [Place(len(conditions), sum(map(_fit, conditions.values()), NO_FIT)) for conditions in tally.places]
    shown = [frozenset(names.item(action) for action in tally.actions[which]) for which in range(len(moments))]
    return Simulation(policy.name, decisions, places, tally.pinned, tally.stretched, shown, tally.certain)


class _Tally:
    """What was chosen, by place in the order of filling and by what was chosen before."""

    def __init__(self) -> None:
        self.pinned = self.stretched = 0
        self.places: list[Tally] = []
        self.actions: dict[int, set[int]] = defaultdict(set)

    @property
    def certain(self) -> bool:
        """Whether nothing was left to chance: in each condition one action came, always, and was reported with 1."""
        conditions = (cells for place in self.places for cells in place.values())
        return all(len(cells) == 1 and next(iter(cells.values()))[1] == 1.0 for cells in conditions)

    def add(self, steps: Sequence[Step]) -> None:
        """Count a page. Raises ValueError when equal conditions report different probabilities."""
        while len(self.places) < len(steps):
            self.places.append(defaultdict(dict))
        for place, step in zip(self.places, steps, strict=False):
            cell = place[step.condition].setdefault(step.action, [0.0, step.probability])
            if cell[1] != step.probability:
                raise ValueError(f"{step}: reported {cell[1]} before")
            cell[0] += 1
            self.pinned += step.pinned
            self.stretched += step.stretch
            self.actions[step.condition[0]].add(step.action)


def _fit(cells: dict[int, list[float]]) -> Fit:
    return fit(Cell(int(times), probability) for times, probability in cells.values())


def bound(simulations: Iterable[Simulation]) -> float:
    """What every place's p must be above, when there are so many places (Bonferroni)."""
    return SIGNIFICANT / max(1, sum(place.fit.freedom > 0 for one in simulations for place in one.places))


def holds(simulation: Simulation, least: float) -> bool:
    """Whether the probabilities are right: of all places together, and of each."""
    if simulation.certain:
        return True
    return (
        simulation.fit.freedom > 0
        and simulation.fit.p > SIGNIFICANT
        and all(place.fit.p > least for place in simulation.places)
    )


def main(
    decisions: Annotated[int, typer.Option(min=20_000, help="Decisions of each policy")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Another seed simulates other decisions")] = SEED,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Policies that are simulated at the same time")] = 1,
) -> None:
    """Decide many pages and compare how often each action came with the probability it reported."""
    plan = [(policy, decisions) for policy in HONEST] + [(policy, decisions // 10) for policy in WRONG]
    out.print(line(*COLUMNS), soft_wrap=True)
    with progress("policies", len(plan)) as moved:
        found = [_moved(told(one), moved) for one in simulated(plan, seed, processes)]
    honest, wrong = found[: len(HONEST)], found[len(HONEST) :]
    least = bound(honest)
    out.print(f"A policy's p must be above {SIGNIFICANT}, that of each place in its order of filling above {least:.1e}")
    out.print(
        f"(Bonferroni: {SIGNIFICANT / least:.0f} places). The wrong ones must fall below: they show what is seen."
    )
    raise typer.Exit(not (all(holds(one, least) for one in honest) and not any(holds(one, least) for one in wrong)))


def simulated(plan: Sequence[tuple[Policy, int]], seed: int, processes: int) -> Iterator[Simulation]:
    """What came of each policy over so many decisions, in their order."""
    policies, counts = zip(*plan, strict=True)
    if processes == 1:
        yield from map(simulate, policies, counts, repeat(seed))
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(simulate, policies, counts, repeat(seed))


def _moved(one: Simulation, moved: Callable[[], None]) -> Simulation:
    moved()
    return one


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

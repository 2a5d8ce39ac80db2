"""Pages that are decided a million times: what does not hang on a draw is worked out once for each condition.

What is offered for a slot, and to whom, is a function of the moment and of what was filled before. A page that meets a
condition for the first time is decided whole, by the serving code, and its slots are noted; later pages draw from what
is noted, by the serving code's draw and choice. Every `CHECKED`th page is decided whole all the same, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from maitred_server.decide.filling import draw
from maitred_server.decide.moment import Moment
from maitred_server.decide.pipeline import Page, Prepared
from maitred_server.decide.slate import Chosen, _choose
from maitred_server.decide.turns import NO_ROW, Turn
from maitred_server.decide.world import World
from maitred_server.policy.base import Floats, Policy

CHECKED: Final = 50

Prefix: TypeAlias = tuple[int, ...]  # the moment, the panel, then the actions that were chosen before


class Step(NamedTuple):
    """One slot that was filled. `condition`: all that came before it."""

    condition: Prefix
    action: int
    probability: float
    pinned: bool
    stretch: bool


class _Offer(NamedTuple):
    """What one condition leaves to the choice."""

    turn: Turn
    policy: Policy
    offered: Floats
    actions: Sequence[int]  # by row


class Pages:
    """Of one world. A policy's panel is drawn from the page's seed, before any slot. `panels` above 0: it is one of so
    many instead, so that pages agree in it, and is part of their condition.
    """

    def __init__(self, world: World, moments: Sequence[Moment], names: Sequence[str], panels: int, every: int) -> None:
        """`names`: the placements of the page. `every`: which page is decided whole; 1: each of them."""
        self._world = world
        self._moments = moments
        self._names = names
        self._panels = panels
        self._every = every
        self._offers: dict[Prefix, _Offer | None] = {}  # None: the page is full

    def page(self, number: int, seed: int) -> list[Step]:
        """The steps of the page with a number, in the order of filling. Raises ValueError when what was noted of its
        conditions is not what serves.
        """
        which, nth = number % len(self._moments), number // len(self._moments)
        condition = (which, nth % self._panels if self._panels else 0)
        if self._every == 1:
            return self._whole(condition, seed)
        steps = list(self._drawn(condition, seed))
        if nth % self._every and steps and self._is_full(steps[-1]):
            return steps
        whole = self._whole(condition, seed)
        if steps != whole[: len(steps)]:
            raise ValueError(f"page {number}: {steps} was drawn, and {whole} is served")
        return whole

    def _is_full(self, last: Step) -> bool:
        after = _after(last)
        return after in self._offers and self._offers[after] is None

    def _drawn(self, condition: Prefix, seed: int) -> Iterator[Step]:
        """As far as the conditions are known."""
        for place in range(len(self._offers)):
            offer = self._offers.get(condition)
            if offer is None:
                return
            chosen = _choose(offer.turn, offer.policy, offer.offered, draw(seed, place))
            assert chosen is not None
            step = _step(condition, offer.turn, chosen, offer.actions)
            yield step
            condition = _after(step)

    def _whole(self, condition: Prefix, seed: int) -> list[Step]:
        """Decided by the code that serves; its conditions are noted."""
        page = _Panelled(self._world, self._moments[condition[0]], seed, condition[1])
        steps: list[Step] = []
        for name in self._names:
            ready = page.prepare(name, 0)
            actions = ready.ground.actions.tolist()

            def note(
                turn: Turn, chosen: Chosen, offered: Floats, ready: Prepared = ready, actions: list[int] = actions
            ) -> None:
                now = _after(steps[-1]) if steps else condition
                if now not in self._offers:
                    self._offers[now] = _Offer(turn, ready.served.policy, offered.copy(), actions)
                steps.append(_step(now, turn, chosen, actions))

            page.finish("", ready, page.fill(ready, note))
        self._offers[_after(steps[-1])] = None
        return steps


class _Panelled(Page):
    """With the panel of one seed, and the draws of another."""

    def __init__(self, world: World, moment: Moment, seed: int, panel: int) -> None:
        super().__init__(world, moment, seed)
        self._panel = panel

    def prepare(self, name: str, wanted: int) -> Prepared:
        seed, self.seed = self.seed, self._panel
        ready = super().prepare(name, wanted)
        self.seed = seed
        return ready


def _step(condition: Prefix, turn: Turn, chosen: Chosen, actions: Sequence[int]) -> Step:
    return Step(condition, actions[chosen.row], chosen.probability, turn.pinned != NO_ROW, chosen.stretch)


def _after(step: Step) -> Prefix:
    return (*step.condition, step.action)

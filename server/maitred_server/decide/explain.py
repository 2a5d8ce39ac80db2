"""How an answer comes about: for each candidate where it fell and why, or what it was weighed by.

The page is decided by the very steps that decide it for clients; what is told is noted beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from maitred_server.decide import arbitration
from maitred_server.decide.answer import Decision
from maitred_server.decide.beside import Beside
from maitred_server.decide.moment import Moment
from maitred_server.decide.pipeline import Page, Prepared
from maitred_server.decide.stages import sieve
from maitred_server.decide.world import World
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.hints import did_you_mean
from maitred_server.policy.base import CLOSED

CANDIDATES: Final = "candidates"
POLICY: Final = "policy"
SLATE: Final = "slate"
Rows: TypeAlias = npt.NDArray[np.intp]
NO_SLOT: Final = 1 << 30
MOST: Final = 50  # candidates that are told, unless asked for more


class Asked(NamedTuple):
    """What is to be told: of one placement ("": all), some items (none: all), at most so many candidates of each."""

    placement: str = ""
    items: Sequence[str] = ()
    limit: int = MOST


class Stage(NamedTuple):
    """A stage of the funnel, and how many candidates it left."""

    name: str
    left: int


class Candidate(NamedTuple):
    """What became of one candidate.

    `fell_at` "": it was chosen, or could have been. `probability`: that the policy chose it for the first slot that was
    open to it.
    """

    item: str
    variant: str
    slot: int | None
    fell_at: str
    why: list[str]
    factors: dict[str, float]
    probability: float


class Funnel(NamedTuple):
    """One placement. `candidates`: the chosen, others by priority, then the refused, those that came furthest first."""

    decision: Decision
    stages: list[Stage]
    candidates: list[Candidate]


class Explanation(NamedTuple):
    """A whole answer. `decisions`: all of its page, in the request's order; `funnels`: of those asked for."""

    world: World
    moment: Moment
    decisions: list[Decision]
    funnels: list[Funnel]
    notes: list[str]


def explain(world: World, moment: Moment, seed: int, asked: Asked, ids: Sequence[str] = ()) -> Explanation:
    """Decide a page and tell how. `ids`: of its decisions, where they have any. Raises UnknownName."""
    page = Page(world, moment, seed)
    notes: list[str] = []
    funnels: dict[str, Funnel] = {}
    decisions = []
    for at, (name, wanted) in enumerate(moment.ask.placements):
        if asked.placement in ("", name):
            telling = _Telling(page, page.prepare(name, wanted), asked)
            funnels[name] = telling.funnel(ids[at] if ids else "")
            notes += telling.notes()
            decisions.append(funnels[name].decision)
        else:
            decisions.append(page.decide(ids[at] if ids else "", name, wanted))
    decisions = page.counted_down(decisions)
    told = [funnels[one.placement]._replace(decision=one) for one in decisions if one.placement in funnels]
    return Explanation(world, moment, decisions, told, notes)


class _Telling:
    """One placement while it is filled. Its m candidates are rows."""

    def __init__(self, page: Page, ready: Prepared, asked: Asked) -> None:
        ready = replace(ready, priority=ready.priority.copy())  # it changes, and may be the very array of the scores
        self._page = page
        self._ready = ready
        self._ground = ready.ground
        self._asked = asked
        self._sieve = sieve(page.world, ready.ground, page.moment, ready.closed)
        self._beside = Beside(ready, page.moment)
        self._served = ready.priority > CLOSED  # bool[m], before the slots are filled
        ranked = arbitration.priorities(ready.ground, page.moment, ready.served, ready.scores, page.world.conditions)
        self._ranked = np.where(np.isfinite(ranked), ranked, CLOSED)
        rows = self._rows()
        is_open = self._sieve.fell[rows] == len(self._sieve.names)
        self._open, self._closed = rows[is_open], rows[~is_open]

    def _rows(self) -> Rows:
        """Those that are asked for."""
        if not self._asked.items:
            return np.arange(len(self._ground.actions))
        catalogue = self._page.world.catalogue
        actions = [action for item in self._asked.items for action in catalogue.actions_of(item)]
        return np.flatnonzero(np.isin(self._ground.actions, actions))

    def funnel(self, decision_id: str) -> Funnel:
        # Why rows are closed is told before the slots are filled: what the page shows counts for contact policies.
        refused = [self._refused(row) for row in self._furthest()]
        choices = self._page.fill(self._ready, self._beside.saw)
        decision = self._page.finish(decision_id, self._ready, choices)
        instead = [] if choices else self._instead(decision)
        told = [*instead, *self._not_refused(decision), *refused]
        return Funnel(decision, self._stages(decision), told[: self._asked.limit])

    def _stages(self, decision: Decision) -> list[Stage]:
        return [
            Stage(CANDIDATES, len(self._ground.actions)),
            *map(Stage, self._sieve.names, self._sieve.left()),
            Stage(POLICY, int(np.count_nonzero(self._served))),
            Stage(SLATE, len(decision.slate)),
        ]

    def _furthest(self) -> list[int]:
        """The refused rows that there is room for: those that came furthest, then by priority."""
        closed = self._closed
        order = np.lexsort((closed, -self._ranked[closed], -self._sieve.fell[closed]))
        furthest: list[int] = closed[order][: max(0, self._asked.limit - len(self._open))].tolist()
        return furthest

    def _refused(self, row: int) -> Candidate:
        fell_at = self._sieve.names[int(self._sieve.fell[row])]
        return self._candidate(row, None, fell_at, self._sieve.why(row))

    def _not_refused(self, decision: Decision) -> list[Candidate]:
        """The chosen by slot, then others by priority; last those that could not be chosen."""
        slots = {choice.action: choice.slot for choice in decision.slate}
        actions = self._ground.actions[self._open].tolist()
        slot_of = np.array([slots.get(action, NO_SLOT) for action in actions], np.int64)
        lost = self._beside.lost()[self._open]
        order = np.lexsort((self._open, -self._ranked[self._open], lost, slot_of))[: self._asked.limit]
        told = zip(self._open[order].tolist(), slot_of[order].tolist(), lost[order].tolist(), strict=True)
        return [self._lost(row) if slot == NO_SLOT and gone else self._left(row, slot) for row, slot, gone in told]

    def _left(self, row: int, slot: int) -> Candidate:
        return self._candidate(row, None if slot == NO_SLOT else slot, "", [])

    def _lost(self, row: int) -> Candidate:
        if self._served[row]:
            return self._candidate(row, None, SLATE, [self._beside.why(row)])
        return self._candidate(row, None, POLICY, [self._unserved(row)])

    def _unserved(self, row: int) -> str:
        policy = self._ready.served.policy.name
        if self._ready.scores.priority[row] > CLOSED:
            return "its priority is no finite number"
        about = ": it is not in the placement's `order`" if policy == "fixed" else ""
        return f"the policy `{policy}` does not serve it{about}"

    def _instead(self, decision: Decision) -> list[Candidate]:
        """The fallback's items that are no candidates."""
        candidates, items = set(self._ground.actions.tolist()), self._asked.items
        why = ["no candidate could be shown: it is of the placement's fallback"]
        return [
            Candidate(one.item, one.variant, one.slot, "", why, {}, one.probability)
            for one in decision.slate
            if one.action not in candidates and (not items or one.item in items)
        ]

    def _candidate(self, row: int, slot: int | None, fell_at: str, why: list[str]) -> Candidate:
        catalogue, ready, action = self._page.world.catalogue, self._ready, int(self._ground.actions[row])
        factors = arbitration.factors(
            ready.ground, self._page.moment, ready.served, ready.scores, row, self._page.world.conditions
        )
        return Candidate(
            catalogue.item(action),
            catalogue.variant(action),
            slot,
            fell_at,
            why,
            {name: value + 0.0 for name, value in factors.items() if math.isfinite(value)},  # no -0.0
            self._beside.probability(row),
        )

    def notes(self) -> Iterator[str]:
        """What is to be said of items that were asked for and are no candidates."""
        catalogue, name = self._page.world.catalogue, self._ground.placement.name
        for item in self._asked.items:
            actions = catalogue.actions_of(item)
            if not actions:
                yield f"there is no item `{item}` in catalogue version {catalogue.version}{_near(item, catalogue)}"
            elif not np.isin(self._ground.actions, list(actions)).any():
                yield f"item `{item}` is no candidate of placement `{name}`"


def _near(item: str, catalogue: Catalogue) -> str:
    return did_you_mean(item, [catalogue.item_id(number) for number in range(catalogue.item_count)])

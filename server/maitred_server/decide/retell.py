"""A slate told again: with which probability a policy would have filled each slot as it was filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from maitred_server.decide import filters
from maitred_server.decide.ground import Ground
from maitred_server.decide.pipeline import Page, Prepared
from maitred_server.decide.slate import Chosen
from maitred_server.decide.turns import NO_ROW, Turn, turns
from maitred_server.model import Reason, Shown
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.base import CLOSED, Bools, Floats, Policy

Rows: TypeAlias = npt.NDArray[np.intp]

GONE: Final = "what was shown is no candidate when it is decided again"
CLOSED_NOW: Final = "what was shown is closed when it is decided again"
OTHER_PIN: Final = "another item is pinned when it is decided again"
OTHER_ORDER: Final = "its slots would be filled in another order"
PARTLY: Final = "only some of its slots were shown"
FELL_BACK: Final = "the fallback was shown, which nobody chose"


class Apart(Exception):
    """A slate that cannot be told again. `why`: one of the texts above."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Step(NamedTuple):
    """One slot. `rows`: what no filter and no slot before had closed, rising, and what was shown among it."""

    slot: int
    shown: int  # row
    rows: Rows  # intp[k]
    shares: Floats  # float64[k]: the policy's probabilities; all 0 where it would have chosen nothing
    above: int  # how many it ranks above what was shown

    @property
    def probability(self) -> float:
        """That of what was shown."""
        return float(self.shares[np.searchsorted(self.rows, self.shown)])


class Slate(NamedTuple):
    """One placement, told again."""

    ready: Prepared
    steps: list[Step]


def retell(page: Page, placement: str, wanted: int, shown: Sequence[Shown]) -> Slate:
    """Fill a placement of a page as it was filled, whatever the policy would choose. `shown`: in fill order.

    Raises Apart.
    """
    if any(one.reason is Reason.FALLBACK for one in shown):
        raise Apart(FELL_BACK)
    ready = page.prepare(placement, wanted)
    ready = replace(ready, priority=ready.priority.copy())  # it changes, and may be the very array of the scores
    order = turns(ready.ground, page.moment, ready.served, ready.slots, ready.pins)
    _check_order([turn.slot for turn in order], [one.slot for one in shown])
    rows = [_row_of(ready.ground, page.world.catalogue, one) for one in shown]
    follower = _Follower(ready, order, rows, filters.open_rows(ready.ground, page.moment, ready.closed))
    followed = replace(ready, served=replace(ready.served, policy=follower))
    page.finish("", ready, page.fill(followed, follower.saw))
    return Slate(ready, follower.steps)


def _check_order(order: Sequence[int], shown: Sequence[int]) -> None:
    first = order[: len(shown)]
    if list(first) != list(shown):
        raise Apart(OTHER_ORDER if set(first) == set(shown) else PARTLY)


def _row_of(ground: Ground, catalogue: Catalogue, shown: Shown) -> int:
    """The row of what was shown."""
    for action in catalogue.actions_of(shown.item):
        if catalogue.variant(action) == shown.variant:
            row = int(ground.actions.searchsorted(action))
            if row < len(ground.actions) and ground.actions[row] == action:
                return row
    raise Apart(GONE)


class _Follower:
    """A policy that chooses what was shown, and notes what another one would have chosen."""

    def __init__(self, ready: Prepared, order: Sequence[Turn], rows: Sequence[int], open_rows: Bools | None) -> None:
        self.name = ready.served.policy.name
        self.weighted = ready.served.policy.weighted
        self.score = ready.served.policy.score
        self.probabilities = ready.served.policy.probabilities
        self.steps: list[Step] = []
        self._policy: Policy = ready.served.policy
        self._items = ready.ground.item_index
        self._priority = ready.priority  # changed by the slate while it is filled
        is_open = np.ones(len(self._priority), np.bool_) if open_rows is None else open_rows
        if not is_open[list(rows)].all():
            raise Apart(CLOSED_NOW)
        self._unserved = is_open & (self._priority == CLOSED)  # bool[m]: the policy never chooses them
        self._order = order
        self._rows = rows
        self._narrowed = -1  # the turn whose own rows were all closed

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        """What was shown in this slot."""
        at = len(self.steps)
        if at == len(self._rows):
            return None
        narrow = self._order[at].rows if self._narrowed != at else None
        any_open = bool((priority > CLOSED).any())
        if narrow is not None and not any_open:
            self._narrowed = at
            return None
        shares = self._policy.probabilities(priority) if any_open else np.zeros(len(priority))
        self.steps.append(self._step(at, shares, priority, narrow))
        return self._rows[at], float(shares[self._rows[at]])

    def saw(self, turn: Turn, chosen: Chosen, offered: Floats) -> None:
        """A slot was filled: see `slate.Watch`."""
        if turn.pinned != NO_ROW and len(self.steps) < len(self._rows):
            if turn.pinned != self._rows[len(self.steps)]:
                raise Apart(OTHER_PIN)
            self.steps.append(Step(turn.slot, turn.pinned, np.array([turn.pinned]), np.ones(1), 0))
        self._unserved &= self._items != self._items[chosen.row]

    def _step(self, at: int, shares: Floats, priority: Floats, narrow: Bools | None) -> Step:
        row = self._rows[at]
        could = (self._priority > CLOSED) | self._unserved
        if narrow is not None:
            could &= narrow
        could[row] = True
        rows = np.flatnonzero(could)
        return Step(self._order[at].slot, row, rows, shares[rows], _above(priority, row))


def _above(priority: Floats, row: int) -> int:
    """How many open rows rank before one; of equals the first."""
    level = priority[row]
    found = int((priority > level).sum())
    return found if level == CLOSED else found + int((priority[:row] == level).sum())

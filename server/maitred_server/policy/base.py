"""What every policy is: it scores the candidates of a placement, then says how it would fill one slot.

Both are pure. A policy keeps nothing between calls and draws no random numbers of its own: the slate hands it one
draw a
slot, so a decision can be rerun from its seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import IntEnum
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from maitred_server.model import Reason, Value

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Keys: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int32]
Places: TypeAlias = NDArray[np.intp]
Counts: TypeAlias = NDArray[np.uint32]

CLOSED = -np.inf  # priority of a candidate that may not be chosen


class Own(NamedTuple):
    """How often a subject did what the placement counts, with the candidates that it did it with at all: k of them."""

    rows: Places  # intp[k], each once
    counts: Counts  # uint32[k], 1 and more


class Situation(NamedTuple):
    """All that a policy may look at. Arrays are aligned: one row for each of the n candidates. Read-only."""

    size: int  # n
    popularity: Floats  # how often all subjects did what the placement counts, with this item
    scaled: Floats  # popularity as a share of one more than the highest: at least 0, below 1
    order: Floats  # place in the playbook's own order, from 0; inf: not in it
    own: Own | None  # how often this subject did it; None: nothing is known of the subject
    context: Mapping[str, Value]
    now: int


class Scores(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a policy thinks of each candidate, before arbitration. `priority` CLOSED: not to be chosen."""

    priority: Floats
    propensity: Floats | None  # P(positive outcome); None: the policy predicts none
    reasons: tuple[Reason, ...]  # the reasons it may give
    second: Set[int] = frozenset()  # the rows that have the second of `reasons`; all others have the first
    worth_is_in: bool = False  # `priority` is what all responses are worth together; the propensity is the first alone

    def reason(self, row: int) -> Reason:
        return self.reasons[1 if row in self.second else 0]


class Policy(Protocol):
    """One way to choose."""

    @property
    def name(self) -> str: ...

    @property
    def weighted(self) -> bool:
        """Whether arbitration weighs its scores. Not those of a person's order, nor of no preference at all."""

    def score(self, situation: Situation) -> Scores:
        """Scores of the n candidates."""

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        """Row and action probability of the choice for the next slot; None when no row is open.

        `priority`: float64[n], n > 0, CLOSED where a row is no longer open. `draw`: uniform in [0, 1).
        """

    def probabilities(self, priority: Floats) -> Floats:
        """The distribution that `choose` draws from, when a row is open: float64[n], 0 for closed rows, sum 1."""


class Kind(IntEnum):
    """Ways to choose that compiled code knows."""

    BEST = 1  # the highest priority
    EVENLY = 2  # all that is open alike
    SHARE = 3  # `Epsilon`, within a budget
    GAP = 4  # `InverseGap`, within a budget


class Recipe(NamedTuple):
    """The `recipe` of a policy whose choices compiled code makes without asking it; others have none, or None."""

    kind: Kind
    strength: float = 0.0  # of the policy
    share: float = 1.0  # of the draws that it has; the best has the others
    scale: float = 1.0  # what counts as a gap of 1; 0: the best open one's size


class Greedy:
    """Choosing for policies that always take the highest priority; of equals the first."""

    recipe: Final = Recipe(Kind.BEST)

    def choose(self, priority: Floats, draw: float) -> tuple[int, float] | None:
        row = int(priority.argmax())
        return None if priority[row] == CLOSED else (row, 1.0)

    def probabilities(self, priority: Floats) -> Floats:
        certain = np.zeros(len(priority))
        certain[priority.argmax()] = 1.0
        return certain

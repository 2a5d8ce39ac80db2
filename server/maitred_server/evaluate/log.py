"""A log of decisions as columns: what every estimator reads, wherever it came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.errors import InvalidRequest, TooLarge

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

MOST_CELLS: Final = 20_000_000  # candidates over all rows


class Candidates(NamedTuple):
    """What could have been chosen: row i of the log has `action[starts[i]:starts[i + 1]]`, m over all rows."""

    starts: Ints  # int64[n + 1]
    action: Ints  # int64[m]
    chosen: Ints  # int64[n]: where in `action` the logged one is

    @property
    def sizes(self) -> Ints:
        """How many each row has: int64[n]."""
        return np.diff(self.starts)

    @property
    def row(self) -> Ints:
        """The row of each candidate: int64[m]."""
        return np.repeat(np.arange(len(self.chosen)), self.sizes)


class Log(NamedTuple):
    """n rows, one a filled slot; rows of a decision are adjacent, in fill order. D decisions are numbered from 0."""

    decision: Ints  # int64[n], rising
    rank: Ints  # int64[n]: place in the fill order, from 0
    slot: Ints  # int64[n]: the slot's own number
    action: Ints  # int64[n]: into `actions`
    actions: tuple[str, ...]
    probability: Floats  # float64[n], (0, 1]: of the action, given the slots filled before
    reward: Floats  # float64[n]
    cluster: Ints  # int64[D]: whose decision it is; decisions of one cluster are not independent
    features: Floats  # float64[n, d]: of the context; d may be 0
    candidates: Candidates | None
    source_row: Ints  # int64[n]: where the row stood in what was read

    @property
    def decisions(self) -> int:
        return len(self.cluster)

    def per_decision(self, values: Floats) -> Floats:
        """Sums of a column float64[n] over the rows of each decision: float64[D]."""
        return np.bincount(self.decision, values, self.decisions).astype(np.float64, copy=False)


class Target(NamedTuple):
    """The new policy on a log."""

    name: str
    logged: Floats  # float64[n]: its probability of the logged action, given the slots before as they were logged
    whole: Floats | None  # float64[m]: of every candidate, aligned with `Log.candidates.action`; None: not known


class LoggedSlot(NamedTuple):
    """A filled slot. `target`: the new policy's probability of each candidate."""

    slot: int
    action: str
    probability: float
    reward: float
    candidates: Sequence[str]
    target: Sequence[float] | Floats


class LoggedDecision(NamedTuple):
    """One decision with its slots in fill order, as a reader of another source gives it."""

    subject: str
    slots: Sequence[LoggedSlot]
    features: Sequence[float] = ()


def gather(decisions: Iterable[LoggedDecision], name: str) -> tuple[Log, Target]:
    """A log and the new policy on it. Each action must be among its candidates; all features have one length.

    Raises TooLarge for more than MOST_CELLS candidates in all, InvalidRequest when there is nothing.
    """
    found = _Gathered({}, {}, [], [], [], [], [], [])
    cells = 0
    for number, one in enumerate(decisions):
        found.cluster.append(found.subjects.setdefault(one.subject, len(found.subjects)))
        for rank, slot in enumerate(one.slots):
            found.add(number, rank, slot, one.features)
            cells += len(slot.candidates)
        if cells > MOST_CELLS:
            raise TooLarge(
                f"the first {number + 1:,} decisions have {cells:,} candidates; look at fewer (--most)", "most"
            )
    if not found.rows:
        raise InvalidRequest("no decision is left to look at", "log")
    return found.log(), found.target(name)


class _Gathered(NamedTuple):
    """What was gathered so far: a list entry for each row, and of `cluster` for each decision."""

    codes: dict[str, int]
    subjects: dict[str, int]
    cluster: list[int]
    rows: list[tuple[int, int, int, float, float]]  # decision, rank, slot, probability, reward
    features: list[Floats]
    offered: list[Ints]
    chosen: list[int]  # place among the row's candidates
    shares: list[Floats]

    def add(self, decision: int, rank: int, slot: LoggedSlot, features: Sequence[float]) -> None:
        self.rows.append((decision, rank, slot.slot, slot.probability, slot.reward))
        self.features.append(np.asarray(features, np.float64))
        self.offered.append(_ints(self.codes.setdefault(one, len(self.codes)) for one in slot.candidates))
        self.chosen.append(slot.candidates.index(slot.action))
        self.shares.append(np.asarray(slot.target, np.float64))

    @property
    def starts(self) -> Ints:
        return np.concatenate([[0], np.cumsum([len(one) for one in self.offered])]).astype(np.int64)

    def log(self) -> Log:
        decision, rank, slot, probability, reward = zip(*self.rows, strict=True)
        starts, action = self.starts, np.concatenate(self.offered)
        chosen = starts[:-1] + _ints(self.chosen)
        return Log(
            decision=_ints(decision),
            rank=_ints(rank),
            slot=_ints(slot),
            action=action[chosen],
            actions=tuple(self.codes),
            probability=np.array(probability, np.float64),
            reward=np.array(reward, np.float64),
            cluster=_ints(self.cluster),
            features=np.stack(self.features),
            candidates=Candidates(starts, action, chosen),
            source_row=np.arange(len(decision)),
        )

    def target(self, name: str) -> Target:
        whole = np.concatenate(self.shares)
        return Target(name, whole[self.starts[:-1] + _ints(self.chosen)], whole)


def _ints(values: Iterable[Any]) -> Ints:
    return np.fromiter(values, np.int64)

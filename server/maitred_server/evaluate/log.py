"""A log of decisions as columns: what every estimator reads, wherever it came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


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
    target: Sequence[float]


class LoggedDecision(NamedTuple):
    """One decision with its slots in fill order, as a reader of another source gives it."""

    subject: str
    slots: Sequence[LoggedSlot]
    features: Sequence[float] = ()


def gather(decisions: Iterable[LoggedDecision], name: str) -> tuple[Log, Target]:
    """A log and the new policy on it. Each action must be among its candidates; all features have one length."""
    codes: dict[str, int] = {}
    subjects: dict[str, int] = {}
    rows: list[tuple[int, int, LoggedSlot]] = []
    cluster, features = [], []
    for number, one in enumerate(decisions):
        cluster.append(subjects.setdefault(one.subject, len(subjects)))
        rows += [(number, rank, slot) for rank, slot in enumerate(one.slots)]
        features += [one.features] * len(one.slots)
    slots = [slot for _, _, slot in rows]
    offered = [[codes.setdefault(action, len(codes)) for action in slot.candidates] for slot in slots]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in offered])]).astype(np.int64)
    action = [codes[slot.action] for slot in slots]
    chosen = starts[:-1] + _ints(one.index(code) for one, code in zip(offered, action, strict=True))
    candidates = Candidates(starts, _ints(code for one in offered for code in one), chosen)
    whole = np.array([share for slot in slots for share in slot.target], np.float64)
    log = Log(
        decision=_ints(number for number, _, _ in rows),
        rank=_ints(rank for _, rank, _ in rows),
        slot=_ints(slot.slot for slot in slots),
        action=_ints(action),
        actions=tuple(codes),
        probability=np.array([slot.probability for slot in slots]),
        reward=np.array([slot.reward for slot in slots], np.float64),
        cluster=_ints(cluster),
        features=np.array(features, np.float64).reshape(len(rows), -1 if rows and features[0] else 0),
        candidates=candidates,
        source_row=np.arange(len(rows)),
    )
    return log, Target(name, whole[chosen], whole)


def _ints(values: Iterable[Any]) -> Ints:
    return np.fromiter(values, np.int64)

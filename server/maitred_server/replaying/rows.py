"""Decisions that were made again, as rows of a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maitred_server.decide.world import World
from maitred_server.evaluate.log import LoggedDecision, LoggedSlot
from maitred_server.model import Exposure
from maitred_server.replaying.again import Retold
from maitred_server.replaying.reading import Found
from maitred_server.replaying.rewards import Rewards, value_of


class Agreement(NamedTuple):
    """One slot: how many candidates the other policy ranks above what was shown, of how many."""

    above: int
    candidates: int


class Rows:
    """Makes them, with what each choice earned. `agreement`: of all rows so far."""

    def __init__(self, found: Found, rewards: Rewards) -> None:
        self.agreement: list[Agreement] = []
        self._came = found.came
        self._rewards = rewards
        self._names: dict[tuple[str, str], list[str]] = {}  # of a placement's rows, by catalogue and placement
        space = rewards.reading.plan.space
        self._width = space.width - space.own - 1

    def decision(self, one: Retold) -> LoggedDecision:
        """With the other policy's probabilities."""
        self.agreement += [Agreement(step.above, len(step.rows)) for step in one.slate.steps]
        return LoggedDecision(one.records[0].subject.hex(), self._slots(one), self._features(one))

    def _slots(self, one: Retold) -> list[LoggedSlot]:
        record, ground = one.records[0], one.slate.ready.ground
        assert isinstance(record.body, Exposure)
        known = self._named(one.again.world, ground.placement.name)
        came = self._came.get(record.body.decision_id, [])
        return [
            LoggedSlot(
                step.slot,
                known[step.shown],
                shown.probability,
                self._rewards.reward(record, shown, came, value_of(ground, step.shown)),
                [known[row] for row in step.rows.tolist()],
                step.shares,
            )
            for step, shown in zip(one.slate.steps, one.sheet.parts[one.sheet.at].shown, strict=True)
        ]

    def _features(self, one: Retold) -> Sequence[float]:
        """Of subject and context, as the placement's learner sees them; zeros where nothing may be used."""
        seen = one.slate.ready.seen
        if seen is None or len(seen.shared) != self._width + 1:
            return np.zeros(self._width).tolist()
        shared: list[float] = seen.shared[:-1].tolist()
        return shared

    def _named(self, world: World, placement: str) -> list[str]:
        key = world.catalogue.version, placement
        if key not in self._names:
            catalogue, actions = world.catalogue, world.ground(placement).actions.tolist()
            self._names[key] = [_name(catalogue.item(one), catalogue.variant(one)) for one in actions]
        return self._names[key]


def _name(item: str, variant: str) -> str:
    return f"{item}/{variant}" if variant else item

"""A model in force, without a server: choices are shown at random, and the learner's own functions learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from maitred_server.decide.moment import Moment
from maitred_server.decide.world import World
from maitred_server.learn.anchored import fit_from
from maitred_server.learn.families import families
from maitred_server.learn.fixed import UNIT
from maitred_server.learn.plans import Plan, plan_of
from maitred_server.learn.ridge import Shown, Sums
from maitred_server.policy.fitted import Fitted, Stamp
from maitred_server.policy.snapshot import PolicySnapshot

DAY: Final = 19_000  # since 1970
MOST: Final = 0.4  # the most that an item is taken
BLOCK: Final = 500


def taught(world: World, moments: Sequence[Moment], shown: int, seed: int = 5) -> World:
    """The world with a model of each placement that learns, after `shown` choices in it; items differ in their worth
    by chance.
    """
    before = world.snapshot
    assert before is not None
    models = {
        name: _fitted(world, plan_of(world.catalogue.control.learned(name)), moments, shown, seed)  # type: ignore[arg-type]
        for name in world.catalogue.placements
        if world.ground(name).learned is not None
    }
    snapshot = PolicySnapshot("taught", 0, before.columns, 0, models)
    return World(world.catalogue, snapshot, world, world.overlay)


def _fitted(world: World, plan: Plan, moments: Sequence[Moment], shown: int, seed: int) -> Fitted:
    sums, chance = Sums(plan.shape, len(plan.responses)), np.random.default_rng(seed)
    size = len(world.ground(plan.placement).actions)
    worth = chance.random(size) * MOST
    for count in range(0, shown, BLOCK):
        rows = chance.integers(size, size=min(BLOCK, shown - count))
        of = chance.integers(len(moments), size=len(rows))
        sums.add(_shown(world, plan, rows, [moments[at] for at in of], chance.random(len(rows)) < worth[rows]))
    ground = world.ground(plan.placement)
    variants: dict[int, dict[int, None]] = {}
    for item, action in zip(
        ground.item_keys.tolist(), world.catalogue.action_keys[ground.actions].tolist(), strict=True
    ):
        variants.setdefault(item, {})[action] = None
    weights = fit_from(plan.prior, sums, families(world.catalogue, variants), plan.fitting, DAY)
    names = tuple(one.type for one in plan.responses)
    return Fitted(plan.space.name, names, weights.model(), Stamp(0, 0, DAY, 1))


def _shown(world: World, plan: Plan, rows: np.ndarray, moments: Sequence[Moment], taken: np.ndarray) -> Shown:
    ground, catalogue = world.ground(plan.placement), world.catalogue
    learned = ground.learned
    assert learned is not None
    features, groups, owners = [], [], []
    for at, (row, moment) in enumerate(zip(rows.tolist(), moments, strict=True)):
        seen = learned.see(moment.view, moment.now)
        assert seen is not None
        features.append(np.frombuffer(seen.sealed([row], [at % 3])[0][0], "<i2"))
        mine = learned.candidates.groups[learned.candidates.group_owner == row].tolist()
        groups += mine
        owners += [at] * len(mine)
    return Shown(
        np.zeros(len(rows), np.int32) if not plan.fades else np.full(len(rows), DAY, np.int32),
        ground.item_keys[rows],
        catalogue.action_keys[ground.actions[rows]],
        np.array(groups, np.uint64),
        np.array(owners, np.int32),
        np.stack(features),
        np.repeat(taken[:, None], len(plan.responses), 1).astype(np.int32) * UNIT,
    )

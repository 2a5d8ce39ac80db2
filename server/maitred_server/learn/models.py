"""One brand's models: a lane for each placement that is learned, their check-points, and what is in force."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from maitred_server.errors import RecordDamaged
from maitred_server.learn import orders
from maitred_server.learn.checkpoint import keep_lanes, lane_folder, load_lane, save_lane
from maitred_server.learn.fitting import Fitter
from maitred_server.learn.gates import PROBES, Gates
from maitred_server.learn.join import Row
from maitred_server.learn.lane import Lane
from maitred_server.learn.orders import Hold
from maitred_server.learn.plans import Plan, plans_of
from maitred_server.learn.reached import Reached
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.fitted import Fitted, Stamp
from maitred_server.policy.snapshot import open_snapshot
from maitred_server.store.published import CATALOGUE, POLICY, Follower, brand_folder

LONGEST_BASE_S: Final = 45.0  # after which all weights are made anew, if anything changed
SHARE: Final = 20  # making all weights, and writing check-points, takes one part in so many of the time
CHECKPOINT_S: Final = 5.0

log = structlog.get_logger()


class InForce(NamedTuple):
    """The models of a snapshot. `stamp` None: there are none."""

    models: Mapping[str, Fitted]
    stamp: Stamp | None


NONE: Final = InForce({}, None)


class Models:
    """See the module. Not for several threads."""

    def __init__(self, data: Path, brand: str, in_force: InForce, gates: Gates) -> None:
        self.brand = brand
        self.in_force = in_force
        self._folder = brand_folder(data, brand)
        self._policy = self._folder / POLICY
        self._checkpoints = Checkpoints(lane_folder(data, brand))
        self._gates = gates
        self._catalogue: Follower[Catalogue] = Follower(self._folder / CATALOGUE, Catalogue.open)
        self._lanes: dict[str, Lane] = {}
        self._fitters: dict[str, Fitter] = {}
        self._pin = ""
        self._base = _Base(0, 0, 0, 0.0)
        self._cost = 0.0
        self._held = orders.holds(self._policy)
        self._forgotten = 0  # the note that the models in force are past
        self.follow()

    @property
    def lanes(self) -> Collection[Lane]:
        """Those of the placements that are learned by now."""
        return self._lanes.values()

    @property
    def forgotten(self) -> int | None:
        """The note up to which nothing here holds what was forgotten; None: there is nothing. What is pinned, or held
        back, stays as it was.
        """
        if self._catalogue.failure:
            return 0
        return min(self._checkpoints.forgotten(self.lanes), self._forgotten) if self._lanes else None

    def follow(self) -> None:
        """Take up the plans of the catalogue in force. Sums of a plan that is no more are not kept."""
        if not self._catalogue.poll() or self._catalogue.value is None:
            return
        plans = plans_of(self._catalogue.value)
        self._lanes = {name: self._lane(plan) for name, plan in plans.items()}
        known = self._fitters
        self._fitters = {}
        for name, lane in self._lanes.items():
            same = known.get(name)
            self._fitters[name] = same if same is not None and same.lane is lane else Fitter(lane)
        keep_lanes(self._checkpoints.folder, {plan.key for plan in plans.values()})

    def _lane(self, plan: Plan) -> Lane:
        lane = self._lanes.get(plan.placement)
        if lane is None or lane.plan.key != plan.key:
            return self._checkpoints.load(plan)
        lane.plan = plan
        return lane

    def checkpoint(self, *, now: bool) -> bool:
        """Write check-points where they are due, or `now`; whether any was written. Raises OSError."""
        return self._checkpoints.save(self.lanes, now=now)

    def start_over(self) -> None:
        """Forget what was read, and all that was made of it."""
        keep_lanes(self._checkpoints.folder, set())
        orders.forget(self._policy)
        self._lanes = {name: Lane(lane.plan) for name, lane in self._lanes.items()}
        self._fitters = {name: Fitter(lane) for name, lane in self._lanes.items()}
        self._checkpoints = Checkpoints(self._checkpoints.folder)
        self.in_force, self._held = NONE, []

    def refresh(self, front: int, now_ms: int) -> InForce:
        """What is to be in force by now; the same as before when nothing changed. `front`: the last record read."""
        catalogue = self._catalogue.value
        ready = {name: one for name, one in self._fitters.items() if one.lane.reached.through == front}
        if self._is_pinned() or catalogue is None:
            self._forgotten = self._passed(self._fitters)
            return self.in_force
        if any(self._served(one.lane.plan) for name, one in self._fitters.items() if name not in ready):
            return self.in_force  # all models of a snapshot are of one moment
        day = now_ms // 86_400_000
        if self._is_base_due(ready, catalogue, day):
            self._rebase(ready, catalogue, front, day)
        elif any(one.lane.changed for one in ready.values()):
            for one in ready.values():
                one.further(catalogue, self._base.day)
        elif not self._is_over(ready):
            self._forgotten = self._passed(ready)
            return self.in_force
        stamp = Stamp(front, self._base.through, self._base.day, self._base.catalogue)
        fitted = {name: one.fitted(stamp) for name, one in ready.items()}
        taught = {name: one for name, one in fitted.items() if one.model.exposures}
        models = {name: self._gated(name, self._lanes[name], one, now_ms) for name, one in taught.items()}
        orders.accepted(self._policy)
        self._forgotten = self._passed(ready)
        if models or self.in_force.models:
            served = {name: one for name, one in models.items() if one is not None}
            self.in_force = InForce(served, stamp) if served else NONE
        return self.in_force

    def _is_over(self, ready: Mapping[str, Fitter]) -> bool:
        """Whether other models than those in force have to come, though nothing was learned."""
        return orders.accepts(self._policy) or (not ready and bool(self.in_force.models))

    def _passed(self, ready: Mapping[str, Fitter]) -> int:
        return min((one.lane.reached.forgotten for one in ready.values()), default=0)

    def _is_base_due(self, ready: Mapping[str, Fitter], catalogue: Catalogue, day: int) -> bool:
        if any(not one.has_base or one.lane.forgot for one in ready.values()):
            return True
        if (self._base.catalogue, self._base.day) != (int(catalogue.version), day):
            return True
        waited = time.monotonic() - self._base.at
        stale = any(one.is_behind or one.lane.changed for one in ready.values())
        return stale and waited >= min(LONGEST_BASE_S, SHARE * self._cost)

    def _rebase(self, ready: Mapping[str, Fitter], catalogue: Catalogue, front: int, day: int) -> None:
        began = time.monotonic()
        for one in ready.values():
            one.anew(catalogue, day)
        now = time.monotonic()
        self._cost = now - began
        self._base = _Base(front, day, int(catalogue.version), now)

    def _served(self, plan: Plan) -> Fitted | None:
        """The model in force of a plan."""
        found = self.in_force.models.get(plan.placement)
        responses = tuple(one.type for one in plan.responses)
        return found if found and (found.space, found.responses) == (plan.space.name, responses) else None

    def _gated(self, placement: str, lane: Lane, fitted: Fitted, now_ms: int) -> Fitted | None:
        before = self._served(lane.plan)
        known = None if before is None or orders.accepts(self._policy) else before.model
        fault = self._gates.fault(lane.plan, fitted.model, known, _last_rows(lane))
        self._note(placement, fault, fitted.stamp.through, now_ms)
        return before if fault else fitted

    def _note(self, placement: str, fault: str, through: int, now_ms: int) -> None:
        """Remember and log that a model is held back, or no more."""
        open_ = next((at for at, one in enumerate(self._held) if one.placement == placement and not one.until), None)
        if fault and open_ is None:
            self._held.append(Hold(placement, fault, now_ms, through))
            log.error("model_held_back", brand=self.brand, placement=placement, reason=fault)
        elif not fault and open_ is not None:
            self._held[open_] = replace(self._held[open_], until=through)
            log.info("model_in_force_again", brand=self.brand, placement=placement)
        else:
            return
        orders.remember(self._policy, self._held)

    def _is_pinned(self) -> bool:
        """Whether models are pinned; those in force are then the pinned ones."""
        pin = orders.pinned(self._policy)
        if pin and pin != self._pin:
            self.in_force = self._pinned(pin)
        self._pin = pin
        return bool(pin)

    def _pinned(self, version: str) -> InForce:
        try:
            return InForce(open_snapshot(self._policy, version).models, Stamp.of(version))
        except (RecordDamaged, FileNotFoundError):
            return self.in_force  # pinned before a restart, and kept in every snapshot since


class _Base(NamedTuple):
    """Of which journal sequence all weights are, of which day and catalogue, and when they were made."""

    through: int
    day: int
    catalogue: int
    at: float


def _last_rows(lane: Lane) -> list[Row]:
    """The last rows that are held, some of them."""
    found: list[Row] = []
    for held in lane.joins.latest():
        found += held.rows
        if len(found) >= PROBES:
            break
    return found[:PROBES]


class Checkpoints:
    """The check-points of a brand's lanes: what they have reached, and when they are due."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._saved: dict[str, Reached] = {}
        self._at = 0.0
        self._cost = 0.0

    def load(self, plan: Plan) -> Lane:
        """A lane as it was check-pointed."""
        lane = load_lane(self.folder, plan)
        if lane.reached != Reached():
            self._saved[plan.key] = lane.reached
        return lane

    def forgotten(self, lanes: Iterable[Lane]) -> int:
        """The note that all check-points are past."""
        return min((self._saved.get(one.plan.key, Reached()).forgotten for one in lanes), default=0)

    def save(self, lanes: Iterable[Lane], *, now: bool) -> bool:
        """Write those that are behind, when it is time; whether any was. Raises OSError."""
        behind = [one for one in lanes if self._saved.get(one.plan.key, Reached()) != one.reached]
        waited = time.monotonic() - self._at
        if not behind or not (now or waited >= max(CHECKPOINT_S, SHARE * self._cost)):
            return False
        began = time.monotonic()
        for lane in behind:
            save_lane(self.folder, lane)
            self._saved[lane.plan.key] = lane.reached
        self._at = time.monotonic()
        self._cost = self._at - began
        return True

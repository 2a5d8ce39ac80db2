"""The policy that is asked about: one of those that are served, with settings as a playbook states them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.past import Again
from maitred_server.errors import InvalidRequest
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.hints import did_you_mean, listed
from maitred_server.policy import POLICIES
from maitred_server.policy.exploring import LEARNED

OF_LEARNED: Final = ("exploration", "scale")
OF_FIXED: Final = ("order",)


class Candidate(NamedTuple):
    """`exploration`, `scale`: of a placement's `learning`; None: what the playbook said then. `order`: of `fixed`."""

    policy: str
    exploration: float | None = None
    scale: float | None = None
    order: tuple[str, ...] = ()

    @property
    def is_learned(self) -> bool:
        """Whether it looks at a model."""
        return self.policy in LEARNED

    @property
    def name(self) -> str:
        """With its settings, for people."""
        numbers = {"exploration": self.exploration, "scale": self.scale}
        said = [f"{name}={value:g}" for name, value in numbers.items() if value is not None]
        said += [f"order={','.join(self.order)}"] if self.order else []
        return ", ".join([self.policy, *said])

    def on(self, again: Again, placement: str) -> Again:
        """The world and the moment of a decision, had this policy served the placement to everybody."""
        ground = self._ground(again.world.ground(placement), again.world.catalogue)
        return again._replace(world=again.world.serving(ground), moment=self._moment(again.moment, placement))

    def _moment(self, moment: Moment, placement: str) -> Moment:
        others = {name: policy for name, policy in moment.assignment.policies.items() if name != placement}
        return replace(moment, assignment=moment.assignment._replace(held_out=False, policies=others))

    def _ground(self, ground: Ground, catalogue: Catalogue) -> Ground:
        placement = replace(ground.placement, policy=self.policy, automation="online")
        ground = replace(ground, placement=placement)
        if self.order:
            ground = replace(ground, order=_order(self.order, ground, catalogue))
        if ground.learned is None:
            return ground
        said = {"exploration": self.exploration, "scale": self.scale}
        learning = replace(ground.learned.learning, **{k: v for k, v in said.items() if v is not None})
        return replace(ground, learned=replace(ground.learned, learning=learning))


def candidate(policy: str, given: Mapping[str, str]) -> Candidate:
    """From the command line: the name of a policy, and its settings by name. Raises InvalidRequest."""
    if not policy:
        raise InvalidRequest(f"give --policy, one of {listed(POLICIES)}", "policy")
    if policy not in POLICIES:
        raise InvalidRequest(f"no policy `{policy}`{did_you_mean(policy, POLICIES)}", "policy")
    known_here = OF_LEARNED if policy in LEARNED else OF_FIXED if policy == "fixed" else ()
    for name in given:
        if name not in known_here:
            which = f"it has {' and '.join(known_here)}" if known_here else "it has none"
            raise InvalidRequest(f"policy `{policy}` has no setting `{name}`; {which}", "setting")
    order = tuple(filter(None, (item.strip() for item in given.get("order", "").split(","))))
    return Candidate(policy, _number(given, "exploration", 1.0), _number(given, "scale", np.inf), order)


def _number(given: Mapping[str, str], name: str, most: float) -> float | None:
    if name not in given:
        return None
    try:
        value = float(given[name])
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= most:
        raise InvalidRequest(f"`{name}` must be a number from 0{f' to {most:g}' if most < np.inf else ''}", "setting")
    return value


def _order(items: Sequence[str], ground: Ground, catalogue: Catalogue) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """float64[m]: the place of each row's item. Raises InvalidRequest."""
    found = np.full(len(ground.actions), np.inf)
    for place, item in enumerate(items):
        rows = np.isin(ground.actions, list(catalogue.actions_of(item)))
        if not rows.any():
            raise InvalidRequest(f"`{item}` is no candidate of placement `{ground.placement.name}`", "setting")
        found[rows] = place
    return found

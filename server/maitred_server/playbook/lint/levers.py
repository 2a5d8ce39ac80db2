"""Levers that decide alone: whatever is predicted, valued and weighed cannot make up for them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

from maitred_server.errors import Mistake
from maitred_server.playbook.control import Lever
from maitred_server.playbook.lint.scene import Scene

# How far apart predicted propensities of a placement's candidates are taken to be at most: 1% and 100%.
PROPENSITY_RANGE: Final = 100.0


def deciding_alone(scene: Scene) -> Iterator[Mistake]:
    """Each lever that makes its items win, or lose, against all others of a placement."""
    for lever in scene.control.levers:
        for placement in scene.candidates:
            if said := _alone(scene, lever, placement):
                message = f"lever `{lever.name}` decides alone in placement `{placement}`: {said}"
                yield scene.warning("levers", lever.name, message)


def _alone(scene: Scene, lever: Lever, placement: str) -> str:
    """Why the lever decides alone in a placement; "" when it does not."""
    pushed = scene.reached(lever.scope, placement)
    others = scene.candidates[placement] - pushed
    if not pushed or not others:
        return ""
    factors = _factors(scene, placement)
    made_up = PROPENSITY_RANGE * _value_range(scene, placement) * _weight_range(scene, placement)
    least, most = min(map(factors.__getitem__, pushed)), max(map(factors.__getitem__, pushed))
    other_least, other_most = min(map(factors.__getitem__, others)), max(map(factors.__getitem__, others))
    if least > other_most * made_up:
        return f"its items weigh {least / other_most:,.6g} times as much as any other, and {_rest(made_up)}"
    if most * made_up < other_least:
        return f"any other item weighs {other_least / most:,.6g} times as much, and {_rest(made_up)}"
    return ""


def _rest(made_up: float) -> str:
    return f"propensity, value and context weights make {made_up:,.6g} at most"


def _factors(scene: Scene, placement: str) -> dict[str, float]:
    """The product of all levers that reach each candidate."""
    factors = dict.fromkeys(scene.candidates[placement], 1.0)
    for lever in scene.control.levers:
        for name in scene.reached(lever.scope, placement):
            factors[name] *= lever.factor
    return factors


def _value_range(scene: Scene, placement: str) -> float:
    """How many times as much the dearest candidate is worth as the cheapest that is worth anything."""
    worth = scene.control.slate(placement).worth
    values = [scene.items[name].attributes.get(worth.attribute) for name in scene.candidates[placement]]
    worths = [value if isinstance(value, float) else worth.otherwise for value in values]
    positive = [value for value in worths if value > 0]
    return max(positive) / min(positive) if positive else 1.0


def _weight_range(scene: Scene, placement: str) -> float:
    """How far context weights can put two candidates apart."""
    weights = [weight.weight for weight in scene.control.context_weights if scene.reached(weight.scope, placement)]
    return prod(max(weight, 1 / weight) for weight in weights)

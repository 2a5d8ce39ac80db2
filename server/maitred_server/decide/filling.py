"""Slots that are all alike, filled one after the other, and the choices that come of what fills a slot.

This is what `compiled.slate` does where it was built, with the same draws and the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from maitred_server.decide.arbitration import above_nothing
from maitred_server.decide.choice import Choice
from maitred_server.model import Reason
from maitred_server.policy.base import CLOSED, Floats, Policy, Positions, Scores

# Slot, row, its probability and priority; whether another had a higher priority, it is a stretch, it is pinned.
Filled: TypeAlias = tuple[int, int, float, float, bool, bool, bool]

_MASK = (1 << 64) - 1


def draw(seed: int, step: int) -> float:
    """Uniform in [0, 1) from a 64-bit seed and the slot's place in the page's fill order (SplitMix64, Steele et al.
    2014).

    Every slot's draw can be had without drawing the ones before it, and is the same on every machine.
    """
    z = (seed + (step + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)


def choose(policy: Policy, priority: Floats, draw: float) -> tuple[int, float] | None:
    """Row and action probability; None: no row is open."""
    return policy.choose(priority, draw)


def tried(found: tuple[int, float], offered: Floats) -> bool:
    """Whether another row had a higher priority than what was found."""
    return found[1] < 1.0 and bool(offered[found[0]] < offered[offered.argmax()])


def fill(
    priority: Floats,
    policy: Policy,
    slots: int,
    seed: int,
    step: int,
    first_row: Positions,
    end_row: Positions,
    guarded: bool,
) -> list[Filled]:
    """Up to `slots` slots, each from all that is open. `priority`: float64[m], changed in place: what was chosen is
    closed, with the other rows of its item. `guarded`: what costs more than it brings is a last resort.
    """
    filled: list[Filled] = []
    for slot in range(slots):
        offered = above_nothing(priority) if guarded else priority
        found = policy.choose(offered, draw(seed, step + slot))
        if found is None:
            break
        row, probability = found
        filled.append((slot, row, probability, float(priority[row]), tried(found, offered), False, False))
        priority[first_row[row] : end_row[row]] = CLOSED  # no item twice, in whatever variant
    return filled


def choices(
    make: type[Choice],
    filled: list[Filled],
    actions: Positions,
    names_of: Callable[[int], tuple[str, str]],
    served: Reason | None,
    scores: Scores,
    features: Sequence[bytes] | None,
    met: Sequence[bool] | None,
) -> list[Choice]:
    """What fills slots, with all that is told of it. `served`: the reason that covers all. `features`, `met`: of each;
    see `Choice`.
    """
    made = []
    for at, (slot, row, probability, priority, tried, stretch, pinned) in enumerate(filled):
        action = int(actions[row])
        one = make(
            slot,
            action,
            *names_of(action),
            Reason.RULE if pinned else served or _reason(scores, row, tried),
            None if scores.propensity is None else float(scores.propensity[row]),
            probability,
            priority if priority > CLOSED else 0.0,  # a pin stands where the policy would choose nothing
            stretch,
            features=b"" if features is None else features[at],
            met=met is not None and met[at],
            row=row,
        )
        made.append(one)
    return made


def with_remaining(choices: Sequence[Choice], left: Sequence[int | None]) -> list[Choice]:
    """Choices of which it is known how often each may still be shown; None: no limit."""
    return [one.with_remaining(most) for one, most in zip(choices, left, strict=True)]


def _reason(scores: Scores, row: int, tried: bool) -> Reason:
    found = scores.reason(row)
    return Reason.EXPLORED if found is Reason.LEARNED and tried else found

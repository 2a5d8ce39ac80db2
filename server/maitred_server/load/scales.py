"""Axes: from values to pixels, and where the ticks stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
DECADES_WITH_STEPS = 2.2  # fewer decades than these have ticks at 2 and 5 also


class Axis(NamedTuple):
    """Maps `low`..`high` onto pixels `start`..`end`, by logarithms if `log`; `ticks` are pairs of place and text."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: Sequence[tuple[float, str]]

    def __call__(self, value: float) -> float:
        """The pixel of a value; what is outside of the axis stands at its end."""
        value = min(self.high, max(self.low, value))
        share = (
            math.log(value / self.low) / (math.log(self.high / self.low) or 1.0)
            if self.log
            else (value - self.low) / ((self.high - self.low) or 1.0)
        )
        return self.start + share * (self.end - self.start)


def linear(low: float, high: float, start: float, end: float, text: Callable[[float], str], most: int = 8) -> Axis:
    """An axis with at most `most` ticks at round numbers."""
    step = _step((high - low) / most if high > low else 1.0)
    first = math.ceil(low / step - 1e-9)
    places = [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
    return Axis(low, high, start, end, False, [(place, text(place)) for place in places])


def from_zero(high: float, start: float, end: float, text: Callable[[float], str]) -> Axis:
    """An axis from 0 to the round number at or above `high`."""
    step = _step(high / 5 if high else 1.0)
    return linear(0.0, math.ceil(high / step - 1e-9) * step or step, start, end, text, 6)


def logarithmic(low: float, high: float, start: float, end: float, text: Callable[[float], str]) -> Axis:
    """An axis over whole decades, or from a 1, 2 or 5 to one when there are few."""
    few = math.log10(high / low) < DECADES_WITH_STEPS
    bases = (1.0, 2.0, 5.0) if few else (1.0,)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    places = [base * 10.0**power for power in powers for base in bases]
    below = max(place for place in places if place <= low * 1.0001)
    above = min(place for place in places if place >= high * 0.9999 and place > below)
    return Axis(below, above, start, end, True, [(one, text(one)) for one in places if below <= one <= above])


def _step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least so much."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(base * power for base in STEPS if base * power >= least * 0.999999)

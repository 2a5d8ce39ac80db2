"""When each call is meant to be sent: an open loop, whose times do not wait for answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maitred_server.load.asked import Place, Step

BLOCK = 4_096


def moments(step: Step, place: Place, poisson: bool, random: np.random.Generator) -> Iterator[float]:
    """Intended times of one process's share of a step, in seconds since its begin, rising.

    Even arrivals of the processes interleave; Poisson arrivals of independent processes add up to Poisson arrivals.
    """
    calls = share(step.calls, place)
    times = _poisson(step.rate / place.of, random) if poisson else _even(step.rate, place)
    for number, at in enumerate(times):
        if at >= step.seconds or (step.calls and number >= calls):
            return
        yield at


def share(calls: int, place: Place) -> int:
    """How many of the calls are this process's."""
    return calls // place.of + (place.number < calls % place.of)


def _even(rate: float, place: Place) -> Iterator[float]:
    number = place.number
    while True:
        yield number / rate
        number += place.of


def _poisson(rate: float, random: np.random.Generator) -> Iterator[float]:
    at = 0.0
    while True:
        for gap in random.exponential(1 / rate, BLOCK).tolist():
            at += gap
            yield at

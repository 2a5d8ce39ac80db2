"""Families of features: what each is made of, as whole columns over the candidates.

A family has features of its own for each candidate (of the pair and of the item), and shared ones of subject and
context. A subject has met few of the candidates: for those a function fills columns. Of all others each feature is one
of a few simple things (`Unmet`) times a factor, so that they are made together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from maitred_server.policy.base import Floats
from maitred_server.policy.meeting import FADE, SHRINK, Meeting

Fill: TypeAlias = Callable[[Meeting, Floats], None]
Numbers: TypeAlias = Callable[[Meeting], tuple[float, ...]]

SLOT: Final = ("slot_later", "slot_depth")  # of the first slot both are 0; see `FeatureSpace.in_slot`

_SHRINK: Final = 10.0  # visits' worth of popularity in the plain share
_INTERVAL_DAYS: Final = 30.0  # between two times, of what was done once
_INTERVALS: Final = 2.0  # so many of them


class Unmet(IntEnum):
    """What a feature is of a candidate that the subject never met; each times the feature's factor."""

    ZERO = 0
    ONE = 1  # takes no factor
    POPULAR = 2
    SQUARED = 3  # (factor x popular)^2
    GROUPS = 4  # what the subject did with the item's groups


class Family(NamedTuple):
    """`own`, `shared`: names of the features. `item`: those of `own` and `shared` that items weigh each for itself."""

    name: str
    own: tuple[str, ...] = ()
    unmet: tuple[Unmet, ...] = ()  # of each of `own`
    factors: Numbers = lambda meeting: ()  # likewise
    fill_met: Fill = lambda meeting, out: None  # float64[len(own), k]
    shared: tuple[str, ...] = ()
    told: Numbers = lambda meeting: ()  # of each of `shared`
    item: tuple[str, ...] = ()


def _popularity(meeting: Meeting, out: Floats) -> None:
    out[0] = meeting.met.popular


def _habit(meeting: Meeting, out: Floats) -> None:
    visits, met = meeting.past.visits, meeting.met
    np.divide(met.visits_of + _SHRINK * met.popular, visits + _SHRINK, out=out[0])
    np.log1p(met.counts, out=out[1])
    np.divide(out[0], math.log(visits + 2.0), out=out[2])


def _habit_unmet(meeting: Meeting) -> tuple[float, ...]:
    visits = meeting.past.visits
    share = _SHRINK / (visits + _SHRINK)
    return share, 0.0, share / math.log(visits + 2.0), 1.0


def _rhythm(meeting: Meeting, out: Floats) -> None:
    usual = meeting.met.usual
    out[:3] = meeting.met.faded
    np.square(usual, out=out[3])
    np.multiply(usual, math.log(meeting.basket), out=out[4])
    np.multiply(usual, math.log1p(meeting.past.since), out=out[5])


def _rhythm_unmet(meeting: Meeting) -> tuple[float, ...]:
    faded = [SHRINK / (visits + SHRINK) for visits in meeting.past.visits_faded.tolist()]
    usual = faded[FADE]
    return *faded, usual, usual * math.log(meeting.basket), usual * math.log1p(meeting.past.since)


def _rhythm_told(meeting: Meeting) -> tuple[float, ...]:
    return math.log(meeting.basket), math.log1p(meeting.past.since), float(meeting.past.visits > 0)


def _recency(meeting: Meeting, out: Floats) -> None:
    last = meeting.met.last
    np.exp(last * (-1.0 / 7.0), out=out[0])
    np.exp(last * (-1.0 / 30.0), out=out[1])
    out[2] = last <= meeting.past.since


def _due(meeting: Meeting, out: Floats) -> None:
    """`r`: days since the last time, over the mean interval: 1 is when it is due.

    Between n visits there are n - 1 intervals, and `_INTERVALS` more are thrown in.
    """
    met = meeting.met
    times = np.maximum(met.visits_of + (_INTERVALS - 1.0), _INTERVALS)
    interval = (met.first - met.last + _INTERVALS * _INTERVAL_DAYS) / times
    r = met.last / interval
    np.exp(-r, out=out[0])
    np.maximum(np.minimum(r, 2.0 - r), 0.0, out=out[1])
    np.minimum(r, 3.0, out=out[2])
    np.multiply(out[:2], met.usual, out=out[3:5])


def _groups(meeting: Meeting, out: Floats) -> None:
    out[0] = meeting.met.of_groups


_RHYTHM: Final = ("faded_30", "faded_60", "faded_120", "faded_squared", "faded_by_basket", "faded_by_pause")
_P: Final = Unmet.POPULAR

FAMILIES: Final = {
    one.name: one
    for one in (
        Family("popularity", ("popular",), (_P,), lambda meeting: (1.0,), _popularity),
        Family(
            "habit",
            ("share", "times", "share_by_visits", "never"),
            (_P, Unmet.ZERO, _P, Unmet.ONE),
            _habit_unmet,
            _habit,
            item=("share",),
        ),
        Family(
            "rhythm",
            _RHYTHM,
            (_P, _P, _P, Unmet.SQUARED, _P, _P),
            _rhythm_unmet,
            _rhythm,
            ("basket", "pause", "known"),
            _rhythm_told,
        ),
        Family("recency", ("week", "month", "last_visit"), (Unmet.ZERO,) * 3, lambda meeting: (0.0,) * 3, _recency),
        Family(
            "due",
            ("fresh", "due", "overdue", "fresh_by_faded", "due_by_faded"),
            (Unmet.ZERO,) * 5,
            lambda meeting: (0.0,) * 5,
            _due,
        ),
        Family("slot", shared=SLOT, told=lambda meeting: (0.0, 0.0)),
        Family("groups", ("group_faded",), (Unmet.GROUPS,), lambda meeting: (1.0,), _groups),
    )
}
DEFAULTS: Final = tuple(FAMILIES)

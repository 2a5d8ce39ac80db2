"""Families of features: what each is made of, as whole columns over the candidates.

A family has features of its own for each candidate (of the pair and of the item), and shared ones of subject and
context. A subject has met few of the candidates: for those `of_met` fills columns. Of all others each feature is one
of a few simple things (`Unmet`) times a factor, so that they are made together. All families are worked out at once:
few large steps cost much less than many small ones.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from maitred_server.policy.base import Floats
from maitred_server.policy.meeting import FADE, SHRINK, Meeting
from maitred_server.policy.past import FADED, FADES_DAYS

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
    shared: tuple[str, ...] = ()
    item: tuple[str, ...] = ()


_P: Final = Unmet.POPULAR
_RHYTHM_NAMES: Final = ("faded_30", "faded_60", "faded_120", "faded_squared", "faded_by_basket", "faded_by_pause")
_DUE_NAMES: Final = ("fresh", "due", "overdue", "fresh_by_faded", "due_by_faded")

FAMILIES: Final = {
    one.name: one
    for one in (
        Family("popularity", ("popular",), (_P,)),
        Family(
            "habit",
            ("share", "times", "share_by_visits", "never"),
            (_P, Unmet.ZERO, _P, Unmet.ONE),
            item=("share",),
        ),
        Family("rhythm", _RHYTHM_NAMES, (_P, _P, _P, Unmet.SQUARED, _P, _P), ("basket", "pause", "known")),
        Family("recency", ("week", "month", "last_visit"), (Unmet.ZERO,) * 3),
        Family("due", _DUE_NAMES, (Unmet.ZERO,) * 5),
        Family("slot", shared=SLOT),
        Family("groups", ("group_faded",), (Unmet.GROUPS,)),
    )
}
DEFAULTS: Final = tuple(FAMILIES)
OWN: Final = tuple(name for one in FAMILIES.values() for name in one.own)  # the order of `of_met` and of `factors`
SHARED: Final = tuple(name for one in FAMILIES.values() for name in one.shared)  # that of `told_of`

_POPULAR, _SHARE, _TIMES, _SHARE_BY_VISITS = (
    OWN.index(one) for one in ("popular", "share", "times", "share_by_visits")
)
_SQUARED, _BY_BASKET, _BY_PAUSE = (OWN.index(one) for one in _RHYTHM_NAMES[len(FADES_DAYS) :])
_FADED: Final = slice(_SQUARED - len(FADES_DAYS), _SQUARED)
_WEEK, _MONTH, _LAST_VISIT = (OWN.index(one) for one in ("week", "month", "last_visit"))
_FRESH, _DUE, _OVERDUE, _FRESH_BY_FADED, _DUE_BY_FADED = (OWN.index(one) for one in _DUE_NAMES)
_GROUPS: Final = OWN.index("group_faded")
_EXPONENTS: Final = slice(_WEEK, _FRESH + 1)  # and the last visit among them, which is filled in later
_NOTHING: Final = (0.0,) * (_GROUPS - _WEEK)  # of the unmet


def factors(meeting: Meeting) -> tuple[float, ...]:
    """Of each of `OWN`, of candidates that were never met; see `Unmet`."""
    past = meeting.past
    share = _SHRINK / (past.visits + _SHRINK)
    faded = [SHRINK / (visits + SHRINK) for visits in past.visits_faded.tolist()]
    usual = faded[FADE]
    habit = (share, 0.0, share / math.log(past.visits + 2.0), 1.0)
    by_subject = (usual * math.log(meeting.basket), usual * math.log1p(past.since))
    return (1.0, *habit, *faded, usual, *by_subject, *_NOTHING, 1.0)


def told_of(meeting: Meeting) -> tuple[float, ...]:
    """Each of `SHARED`, of the first slot."""
    past = meeting.past
    return math.log(meeting.basket), math.log1p(past.since), float(past.visits > 0), 0.0, 0.0


def of_met(meeting: Meeting) -> Floats:
    """float64[len(OWN), k]: of the candidates that the subject has met.

    Of what is due `r` is the days since the last time over the mean interval: 1 is when it is due. Between n visits
    there are n - 1 intervals, and `_INTERVALS` more are thrown in.
    """
    past, met = meeting.past, meeting.met
    counts, visits_of, first, last = met.table[:FADED]
    out = np.zeros((len(OWN), len(last)))
    out[_POPULAR], out[_FADED], out[_GROUPS] = met.popular, met.faded, met.of_groups
    usual, share = out[_FADED.start + FADE], out[_SHARE]
    np.multiply(met.popular, _SHRINK, out=share)
    share += visits_of
    share /= past.visits + _SHRINK
    np.log1p(counts, out=out[_TIMES])
    np.divide(share, math.log(past.visits + 2.0), out=out[_SHARE_BY_VISITS])
    np.square(usual, out=out[_SQUARED])
    np.multiply(usual, math.log(meeting.basket), out=out[_BY_BASKET])
    np.multiply(usual, math.log1p(past.since), out=out[_BY_PAUSE])
    times = np.maximum(visits_of + (_INTERVALS - 1.0), _INTERVALS)
    r = last * times / (first - last + _INTERVALS * _INTERVAL_DAYS)
    np.multiply(last, -1.0 / 7.0, out=out[_WEEK])
    np.multiply(last, -1.0 / 30.0, out=out[_MONTH])
    np.negative(r, out=out[_FRESH])
    np.exp(out[_EXPONENTS], out=out[_EXPONENTS])
    np.less_equal(last, past.since, out=out[_LAST_VISIT])
    np.maximum(np.minimum(r, 2.0 - r), 0.0, out=out[_DUE])
    np.minimum(r, 3.0, out=out[_OVERDUE])
    np.multiply(out[_FRESH], usual, out=out[_FRESH_BY_FADED])
    np.multiply(out[_DUE], usual, out=out[_DUE_BY_FADED])
    return out

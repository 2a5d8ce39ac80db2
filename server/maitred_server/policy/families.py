"""Families of features: what each is made of, as whole columns over the candidates.

A family has features of its own for each candidate (of the pair and of the item), and shared ones of subject and
context. Each function fills rows of an array of zeros; what is 0 for a thing never met is filled for the met ones only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from maitred_server.policy.base import Floats
from maitred_server.policy.meeting import Meeting

Fill: TypeAlias = Callable[[Meeting, Floats], None]

SLOT: Final = ("slot_later", "slot_depth")  # of the first slot both are 0; see `FeatureSpace.in_slot`

_SHRINK = 10.0  # visits' worth of popularity in the plain share
_INTERVAL_DAYS = 30.0  # between two times, of what was done once
_INTERVALS = 2.0  # so many of them


def nothing(meeting: Meeting, out: Floats) -> None:
    """Fills nothing."""


class Family(NamedTuple):
    """`own`, `shared`: names of the features. `item`: those of `own` and `shared` that items weigh each for itself."""

    name: str
    own: tuple[str, ...]
    shared: tuple[str, ...]
    fill_own: Fill  # float64[len(own), n]
    fill_shared: Fill  # float64[len(shared)]
    item: tuple[str, ...] = ()


def _popularity(meeting: Meeting, out: Floats) -> None:
    out[0] = meeting.popular


def _habit(meeting: Meeting, out: Floats) -> None:
    visits = meeting.past.visits
    np.divide(meeting.visits_of + _SHRINK * meeting.popular, visits + _SHRINK, out=out[0])
    out[1][meeting.met] = np.log1p(meeting.counts[meeting.met])
    np.divide(out[0], np.log(visits + 2.0), out=out[2])
    np.equal(meeting.counts, 0.0, out=out[3])


def _rhythm(meeting: Meeting, out: Floats) -> None:
    usual = meeting.usual
    out[:3] = meeting.faded
    np.square(usual, out=out[3])
    np.multiply(usual, np.log(meeting.basket), out=out[4])
    np.multiply(usual, np.log1p(meeting.past.since), out=out[5])


def _rhythm_shared(meeting: Meeting, out: Floats) -> None:
    out[0] = np.log(meeting.basket)
    out[1] = np.log1p(meeting.past.since)
    out[2] = float(meeting.past.visits > 0)


def _recency(meeting: Meeting, out: Floats) -> None:
    met = meeting.met
    last = meeting.last[met]
    out[0][met] = np.exp(-last / 7.0)
    out[1][met] = np.exp(-last / 30.0)
    out[2][met] = last <= meeting.past.since


def _due(meeting: Meeting, out: Floats) -> None:
    """`r`: days since the last time, over the mean interval: 1 is when it is due."""
    met = meeting.met
    last, gaps = meeting.last[met], np.maximum(meeting.visits_of[met] - 1.0, 0.0)
    interval = (meeting.first[met] - last + _INTERVALS * _INTERVAL_DAYS) / (gaps + _INTERVALS)
    r = last / interval
    fresh, hat, usual = np.exp(-r), np.maximum(0.0, 1.0 - np.abs(r - 1.0)), meeting.usual[met]
    out[:, met] = fresh, hat, np.minimum(r, 3.0), fresh * usual, hat * usual


def _groups(meeting: Meeting, out: Floats) -> None:
    out[0] = meeting.of_groups


FAMILIES: Final = {
    one.name: one
    for one in (
        Family("popularity", ("popular",), (), _popularity, nothing),
        Family("habit", ("share", "times", "share_by_visits", "never"), (), _habit, nothing, ("share",)),
        Family(
            "rhythm",
            ("faded_30", "faded_60", "faded_120", "faded_squared", "faded_by_basket", "faded_by_pause"),
            ("basket", "pause", "known"),
            _rhythm,
            _rhythm_shared,
        ),
        Family("recency", ("week", "month", "last_visit"), (), _recency, nothing),
        Family("due", ("fresh", "due", "overdue", "fresh_by_faded", "due_by_faded"), (), _due, nothing),
        Family("slot", (), SLOT, nothing, nothing),
        Family("groups", ("group_faded",), (), _groups, nothing),
    )
}
DEFAULTS: Final = tuple(FAMILIES)

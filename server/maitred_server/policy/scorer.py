"""A model's weights laid out for deciding: n candidates at once, of which a subject has met few.

What is the same for all of a subject's candidates is multiplied once. Of the candidates that it never met each feature
is one of a few columns times a number (see `families.Unmet`), so only those features are made at all; the few that it
has met are scored by all of theirs. Features are on the grid in either case: they are those that are learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.policy.base import Floats
from maitred_server.policy.families import Unmet
from maitred_server.policy.grid import HIGH_POINT, LOW_POINT, UNIT
from maitred_server.policy.linear import Linear
from maitred_server.policy.meeting import Meeting, Rows
from maitred_server.policy.space import FeatureSpace

_WITHIN: Final = HIGH_POINT / UNIT
_ALL: Final = slice(None)


class Pattern(NamedTuple):
    """Which of a space's own features are which, of candidates that were never met.

    Only `columns` are made: those of what is popular, then its squares, then those of groups.
    """

    columns: tuple[int, ...]
    scales: tuple[float, ...]  # to units of the grid
    squared: slice  # which of `columns`
    groups: slice
    ones: tuple[int, ...]  # features that are 1

    @classmethod
    def of(cls, space: FeatureSpace) -> Pattern:
        """Of a space."""
        popular, squared, groups, ones = (
            [at for at, one in enumerate(space.unmet) if one is kind]
            for kind in (Unmet.POPULAR, Unmet.SQUARED, Unmet.GROUPS, Unmet.ONE)
        )
        scales = [float(UNIT)] * len(popular) + [UNIT**0.5] * len(squared) + [float(UNIT)] * len(groups)
        columns, end = (*popular, *squared, *groups), len(popular) + len(squared)
        return cls(columns, tuple(scales), slice(len(popular), end), slice(end, len(columns)), tuple(ones))

    def points(self, factors: Sequence[float], popular: Floats, of_groups: Floats) -> Floats:
        """float64[columns, n], in units of the grid. `factors`: see `FeatureSpace.factors`."""
        scaled = [factors[at] * scale for at, scale in zip(self.columns, self.scales, strict=True)]
        found = np.empty((len(scaled), len(popular)))
        end, squared = self.groups.start, found[self.squared]
        np.multiply(np.array(scaled[:end])[:, None], popular, out=found[:end])
        np.square(squared, out=squared)
        for at in range(end, len(scaled)):
            np.multiply(of_groups, scaled[at], out=found[at])
        if max(factors) > _WITHIN or min(factors) < -_WITHIN:
            np.minimum(np.maximum(found, LOW_POINT, out=found), HIGH_POINT, out=found)
        return np.rint(found, out=found)


class Scorer:
    """The weights of n candidates for t responses. Made when a snapshot is taken up."""

    def __init__(self, space: FeatureSpace, linear: Linear) -> None:
        self.space = space
        self.pattern = Pattern.of(space)
        self.linear = linear
        rows, shared = linear.rows, linear.shared
        self._shape = shared.shape[:2]
        self._always = np.ascontiguousarray(rows[:, :, self.pattern.ones].sum(2).T)
        self._shared = shared.reshape(-1, shared.shape[2]).copy()
        self._shared[:, -1] += self._always.reshape(-1)  # the last of what is shared is 1
        self._columns = np.ascontiguousarray(rows[:, :, self.pattern.columns].transpose(1, 2, 0)) / UNIT

    def predict(self, points: Floats, met: Rows, own: Floats, shared: Floats) -> Floats:
        """Responses float64[t, n], in [0, 1].

        `points`: see `Pattern`. `own`: float64[k, own], of the rows that were `met`. `shared`: float64[d - own].
        """
        found: Floats = (self._shared @ shared).reshape(self._shape)
        of_met = np.einsum("kto,ko->tk", self.linear.rows.take(met, 0), own)
        of_met += found.take(met, 1)
        of_met -= self._always.take(met, 1)
        found += np.einsum("tkn,kn->tn", self._columns, points)
        found[:, met] = of_met
        np.maximum(found, 0.0, out=found)
        return np.minimum(found, 1.0, out=found)


class Encounter:
    """One subject's meeting with the candidates: its features on the grid, and what is predicted by them."""

    def __init__(self, scorer: Scorer, meeting: Meeting) -> None:
        space = scorer.space
        self._scorer = scorer
        self._met = meeting.met.rows
        self._popular, self._of_groups = meeting.popular, meeting.of_groups
        self._factors = space.factors(meeting)
        self._own = space.met(meeting)  # float64[k, own]
        self.shared = space.shared(meeting)  # float64[d - own]

    def predict(self) -> Floats:
        """Responses float64[t, n], in [0, 1]."""
        return self._scorer.predict(self._points(_ALL), self._met, self._own, self.shared)

    def deviations(self) -> Floats:
        """float64[n]: of the first response; see `Linear.deviations`."""
        return self._scorer.linear.deviations(self.own(), self.shared)

    def own(self) -> Floats:
        """float64[n, own]: the own features of all candidates."""
        found = self._unmet(_ALL) / UNIT
        found[self._met] = self._own
        return found

    def features(self, rows: Sequence[int], slots: Sequence[int]) -> npt.NDArray[np.int16]:
        """int16[s, d], in units of the grid: by what some choices were scored."""
        space, which = self._scorer.space, np.array(rows, np.intp)
        found = np.empty((len(rows), space.width), "<i2")
        found[:, : space.own] = self._unmet(which)
        found[:, space.own :] = space.in_slots(self.shared, slots) * UNIT
        chosen, met = (which[:, None] == self._met).nonzero()
        found[chosen, : space.own] = self._own[met] * UNIT
        return found

    def met(self, row: int) -> bool:
        """Whether the subject did this before."""
        return bool((self._met == row).any())

    def _points(self, rows: slice | Rows) -> Floats:
        return self._scorer.pattern.points(self._factors, self._popular[rows], self._of_groups[rows])

    def _unmet(self, rows: slice | Rows) -> Floats:
        """float64[n, own], in units of the grid: all own features of candidates, as if none was met."""
        pattern, points = self._scorer.pattern, self._points(rows)
        found = np.zeros((points.shape[1], self._scorer.space.own))
        found[:, pattern.columns] = points.T
        found[:, pattern.ones] = UNIT
        return found

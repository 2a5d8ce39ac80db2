"""A model's weights laid out for deciding: n candidates at once, of which a subject has met few.

What is the same for all of a subject's candidates is multiplied once. Of the candidates that it never met each feature
is one of a few columns times a number (see `families.Unmet`), so only those features are made at all; the few that it
has met are scored by all of theirs. Features are on the grid in either case: they are those that are learned from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.policy.base import Floats
from maitred_server.policy.families import SLOT, Unmet
from maitred_server.policy.grid import HIGH_POINT, LOW_POINT, UNIT
from maitred_server.policy.linear import Linear
from maitred_server.policy.meeting import Meeting, Rows
from maitred_server.policy.space import FeatureSpace, slot_points

_BYTES: Final = 2  # of a packed feature
_WITHIN: Final = HIGH_POINT / UNIT


class Pattern(NamedTuple):
    """Which of a space's own features are which, of candidates that were never met.

    Only `columns` are made: those of what is popular, then its squares, then those of groups.
    """

    columns: Rows
    features: tuple[int, ...]  # the same
    scales: tuple[float, ...]  # to units of the grid
    squared: slice  # which of `columns`
    groups: slice
    ones: Rows  # features that are 1
    packer: Struct  # of the own features
    blank: list[int]  # the features without those of `columns`, in units of the grid

    @classmethod
    def of(cls, space: FeatureSpace) -> Pattern:
        """Of a space."""
        popular, squared, groups, ones = (
            [at for at, one in enumerate(space.unmet) if one is kind]
            for kind in (Unmet.POPULAR, Unmet.SQUARED, Unmet.GROUPS, Unmet.ONE)
        )
        scales = [float(UNIT)] * len(popular) + [UNIT**0.5] * len(squared) + [float(UNIT)] * len(groups)
        features, end = (*popular, *squared, *groups), len(popular) + len(squared)
        return cls(
            np.array(features, np.intp),
            features,
            tuple(scales),
            slice(len(popular), end),
            slice(end, len(features)),
            np.array(ones, np.intp),
            Struct(f"<{space.own}h"),
            [UNIT * (one is Unmet.ONE) for one in space.unmet],
        )

    def points(self, factors: Sequence[float], popular: Floats, of_groups: Floats) -> Floats:
        """float64[columns, n], in units of the grid. `factors`: see `FeatureSpace.factors`."""
        scaled = [factors[at] * scale for at, scale in zip(self.features, self.scales, strict=True)]
        found = np.empty((len(scaled), len(popular)))
        end, squared = self.groups.start, found[self.squared]
        np.multiply.outer(np.array(scaled[:end]), popular, out=found[:end])
        np.square(squared, out=squared)
        for at in range(end, len(scaled)):
            np.multiply(of_groups, scaled[at], out=found[at])
        if max(factors, default=0.0) > _WITHIN or min(factors, default=0.0) < -_WITHIN:
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
        self.always = np.ascontiguousarray(rows[:, :, self.pattern.ones].sum(2).T)
        self.shared = np.array(shared.reshape(-1, shared.shape[2]).T, order="C")  # a row for each feature
        self.shared[-1] += self.always.reshape(-1)  # the last of what is shared is 1
        self.columns = np.ascontiguousarray(rows[:, :, self.pattern.columns].transpose(1, 2, 0)) / UNIT

    def predict(self, points: Floats, met: Rows, own: Floats, shared: Floats) -> Floats:
        """Responses float64[t, n], in [0, 1].

        `points`: see `Pattern`. `own`: float64[own, k], of the rows that were `met`. Both in units of the grid.
        `shared`: float64[d - own]; most of what could be said is not, and costs nothing.
        """
        said = shared.nonzero()[0]
        found: Floats = (shared[said] @ self.shared.take(said, 0)).reshape(self._shape)
        of_met = np.einsum("kto,ok->tk", self.linear.rows.take(met, 0), own)
        of_met *= 1.0 / UNIT
        of_met += found.take(met, 1)
        of_met -= self.always.take(met, 1)
        found += np.einsum("tkn,kn->tn", self.columns, points)
        found[:, met] = of_met
        np.maximum(found, 0.0, out=found)
        return np.minimum(found, 1.0, out=found)


class Encounter:
    """One subject's meeting with the candidates: its features on the grid, and what is predicted by them."""

    def __init__(self, scorer: Scorer, meeting: Meeting) -> None:
        space = scorer.space
        self._scorer = scorer
        self._meeting = meeting
        self._factors = space.factors(meeting)
        self._own = space.met(meeting)  # float64[own, k], in units of the grid
        self.shared = space.shared(meeting)  # float64[d - own]

    def predict(self) -> Floats:
        """Responses float64[t, n], in [0, 1]."""
        return self._scorer.predict(self._points, self._meeting.met.rows, self._own, self.shared)

    def weighed(self, worth: Floats) -> tuple[Floats, Floats]:
        """What all responses are worth together, and the first response: float64[n] each. `worth`: float64[t]."""
        responses = self.predict()
        first: Floats = responses[0]
        return first * worth[0] if len(worth) == 1 else worth @ responses, first

    def deviations(self) -> Floats:
        """float64[n]: of the first response; see `Linear.deviations`."""
        return self._scorer.linear.deviations(self.own(), self.shared)

    def own(self) -> Floats:
        """float64[n, own]: the own features of all candidates."""
        pattern = self._scorer.pattern
        found = np.zeros((len(self._meeting.popular), self._scorer.space.own))
        found[:, pattern.columns] = self._points.T
        found[:, pattern.ones] = UNIT
        found[self._meeting.met.rows] = self._own.T
        found *= 1.0 / UNIT
        return found

    def features(self, rows: Sequence[int], slots: Sequence[int]) -> npt.NDArray[np.int16]:
        """int16[s, d], in units of the grid: by what some choices were scored."""
        return np.frombuffer(b"".join(self.sealed(rows, slots)), "<i2").reshape(len(rows), -1)

    def sealed(self, rows: Sequence[int], slots: Sequence[int]) -> list[bytes]:
        """The same, packed as in `grid.packed`: few rows of few numbers, which are quicker one by one."""
        space, pack = self._scorer.space, self._scorer.pattern.packer.pack
        shared = (self.shared * UNIT).astype("<i2").tobytes()
        unmet = self._points_of(rows).T.tolist()
        own = [pack(*self._own_of(row, points)) for row, points in zip(rows, unmet, strict=True)]
        if space.slot < 0:
            return [one + shared for one in own]
        begin = (space.slot - space.own) * _BYTES
        before, after = shared[:begin], shared[begin + len(SLOT) * _BYTES :]
        return [one + before + slot_points(slot) + after for one, slot in zip(own, slots, strict=True)]

    def _own_of(self, row: int, points: Sequence[float]) -> Iterable[int]:
        """The own features of a row. `points`: if it was never met, those of the pattern's columns."""
        pattern, at = self._scorer.pattern, self._met.get(row)
        if at is not None:
            return map(int, self._own[:, at].tolist())
        found = pattern.blank.copy()
        for feature, value in zip(pattern.features, points, strict=True):
            found[feature] = int(value)
        return found

    def met(self, rows: Sequence[int]) -> list[bool]:
        """Of some rows, whether the subject did each before."""
        return [row in self._met for row in rows]

    @cached_property
    def _points(self) -> Floats:
        meeting = self._meeting
        return self._scorer.pattern.points(self._factors, meeting.popular, meeting.of_groups)

    def _points_of(self, rows: Sequence[int]) -> Floats:
        """`_points` of some rows: where no model serves there is no need of the others."""
        if "_points" in self.__dict__:
            return self._points.take(rows, 1)
        meeting = self._meeting
        return self._scorer.pattern.points(self._factors, meeting.popular.take(rows), meeting.of_groups.take(rows))

    @cached_property
    def _met(self) -> dict[int, int]:
        """Where among those that were met some rows are."""
        return {row: at for at, row in enumerate(self._meeting.met.rows.tolist())}

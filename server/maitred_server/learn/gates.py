"""What a model must pass before it is served: it is finite, has the shape of its plan, and did not jump.

How far it jumped is the mean absolute change of its predictions for the choices that were shown last, against the
model in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from maitred_server.learn.fixed import floating
from maitred_server.learn.join import Row
from maitred_server.learn.lane import features_of
from maitred_server.learn.plans import Plan
from maitred_server.policy.base import Floats
from maitred_server.policy.linear import Candidates, Linear, Model

PROBES = 256  # rows that drift is measured on, the last ones


class Gates(NamedTuple):
    """`drift`: the largest mean change of predictions from one snapshot to the next. `young`: a model of fewer
    exposures may move as it likes.
    """

    drift: float = 0.1
    young: float = 1_000.0

    def fault(self, plan: Plan, model: Model, before: Model | None, rows: Sequence[Row]) -> str:
        """Why a model may not be served, in words; "": it may. `before`: the one in force, of the same plan."""
        if not is_finite(model):
            return "it has numbers that are not finite"
        if not has_shape(plan, model):
            return "it has another shape than its features and responses"
        if before is None or before.exposures < self.young or not rows:
            return ""
        moved = drift(model, before, rows)
        return f"its predictions moved by {moved:.3f} on average; at most {self.drift:g}" if moved > self.drift else ""


def is_finite(model: Model) -> bool:
    """Whether all numbers of a model are finite."""
    parts = (one for level in model.levels for one in (level.values, level.inverses, level.exposures))
    wide: Iterable[Floats] = (model.wide, model.wide_inverse, model.means, np.array(model.exposures))
    return all(bool(np.isfinite(one).all()) for one in (*wide, *parts))


def has_shape(plan: Plan, model: Model) -> bool:
    """Whether a model has the features and responses of a plan."""
    shape, types = plan.shape, len(plan.responses)
    if model.wide.shape != (types, shape.width) or model.wide_inverse.shape != (shape.width, shape.width):
        return False
    wanted = (shape.group, shape.item, shape.variant)
    return all(
        columns.tolist() == of_plan.tolist() and level.values.shape == (len(level.keys), types, len(columns))
        for columns, of_plan, level in zip(model.columns, wanted, model.levels, strict=True)
    )


def drift(model: Model, before: Model, rows: Sequence[Row]) -> float:
    """The mean absolute change of the predictions for some rows."""
    return float(np.abs(_predictions(model, rows) - _predictions(before, rows)).mean())


def _predictions(model: Model, rows: Sequence[Row]) -> Floats:
    width = model.wide.shape[1]
    features = floating(features_of(row.features for row in rows)).reshape(len(rows), width)
    owners = [at for at, row in enumerate(rows) for _ in row.groups]
    candidates = Candidates(
        np.array([row.item for row in rows], np.uint64),
        np.array([row.variant for row in rows], np.uint64),
        np.array([key for row in rows for key in row.groups], np.uint64),
        np.array(owners, np.int32),
    )
    return Linear(model, candidates, width).predict(features, np.zeros(0))

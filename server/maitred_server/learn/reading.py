"""A model in words: weights by the names of features, items by their ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from maitred_server.errors import NothingKept
from maitred_server.learn.plans import plans_of
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.base import Positions
from maitred_server.policy.fitted import Fitted
from maitred_server.policy.linear import Deltas
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.store.published import CATALOGUE, brand_folder


def told(data: Path, brand: str, snapshot: PolicySnapshot, placement: str, most: int) -> dict[str, Any]:
    """A placement's model as plain values: weights by feature, and the `most` items whose own weights are largest.

    Raises NothingKept when the snapshot has none, or its playbook is kept no more.
    """
    fitted = snapshot.models.get(placement)
    if fitted is None:
        known = ", ".join(sorted(snapshot.models)) or "none"
        raise NothingKept(f"version `{snapshot.version}` has no model of `{placement}`; it has {known}", "placement")
    catalogue = _catalogue(data, brand, fitted)
    plan = plans_of(catalogue).get(placement)
    names = list(plan.space.names) if plan and plan.space.name == fitted.space else _numbers(fitted)
    model = fitted.model
    return {
        "placement": placement,
        "responses": list(fitted.responses),
        "exposures": fitted.exposures,
        "means": model.means.tolist(),
        "weights": dict(zip(names, model.wide.T.tolist(), strict=True)),
        "items": _items(model.levels[1], model.columns[1], names, catalogue.names, most),
    }


def _catalogue(data: Path, brand: str, fitted: Fitted) -> Catalogue:
    try:
        return Catalogue.open(brand_folder(data, brand) / CATALOGUE, str(fitted.stamp.catalogue))
    except FileNotFoundError:
        raise NothingKept(f"playbook {fitted.stamp.catalogue}, which names the features, is kept no more") from None


def _numbers(fitted: Fitted) -> list[str]:
    return [str(number) for number in range(fitted.model.wide.shape[1])]


def _items(level: Deltas, columns: Positions, names: list[str], ids: dict[int, str], most: int) -> list[dict[str, Any]]:
    size = np.abs(level.values).sum((1, 2)) if len(level.keys) else np.zeros(0)
    return [
        {
            "item": ids.get(int(level.keys[at]), f"#{int(level.keys[at]):016x}"),
            "exposures": float(level.exposures[at]),
            "deltas": {names[column]: level.values[at, :, n].tolist() for n, column in enumerate(columns.tolist())},
        }
        for at in np.argsort(-size, kind="stable")[:most].tolist()
    ]

"""What a placement's model predicts of each candidate, and what stands in its place while there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from maitred_server.policy.base import Floats
from maitred_server.policy.linear import Deltas, Model
from maitred_server.policy.space import FeatureSpace

_BELIEVED: Final = ("share", "popular")  # features that are a guess by themselves, the best first


def prior(space: FeatureSpace, defaults: Sequence[float]) -> Floats:
    """Weights float64[t, d] of what is believed before anything is learned; what is learned starts from them.

    Of the first response, how often the subject does this at a visit, drawn to how often all do: so the first day ranks
    by habit, then by popularity. Of the others, what they are when nothing comes: `defaults`, by type.
    """
    found = np.zeros((len(defaults), space.width))
    guess = next((name for name in _BELIEVED if name in space.names), None)
    found[:, -1] = defaults
    if guess is not None:
        found[0, -1], found[0, space.names.index(guess)] = 0.0, 1.0
    return found


def believed(space: FeatureSpace, defaults: Sequence[float]) -> Model:
    """The prior as a model: of no exposures, and with no doubt of itself, for nothing is known of how sure it is."""
    none, types = np.zeros(0, np.uint64), len(defaults)
    columns = tuple(np.array(level, np.int32) for level in (space.group, space.item, space.variant))
    groups, items, variants = (
        Deltas(none, np.zeros((0, types, len(one))), np.zeros((0, len(one), len(one))), np.zeros(0)) for one in columns
    )
    return Model(
        prior(space, defaults),
        np.zeros((space.width, space.width)),
        0.0,
        np.zeros(types),
        (columns[0], columns[1], columns[2]),
        (groups, items, variants),
        (np.inf,) * 4,
    )

"""What a placement's model predicts of each candidate, and what stands in its place while there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from maitred_server.policy.base import Floats
from maitred_server.policy.linear import Linear
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


def predicted(
    space: FeatureSpace, linear: Linear | None, own: Floats, shared: Floats, defaults: Sequence[float]
) -> Floats:
    """Responses float64[t, n], in [0, 1]. `own`: float64[n, own]. `shared`: float64[d - own]. None: nothing learned."""
    if linear is not None:
        return linear.predict(own, shared)
    weights = prior(space, defaults)
    found = weights[:, : space.own] @ own.T + (weights[:, space.own :] @ shared)[:, None]
    return np.clip(found, 0.0, 1.0, out=found)

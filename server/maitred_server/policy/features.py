"""What is known of subject and candidate together, as whole columns over the candidates: never a loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maitred_server.policy.base import Floats, Keys


class KeyIndex:
    """Where each item is among a placement's m candidates; several candidates (variants) may be of one item."""

    def __init__(self, item_keys: Keys) -> None:
        """`item_keys`: uint64[m], in any order."""
        self._sorted, inverse = np.unique(item_keys, return_inverse=True)
        self._row = inverse.astype(np.intp)

    def scatter(self, keys: Keys, values: NDArray[np.generic]) -> Floats:
        """A column float64[m] that has `values` at the candidates of `keys` and 0 elsewhere.

        A subject has met few of the candidates: looking its keys up among theirs is far less work than the other
        way round.
        """
        if not len(self._sorted):
            return np.zeros(0)
        column = np.zeros(len(self._sorted) + 1)
        at = self._sorted.searchsorted(keys)
        met = self._sorted.take(at, mode="clip") == keys
        column[np.where(met, at, len(self._sorted))] = values
        column[-1] = 0.0
        return column[self._row]

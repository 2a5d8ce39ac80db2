"""Fixed point: features and responses as small integers, so that sums of their products are exact.

Float sums differ with their order; integer sums do not: any order, any sharding, replay and subtraction give the same
bits.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.policy.base import Floats

UNIT: Final = 1 << 12  # what 1.0 is: the grid is 2^-12
# Products of two features are below 2^30 and sums are int64: 2^33 exposures fit into one sum.

Fixed: TypeAlias = npt.NDArray[np.int16]
Sum: TypeAlias = npt.NDArray[np.int64]


def fixed(values: Floats) -> Fixed:
    """The nearest points of the grid; what is beyond it becomes its end, and what is no number 0."""
    scaled = np.nan_to_num(values * UNIT, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return np.clip(np.rint(scaled), -(1 << 15), (1 << 15) - 1).astype(np.int16)


def floating(values: npt.NDArray[np.integer]) -> Floats:
    """The numbers that points of the grid stand for."""
    return values / float(UNIT)

"""The grid that features lie on: a candidate is scored with the very numbers that are learned from later.

Sums are exact because features are whole multiples of 2^-12 (see `learn.fixed`); what a model predicts with is put on
that grid before it predicts, not after.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from maitred_server.policy.base import Floats

UNIT: Final = 1 << 12
LOW_POINT: Final = -(1 << 15)  # in units of the grid
HIGH_POINT: Final = (1 << 15) - 1
_LOW, _HIGH = LOW_POINT / UNIT, HIGH_POINT / UNIT


def onto_points(values: Floats) -> Floats:
    """`values`, changed in place: rounded to units of the grid, its end where they are beyond. What is no number stays
    so.
    """
    values *= UNIT
    np.maximum(values, LOW_POINT, out=values)
    np.minimum(values, HIGH_POINT, out=values)
    return np.rint(values, out=values)


def onto_grid(values: Floats) -> Floats:
    """The same, as numbers: `values` rounded to the grid, in place."""
    onto_points(values)
    values *= 1.0 / UNIT
    return values


def point(value: float) -> float:
    """The same of one finite number."""
    return round(min(max(value, _LOW), _HIGH) * UNIT) / UNIT


def packed(values: Floats) -> bytes:
    """Points of the grid as int16, little-endian; 0 for what is no number."""
    return np.nan_to_num(values * UNIT).astype("<i2").tobytes()


def unpacked(stored: bytes) -> Floats:
    """What was packed: float64[d]."""
    return np.frombuffer(stored, "<i2") / float(UNIT)

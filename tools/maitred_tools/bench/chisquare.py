"""Pearson's chi-square over conditional distributions, some cells of which were never met."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import Final, NamedTuple

LEAST_EXPECTED: Final = 10.0  # of a cell; cells with less are put together
EXACT_FREEDOM: Final = 200  # up to here the tail is summed; above, Wilson and Hilferty's approximation (1931) is used
ROUNDING: Final = 1e-9


class Cell(NamedTuple):
    """How often something came, and the probability that was given for it."""

    times: int
    probability: float


class Fit(NamedTuple):
    """How far counts are from what was expected. `freedom` 0: nothing was left to chance."""

    chi_square: float
    freedom: int

    def __add__(self, other: object) -> Fit:
        """Of two independent samples together."""
        assert isinstance(other, Fit)
        return Fit(self.chi_square + other.chi_square, self.freedom + other.freedom)

    @property
    def p(self) -> float:
        """The probability of being as far off, or farther, by chance."""
        return survival(self.chi_square, self.freedom)


NO_FIT: Final = Fit(0.0, 0)


def fit(cells: Iterable[Cell]) -> Fit:
    """Of one distribution. What the probabilities leave over is a cell that never came."""
    found = list(cells)
    total, left = sum(one.times for one in found), 1.0 - sum(one.probability for one in found)
    if left < -ROUNDING:
        return Fit(math.inf, len(found))
    pairs = sorted([(one.probability * total, one.times) for one in found] + [(max(left, 0.0) * total, 0)])
    pooled = _pooled(pairs)
    return Fit(sum((count - expected) ** 2 / expected for expected, count in pooled), len(pooled) - 1)


def _pooled(pairs: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Expected and found, rising: the least are put together until each is large enough."""
    expected, count, rest = 0.0, 0, list(pairs)
    while rest and (expected < LEAST_EXPECTED or rest[0][0] < LEAST_EXPECTED):
        expected, count, rest = expected + rest[0][0], count + rest[0][1], rest[1:]
    return [(expected, count), *rest] if expected else rest


def survival(chi_square: float, freedom: int) -> float:
    """P(a chi-square variable is at least this large)."""
    if freedom == 0 or chi_square <= 0.0:
        return 1.0
    if not math.isfinite(chi_square):
        return 0.0
    return _summed(chi_square / 2, freedom) if freedom <= EXACT_FREEDOM else _approximated(chi_square, freedom)


def _summed(half: float, freedom: int) -> float:
    """The closed form for whole degrees of freedom (Abramowitz and Stegun 1964, 26.4.4 and 26.4.5)."""
    odd = freedom % 2
    found = math.erfc(math.sqrt(half)) if odd else 0.0
    exponents = [place + odd / 2 for place in range((freedom - odd) // 2)]
    return found + sum(math.exp(one * math.log(half) - half - math.lgamma(one + 1)) for one in exponents)


def _approximated(chi_square: float, freedom: int) -> float:
    spread = 2 / (9 * freedom)
    return 1.0 - NormalDist().cdf(((chi_square / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))

"""Layers are independent of each other and keep their shares: chi-square over all layers and all pairs of them."""

from __future__ import annotations

import math
import sys
from itertools import accumulate, combinations
from typing import NamedTuple

import numpy as np
import pytest
from maitred_server.model import Arm, Kind, Layer
from maitred_server.subjects.assignment import POINTS, Situation, assign, divisions, point
from maitred_server.subjects.identity import Pseudonyms
from numpy.typing import NDArray

# Shares by turns; what they leave over is a branch like the others here.
SHARES = ((0.5, 0.5), (0.05,), (0.1, 0.2, 0.3), (0.25, 0.25, 0.25, 0.25), (0.3333, 0.3333), (0.01, 0.49))
ALPHA = 0.01  # over all tests together

Columns = NDArray[np.int64]


class Found(NamedTuple):
    """p-values: of each layer's shares, and of each pair of layers."""

    shares: list[float]
    pairs: list[float]

    @property
    def least(self) -> float:
        return min(self.shares + self.pairs)

    @property
    def bound(self) -> float:
        """Bonferroni's: none of them may be below."""
        return ALPHA / (len(self.shares) + len(self.pairs))


def layers_of(count: int) -> list[Layer]:
    return [
        Layer(f"layer {n}", None, f"salt {n}", tuple(Arm(f"{at}", share) for at, share in enumerate(SHARES[n % 6])))
        for n in range(count)
    ]


def subjects_of(count: int) -> list[bytes]:
    pseudonyms = Pseudonyms(bytes(range(32)))
    return [pseudonyms.subject_key("shop", Kind.PERSON, f"subject-{number}") for number in range(count)]


def ends_of(layer: Layer) -> list[int]:
    return list(accumulate(round(arm.share * POINTS) for arm in layer.arms))


def arms_in(layer: Layer, subjects: list[bytes]) -> Columns:
    """For each subject the number of its arm; in none: the number after the last."""
    points = np.fromiter((point(layer.salt, subject) for subject in subjects), np.int64, len(subjects))
    return np.searchsorted(ends_of(layer), points, side="right")


def survival(chi_square: float, freedom: int) -> float:
    """P(a chi-square of that freedom is larger), by the recurrence of the incomplete gamma function."""
    half, odd = chi_square / 2, freedom % 2
    found = math.erfc(math.sqrt(half)) if odd else math.exp(-half)
    a = 0.5 if odd else 1.0
    while a < freedom / 2:
        found += math.exp(a * math.log(half) - half - math.lgamma(a + 1))
        a += 1
    return found


def p_of_shares(layer: Layer, arms: Columns) -> float:
    """Whether a layer's arms have their shares."""
    shares = np.diff([0, *ends_of(layer), POINTS]) / POINTS
    open_to = shares > 0
    observed = np.bincount(arms, minlength=len(shares))
    assert observed[~open_to].sum() == 0
    expected = shares[open_to] * len(arms)
    return survival(float((((observed[open_to] - expected) ** 2) / expected).sum()), int(open_to.sum()) - 1)


def p_of_pair(one: Columns, other: Columns) -> float:
    """Whether the joint table of two layers is the product of its margins."""
    width = int(other.max()) + 1
    table = np.bincount(one * width + other, minlength=(int(one.max()) + 1) * width).reshape(-1, width).astype(float)
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    return survival(float(((table - expected) ** 2 / expected).sum()), (table.shape[0] - 1) * (width - 1))


def p_values(subjects: int, layers: int) -> Found:
    keys, found = subjects_of(subjects), layers_of(layers)
    columns = [arms_in(layer, keys) for layer in found]
    shares = [p_of_shares(layer, arms) for layer, arms in zip(found, columns, strict=True)]
    return Found(shares, [p_of_pair(one, other) for one, other in combinations(columns, 2)])


def test_survival_is_the_known_one() -> None:
    """The p-values of chi-square tables: the 5 % and 0.1 % points of 1, 2, 4, 9 and 16 degrees of freedom."""
    points = {1: (3.8415, 10.8276), 2: (5.9915, 13.8155), 4: (9.4877, 18.4668), 9: (16.919, 27.8772)}
    points[16] = (26.2962, 39.2524)
    for freedom, (five, one) in points.items():
        assert survival(five, freedom) == pytest.approx(0.05, rel=1e-3)
        assert survival(one, freedom) == pytest.approx(0.001, rel=1e-3)


def test_layers_are_independent() -> None:
    """50,000 subjects, 6 layers: every layer has its shares and every pair is independent, after Bonferroni."""
    found = p_values(50_000, 6)
    assert (len(found.shares), len(found.pairs)) == (6, 15)
    assert found.least > found.bound


def test_the_test_would_see_dependence() -> None:
    """One salt for two layers, a share that is off by half a point, or one arm that leans on another: all are seen."""
    keys, (one, other, *_) = subjects_of(50_000), layers_of(6)
    arms = arms_in(one, keys)
    bound = ALPHA / 21
    same_salt = Layer("x", None, one.salt, other.arms)
    assert p_of_pair(arms, arms_in(same_salt, keys)) < bound
    assert p_of_shares(Layer("x", None, "", (Arm("a", 0.51), Arm("b", 0.49))), arms) < bound
    leaning = arms_in(other, keys)
    leaning[(arms == 0) & (np.arange(len(keys)) % 25 == 0)] = 0
    assert p_of_pair(arms, leaning) < bound


def test_deciding_assigns_as_tested() -> None:
    """`assign` puts subjects in the very arms that these tests look at."""
    keys, layers = subjects_of(2_000), layers_of(6)
    columns = [arms_in(layer, keys) for layer in layers]
    ready = divisions(layers)
    for number, key in enumerate(keys):
        arms = dict(assign(ready, Situation({None: key}, Kind.PERSON)).arms)
        expected = {one.name: str(arm[number]) for one, arm in zip(layers, columns, strict=True)}
        assert arms == {name: arm for name, arm in expected.items() if name in arms}
        assert all(int(arm) == len(layers[int(name[6:])].arms) for name, arm in expected.items() if name not in arms)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_layers_are_independent_at_full_size(capsys: pytest.CaptureFixture[str]) -> None:
    """1,000,000 subjects, 20 layers: the same, over all 20 layers and 190 pairs; the p-values are told."""
    found = p_values(1_000_000, 20)
    assert (len(found.shares), len(found.pairs)) == (20, 190)
    below = sum(p < 0.05 for p in found.shares + found.pairs)
    with capsys.disabled():
        sys.stdout.write(
            f"\nshares: least p {min(found.shares):.4f}; pairs: least p {min(found.pairs):.5f}, median"
            f" {np.median(found.pairs):.3f}; {below} of 210 below .05; bound {found.bound:.6f}\n"
        )
    assert found.least > found.bound

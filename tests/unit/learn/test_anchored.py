from __future__ import annotations

import numpy as np
from maitred_server.learn.anchored import fit_from
from maitred_server.learn.fixed import UNIT, fixed
from maitred_server.learn.ridge import Shown, Space, Sums
from maitred_server.learn.weights import Families, Fitting, fit
from maitred_server.policy.base import Floats

FITTING = Fitting((3.0, 5.0, 5.0, 5.0))
FAMILIES = Families({7: ()}, {9: 7})
PRIOR = np.array([[0.5, -1.0, 0.25]])


def sums(rows: int) -> tuple[Sums, Floats, Floats]:
    """Exposures of one item, with their features and responses."""
    random = np.random.default_rng(3)
    features = fixed(random.normal(size=(rows, 3)))
    responses = (random.integers(0, 2, (rows, 1)) * UNIT).astype(np.int32)
    found = Sums(Space.of(3, [], [2], []), 1)
    nothing = np.zeros(0, np.uint64), np.zeros(0, np.int32)
    keys = np.full(rows, 7, np.uint64), np.full(rows, 9, np.uint64)
    found.add(Shown(np.zeros(rows, np.int32), *keys, *nothing, features, responses))
    return found, features / UNIT, responses[:, 0] / UNIT


def test_weights_are_the_posterior_mean() -> None:
    """The placement's weights solve (F'F + penalty I) w = F'r + penalty w0, and items start from them."""
    taught, features, responses = sums(40)
    found = fit_from(PRIOR, taught, FAMILIES, FITTING)
    expected = np.linalg.solve(features.T @ features + 3 * np.eye(3), features.T @ responses + 3 * PRIOR[0])
    np.testing.assert_allclose(found.wide[0], expected, atol=1e-12)
    left_over = features[:, 2] @ (responses - features @ expected)
    np.testing.assert_allclose(found.items.values[0, 0], left_over / (features[:, 2] @ features[:, 2] + 5), atol=1e-12)


def test_without_exposures_the_prior_is_all() -> None:
    """Nothing learned gives the prior itself; a prior of 0 is the plain fit."""
    assert fit_from(PRIOR, sums(0)[0], FAMILIES, FITTING).wide.tolist() == PRIOR.tolist()
    taught, _, _ = sums(20)
    plain, anchored = fit(taught, FAMILIES, FITTING), fit_from(np.zeros((1, 3)), taught, FAMILIES, FITTING)
    assert anchored.wide.tolist() == plain.wide.tolist()
    assert anchored.items.values.tolist() == plain.items.values.tolist()

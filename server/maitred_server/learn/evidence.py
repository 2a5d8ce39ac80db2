"""How strongly weights are held to their prior, found from the sums themselves.

Of a few penalties that one is taken under which the responses are the most likely, weights and noise averaged and
fitted (evidence, type II maximum likelihood; MacKay 1992, Bishop 2006 section 3.5). With N exposures, responses that
leave Y after the wider levels, and over the keys of the level S = V diag(s) V' and c = V' (b - S w):

    log evidence = -N/2 log(Y - sum c^2 / (s + penalty)) + 1/2 sum (log penalty - log(s + penalty))

Wide and noisy features get a strong prior, few and telling ones a weak one, without anybody tuning it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from maitred_server.policy.base import Floats

PENALTIES: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_DOUBT: Final = 2.0  # how much is needed to leave the usual penalty, while little is known
_LEAST: Final = 1e-3  # of a response's variance: what is left is never taken for less


class Judged(NamedTuple):
    """The penalty that was chosen, and what it leaves."""

    penalty: float
    left: Floats  # float64[t]: sum of squares of the responses that the level leaves unexplained


def best_penalty(
    grid: Sequence[float], products: Floats, left_over: Floats, squares: Floats, number: float, usual: float = 1.0
) -> Judged:
    """The penalty of `grid` with the most evidence, over all types of response.

    `products`: float64[m, k, k]. `left_over`: float64[m, t, k], b - S w. `squares`: float64[t], of the responses that
    the wider levels leave. `number`: of exposures. `usual`: the penalty that is left only for evidence.
    """
    sizes, vectors = np.linalg.eigh(products)
    sizes = np.maximum(sizes, 0.0)
    told = np.square(left_over @ vectors)
    judged = []
    for penalty in grid:
        explained = (told / (sizes + penalty)[:, None]).sum((0, 2))
        left = np.maximum(squares - explained, _LEAST * number)
        held = np.log(penalty) * sizes.size - np.log(sizes + penalty).sum()
        doubt = _DOUBT * np.log(penalty / usual) ** 2
        judged.append((float((-number * np.log(left)).sum() + held * len(squares) - doubt), Judged(penalty, left)))
    return max(judged, key=lambda one: one[0])[1]

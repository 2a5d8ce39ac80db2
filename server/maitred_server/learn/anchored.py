"""Weights that start from what is believed before anything was learned, instead of from nothing.

Ridge regression draws weights to 0; from prior weights w0 it is (S + penalty I)^-1 (b + penalty w0), the prior mean of
the same Bayesian regression. It keeps the first day's ranking where nobody has looked yet: what was shown is what
ranked high, and says little of the rest.
"""

from __future__ import annotations

from typing import Final

from maitred_server.learn.ridge import Sums
from maitred_server.learn.weights import Families, Fitting, Weights, fit
from maitred_server.policy.base import Floats

# By level, found on the baskets: what is known of a whole placement should outweigh a few dozen exposures of one item.
PENALTIES: Final = (30.0, 100.0, 100.0, 200.0)


def fit_from(prior: Floats, sums: Sums, families: Families, fitting: Fitting, today: int = 0) -> Weights:
    """As `weights.fit`, with the placement's weights drawn to `prior` (float64[t, d]) instead of 0."""
    return fit(sums, families, fitting, today, prior)

"""Whether a log can be believed, and whether it can say anything about this policy at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from maitred_server.evaluate.estimators.base import Case, mean
from maitred_server.evaluate.intervals import spread, units
from maitred_server.evaluate.log import Floats, Log, Target
from maitred_server.evaluate.weights import effective_size

SMALL_SAMPLE = 1_000.0  # effective decisions below which a warning is given
LEAST_SAMPLE = 30.0  # below which there is no verdict
LEAST_UNCOMMON = 10.0  # effective decisions with another reward than the commonest, at the log's own rate; likewise
FAR = 4.0  # standard errors that chance does not explain
UNSEEN = 0.01  # share of what the new policy does


class Finding(NamedTuple):
    """Something to know. `obstacle`: why no verdict can be given; "": it can."""

    text: str
    obstacle: Literal["", "log", "size"] = ""


def findings(case: Case, target: Target, effective: float, rng: np.random.Generator) -> list[Finding]:
    """All that there is to warn of."""
    return [
        *_weights(case, rng),
        *_probabilities(case.log, rng),
        *_unseen(case.log, target),
        *_sample(case.log, effective),
    ]


def _mean(log: Log, terms: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """With its standard error."""
    one = mean("", "", terms)
    sums = units(one.columns, log.cluster, rng)
    found = spread(one.value, sums, sums.sum(axis=0)[None], 0.95)
    return found.value, found.error


def _weights(case: Case, rng: np.random.Generator) -> Iterator[Finding]:
    """Right probabilities make weights with mean 1, unless the log leaves out what the new policy does."""
    value, error = _mean(case.log, case.weights.page, rng)
    said = f"the weights' mean is {value:.4g} (standard error {error:.2g}) where 1 is due"
    if value - 1 > FAR * error + 1e-9:
        yield Finding(f"{said}: the logged probabilities cannot be right", obstacle="log")
    if 1 - value > FAR * error + 1e-9:
        why = "the new policy does what the log hardly ever shows, or the logged probabilities are not right"
        yield Finding(f"{said}: {why}", obstacle="log")


def _probabilities(log: Log, rng: np.random.Generator) -> Iterator[Finding]:
    """The mean of 1 / (probability x candidates) is 1 when every candidate can be chosen, and less when some cannot."""
    if log.candidates is None:
        return
    inverse = log.per_decision(1.0 / (log.probability * log.candidates.sizes)) / np.bincount(log.decision)
    value, error = _mean(log, inverse, rng)
    if value - 1 > FAR * error + 1e-9:
        said = (
            f"1 / (probability x candidates) has mean {value:.4g} (standard error {error:.2g}); at most 1 is possible"
        )
        yield Finding(f"{said}: the logged probabilities cannot be right", obstacle="log")


def _unseen(log: Log, target: Target) -> Iterator[Finding]:
    """Actions of the new policy that a slot never showed."""
    if log.candidates is None or target.whole is None:
        return
    slots, slot = np.unique(log.slot, return_inverse=True)
    seen = np.zeros((len(slots), len(log.actions)), bool)
    seen[slot, log.action] = True
    hidden = ~seen[slot[log.candidates.row], log.candidates.action]
    share = float(target.whole[hidden].sum()) / len(log.slot)
    if share > UNSEEN:
        yield Finding(f"{share:.1%} of what the new policy does is never in the log: estimates leave it out")


def _sample(log: Log, effective: float) -> Iterator[Finding]:
    if effective >= SMALL_SAMPLE and _uncommon(log) * effective >= LEAST_UNCOMMON:
        return
    said = (
        f"this log of {log.decisions:,} decisions tells as much about this policy as {effective:,.0f} of its own would"
    )
    if effective < LEAST_SAMPLE or _uncommon(log) * effective < LEAST_UNCOMMON:
        yield Finding(f"{said}: too few for a verdict at this rate of rewards", obstacle="size")
    else:
        yield Finding(f"{said}: under {SMALL_SAMPLE:,.0f}, intervals may be too narrow")


def _uncommon(log: Log) -> float:
    """Share of decisions whose reward is not the commonest one."""
    _, counts = np.unique(log.per_decision(log.reward), return_counts=True)
    return 1.0 - float(counts.max()) / log.decisions


def effective_of(case: Case) -> float:
    """Kish's effective sample of whole decisions."""
    return effective_size(case.weights.page)

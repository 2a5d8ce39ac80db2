"""The plain sentence at the end: better, worse, or cannot be told from this much data."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import msgspec

from maitred_server.evaluate.intervals import Interval, Spread
from maitred_server.evaluate.soundness import Finding

POWER = 0.8


class Verdict(msgspec.Struct, frozen=True):
    """`needed`: decisions of such a log with which a difference of this size would be seen four times out of five;
    0: no number would do."""

    word: Literal["better", "worse", "cannot be told"]
    needed: int
    sentence: str


class Compared(msgspec.Struct, frozen=True):
    """What the verdict is about."""

    policy: str
    estimator: str
    decisions: int
    logged: float
    value: float
    confidence: float


def verdict(compared: Compared, difference: Spread, obstacles: Sequence[Finding]) -> Verdict:
    """Better or worse only when both intervals of the difference leave out 0 and nothing speaks against it."""
    needed = _needed(compared, difference)
    against = [one.text for one in obstacles if one.obstacle == "log"]
    if against:
        return Verdict("cannot be told", needed, f"Cannot be told from this log: {'; '.join(against)}.")
    low = min(difference.normal.low, difference.bootstrap.low)
    high = max(difference.normal.high, difference.bootstrap.high)
    facts = _facts(compared, difference.value, Interval(low, high))
    scarce = [one.text for one in obstacles if one.obstacle == "size"]
    if low > 0 and not scarce:
        return Verdict("better", needed, f"Better: {facts}.")
    if high < 0 and not scarce:
        return Verdict("worse", needed, f"Worse: {facts}.")
    wish = f"about {needed:,} decisions would be needed to see a difference of this size"
    reasons = [facts, *scarce, *([wish] if needed > compared.decisions else [])]
    return Verdict("cannot be told", needed, f"Cannot be told from this much data: {'; '.join(reasons)}.")


def _facts(compared: Compared, difference: float, interval: Interval) -> str:
    return (
        f"`{compared.policy}` would have earned {compared.value:.4g} a decision, {difference:+.4g} against the log's"
        f" own {compared.logged:.4g} ({compared.confidence:.0%} interval {interval.low:+.4g} to {interval.high:+.4g},"
        f" by {compared.estimator})"
    )


def _needed(compared: Compared, difference: Spread) -> int:
    """From the standard error falling with the root of the number."""
    if not difference.value or not difference.error:
        return 0
    standard = NormalDist()
    reach = standard.inv_cdf(0.5 + compared.confidence / 2) + standard.inv_cdf(POWER)
    needed = compared.decisions * (reach * difference.error / difference.value) ** 2
    return _rounded(needed) if needed < 1e15 else 0


def _rounded(number: float) -> int:
    """To two digits: more would be a pretence."""
    return int(float(f"{number:.2g}"))

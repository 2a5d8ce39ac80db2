"""Budgets: what a load must not exceed, as an expression that people and build servers write.

p99>5ms   max>1s   mean>800us   errors>0.1%   errors>0   rate<1900   feedback.p99>50ms
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import NamedTuple

from maitred_server.errors import InvalidRequest
from maitred_server.load.latency import Latency
from maitred_server.load.measured import Count, StepResult

_BUDGET = re.compile(
    r"(?P<of>feedback\.)?(?P<metric>p\d{1,2}(?:\.\d+)?|max|mean|errors|rate)\s*(?P<sign>[<>]=?)\s*"
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|%|/s)?"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_US = {"us": 1.0, "ms": 1e3, "s": 1e6}
EXAMPLES = "'p99>5ms', 'p99.9>20ms', 'max>1s', 'mean>800us', 'errors>0.1%', 'errors>0' or 'rate<1900'"


class Budget(NamedTuple):
    """Broken when `metric` is on the wrong side of `limit` (us, a share, a count or calls a second)."""

    text: str
    feedback: bool
    metric: str
    sign: str
    limit: float
    unit: str


def parse(text: str) -> Budget:
    """A budget of its text. Raises InvalidRequest, which says what would be right."""
    found = _BUDGET.fullmatch(text.strip())
    if found is None:
        raise _wrong(text, "is not understood")
    metric, unit, number = found["metric"], found["unit"] or "", float(found["number"])
    if metric == "rate":
        fits, needed = unit in ("", "/s"), "a number of calls a second"
    elif metric == "errors":
        fits, needed = unit in ("", "%"), "a count or a share, as 0.1%"
    else:
        fits, needed = unit in _US, "a time with its unit: us, ms or s"
    if not fits:
        raise _wrong(text, f"needs {needed}")
    limit = number / 100 if unit == "%" else number * _US.get(unit, 1.0)
    return Budget(text, bool(found["of"]), metric, found["sign"], limit, unit)


def _wrong(text: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"--fail-if {text!r} {why}; write it as {EXAMPLES}", "fail_if")


def broken(budget: Budget, step: StepResult) -> str:
    """The sentence that says how a budget was broken; empty when it holds."""
    value = _value(budget, step)
    if value is None:
        return f"budget '{budget.text}' cannot hold: nothing was answered"
    if not _SIGNS[budget.sign](value, budget.limit):
        return ""
    name = f"feedback {budget.metric}" if budget.feedback else budget.metric
    return f"budget '{budget.text}' is broken: {name} was {_shown(budget, value)}{_by(budget, value)}"


def _value(budget: Budget, step: StepResult) -> float | None:
    count = step.count
    if budget.metric == "rate":
        return count.accepted / step.seconds if budget.feedback else step.answered_rate
    if budget.metric == "errors":
        return _errors(budget, count)
    return _latency(budget.metric, count.acknowledged if budget.feedback else count.latency)


def _errors(budget: Budget, count: Count) -> float:
    wrong, good = (
        (count.feedback_failures, count.accepted + count.duplicates)
        if budget.feedback
        else (count.failures, count.answered)
    )
    return wrong / max(1, wrong + good) if budget.unit == "%" else wrong


def _latency(metric: str, latency: Latency) -> float | None:
    if not latency.count:
        return None
    if metric == "mean":
        return latency.mean
    return latency.percentile(100.0 if metric == "max" else float(metric[1:]))


def _shown(budget: Budget, value: float) -> str:
    if budget.metric == "rate":
        return f"{value:,.0f}/s"
    if budget.metric == "errors":
        return f"{value:.3%}" if budget.unit == "%" else f"{value:,.0f}"
    return f"{value / _US[budget.unit]:,.4g} {budget.unit}"


def _by(budget: Budget, value: float) -> str:
    if not budget.limit:
        return ""
    ratio, limit = value / budget.limit, _shown(budget, budget.limit)
    if ratio >= 2:
        return f", {ratio:,.1f} times {limit}"
    return f", {abs(ratio - 1):.0%} {'over' if ratio >= 1 else 'under'} {limit}"

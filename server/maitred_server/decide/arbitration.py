"""Arbitration: priority = predicted propensity x context weight x value x lever.

A policy that predicts no propensity brings a score, which stands in its place.
"""

from __future__ import annotations

import math

import numpy as np

from maitred_server.decide.conditions import Conditions
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.scoring import Served
from maitred_server.policy.base import CLOSED, Floats, Scores


def base(scores: Scores) -> Floats:
    """float64[m]: what is weighted: the propensity, or the score of a policy that predicts none or several things."""
    if scores.propensity is None or scores.worth_is_in:
        return scores.priority
    return np.where(scores.priority > CLOSED, scores.propensity, CLOSED)


def applies(ground: Ground, served: Served) -> bool:
    """Whether a placement's weights hold: not for the baseline, which is what would be shown without us."""
    return ground.weights is not None and served.policy.weighted and served.reason is None


def priorities(ground: Ground, moment: Moment, served: Served, scores: Scores, conditions: Conditions) -> Floats:
    """float64[m]: what the candidates are ranked by, before anything is closed. What overflows is no number."""
    found, weights = base(scores), ground.weights
    if weights is None or not applies(ground, served):
        return found
    channel = ground.channel(moment.ask.context)
    priority = weighed(found, weights.steady(channel))
    if not weights.context:
        return priority
    with np.errstate(all="ignore"):
        for one in weights.context:
            if one.within(channel):
                rows = one.rows & conditions.rows(one.plan, ground, moment)
                np.multiply(priority, one.factor, out=priority, where=rows)
    return priority


def _weighed(found: Floats, by: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return found * by


try:
    from maitred_server.compiled.slate import weighed
except ImportError:  # nothing was compiled here
    weighed = _weighed


def factors(
    ground: Ground, moment: Moment, served: Served, scores: Scores, row: int, conditions: Conditions
) -> dict[str, float]:
    """What makes up a candidate's priority, by name. Asked for explanations only."""
    weights = ground.weights if applies(ground, served) else None
    channel = ground.channel(moment.ask.context)
    levers = [one for one in weights.levers if one.rows[row] and one.within(channel)] if weights else []
    context = [one for one in weights.context if one.rows[row] and one.within(channel)] if weights else []
    told = {} if scores.propensity is None else {"propensity": float(scores.propensity[row])}
    if scores.propensity is None or scores.worth_is_in:
        told["score"] = float(base(scores)[row])
    return told | {
        "context weight": math.prod(one.factor for one in context if conditions.rows(one.plan, ground, moment)[row]),
        "value": float(weights.value[row]) if weights else 1.0,
        "lever": math.prod(one.factor for one in levers),
        "priority": float(priorities(ground, moment, served, scores, conditions)[row]),
    }


def above_nothing(priority: Floats) -> Floats:
    """Without the negative rows, as long as a positive one is open: what costs more than it brings is a last resort."""
    return np.where(priority < 0.0, CLOSED, priority) if (priority > 0.0).any() else priority

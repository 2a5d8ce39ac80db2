"""The scoring stage: which policy serves this subject here, and what it thinks of each candidate."""

from __future__ import annotations

import msgspec
import numpy as np

from maitred_server.decide.ground import Ground
from maitred_server.decide.learned import Seen
from maitred_server.decide.moment import Moment
from maitred_server.decide.view import View
from maitred_server.model import Intensity, Reason
from maitred_server.playbook.nouns import Placement
from maitred_server.policy import POLICIES, Policy
from maitred_server.policy.base import CLOSED, Bools, Floats, Own, Scores, Situation
from maitred_server.policy.exploring import LEARNED


class Served(msgspec.Struct, frozen=True, gc=False):
    """The policy that serves, and the reason that covers all its choices; None: each choice has its own."""

    policy: Policy
    reason: Reason | None


def served_by(placement: Placement, moment: Moment) -> Served:
    """Holdout before everything, then what the subject and the placement allow, then the arms, then the placement's
    own policy.
    """
    assignment = moment.assignment
    if assignment.held_out:
        return Served(POLICIES[placement.baseline], Reason.HOLDOUT)
    if placement.automation != "online" or moment.view.intensity is Intensity.OFF:
        return Served(POLICIES[placement.baseline], Reason.BASELINE)
    return Served(POLICIES[assignment.policies.get(placement.name, placement.policy)], None)


def learning_from(served: Served, seen: Seen | None, seed: int) -> Served:
    """With the learned policy of this decision, when one serves that has anything to look at."""
    if seen is None or served.policy.name not in LEARNED:
        return served
    return Served(seen.policy(served.policy.name, seed), served.reason)


def scored(served: Served, seen: Seen | None, moment: Moment, ground: Ground) -> Scores:
    """What the policy that serves thinks of each candidate."""
    if seen is not None and served.policy.name in LEARNED:
        return seen.scores()
    return served.policy.score(situation(moment, ground))


def situation(moment: Moment, ground: Ground) -> Situation:
    """What the policy may look at."""
    own, ask = _own(moment.view, ground), moment.ask
    size = len(ground.actions)
    return Situation(size, ground.popularity, ground.scaled, ground.order, own, ask.context, moment.now)


def _own(view: View, ground: Ground) -> Own | None:
    """How often the subject did what the placement counts, with the candidates' items; None: nothing may be known."""
    if view.profile is None or not view.may_count(ground.placement.counts):
        return None
    return ground.own_index.of(view.profile.rows)


def closed_where(priority: Floats, open_rows: Bools | None) -> Floats:
    """float64[m]: with everything closed that a filter took out or that is no number: NaN would win every argmax.

    Without anything to close it may be `priority` itself.
    """
    return close(priority, open_rows)


def _close(priority: Floats, open_rows: Bools | None) -> Floats:
    if len(priority) and not priority[priority.argmax()] < np.inf:  # the first NaN counts as the highest
        priority = np.where(np.isfinite(priority), priority, CLOSED)
    if open_rows is not None:
        priority = priority.copy()
        priority[~open_rows] = CLOSED
    return priority


try:
    from maitred_server.compiled.slate import close
except ImportError:  # nothing was compiled here
    close = _close

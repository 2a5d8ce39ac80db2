"""The scoring stage: which policy serves this subject here, and what it thinks of each candidate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.decide.ask import Ask
from maitred_server.decide.profile import Known
from maitred_server.decide.world import Ground
from maitred_server.model import Reason
from maitred_server.playbook.nouns import Placement
from maitred_server.policy import POLICIES, Policy
from maitred_server.policy.base import CLOSED, Bools, Floats, Scores, Situation
from maitred_server.store import Profile
from maitred_server.subjects.assignment import Assignment


class Served(NamedTuple):
    """The policy that serves, and the reason that covers all its choices; None: each choice has its own."""

    policy: Policy
    reason: Reason | None


def served_by(placement: Placement, assignment: Assignment) -> Served:
    """Holdout before everything, then how much automation the placement allows, then the arms, then the placement's
    own policy.
    """
    if assignment.held_out:
        return Served(POLICIES[placement.baseline], Reason.HOLDOUT)
    if placement.automation != "online":
        return Served(POLICIES[placement.baseline], Reason.BASELINE)
    return Served(POLICIES[assignment.policies.get(placement.name, placement.policy)], None)


def situation(ask: Ask, known: Known, ground: Ground, now: int) -> Situation:
    """What the policy may look at."""
    return Situation(
        size=len(ground.actions),
        popularity=ground.popularity,
        order=ground.order,
        own=_own(known.profile, ground),
        context=ask.context,
        now=now,
    )


def _own(profile: Profile | None, ground: Ground) -> Floats | None:
    """How often the subject did what the placement counts, with each candidate's item."""
    if profile is None:
        return None
    table = profile.counters(ground.placement.counts)
    return ground.key_index.scatter(table.keys, table.counts)


def closed_where(scores: Scores, open_rows: Bools | None) -> Floats:
    """Priorities with everything closed that a filter took out or that is no number: NaN would win every argmax."""
    priority = scores.priority
    finite = np.isfinite(priority)
    if not finite.all():
        priority = np.where(finite, priority, CLOSED)
    if open_rows is not None:
        priority = np.where(open_rows, priority, CLOSED)
    return priority

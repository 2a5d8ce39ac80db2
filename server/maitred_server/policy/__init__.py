"""Policies: from what is known to which action, with the probability of having chosen it."""

from __future__ import annotations

from maitred_server.policy.base import Policy
from maitred_server.policy.exploring import LEARNED, Learned
from maitred_server.policy.fixed import Fixed
from maitred_server.policy.habit import Habit
from maitred_server.policy.popular import Popular
from maitred_server.policy.uniform import Uniform

_ALL: tuple[Policy, ...] = (Fixed(), Uniform(), Popular(), Habit(), *(Learned(name) for name in LEARNED))
POLICIES: dict[str, Policy] = {policy.name: policy for policy in _ALL}

__all__ = ["POLICIES", "Policy"]

"""`fixed`: the order that a person wrote in the playbook."""

from __future__ import annotations

from maitred_server.model import Reason
from maitred_server.policy.base import Greedy, Scores, Situation


class Fixed(Greedy):
    """Serves the placement's `order`; what is not in it is never chosen."""

    name = "fixed"
    weighted = False

    def score(self, situation: Situation) -> Scores:
        return Scores(-situation.order, None, (Reason.RULE,))

"""What arbitration and slots ask of the playbook's rules."""

from __future__ import annotations

from typing import Protocol

from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.policy.base import Bools


class Conditions(Protocol):
    """Rules by their plans. A rule whose result is an error does not hold."""

    def holds(self, plan: bytes, moment: Moment) -> bool:
        """Whether a rule that looks at no item holds."""

    def rows(self, plan: bytes, ground: Ground, moment: Moment) -> Bools:
        """bool[m]: the candidates of a placement that a rule holds of."""

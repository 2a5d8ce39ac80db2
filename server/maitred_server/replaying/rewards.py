"""What a shown choice earned: one response for each outcome type, joined as the learner joins them, and their worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maitred_server.decide.ground import Ground
from maitred_server.errors import InvalidRequest
from maitred_server.learn.fixed import UNIT
from maitred_server.learn.join import Came, Reading, row_of
from maitred_server.learn.plans import plan_of
from maitred_server.model import Exposure, Record, Shown
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Learning, Response
from maitred_server.playbook.words import duration

WAIT_MS = 7 * 86_400_000  # for an outcome that the placement does not learn


class Rewards(NamedTuple):
    """`valued`: each response is worth what the playbook says, times the item's value; else 1."""

    learning: Learning
    reading: Reading
    valued: bool

    @classmethod
    def of(cls, catalogue: Catalogue, placement: str, response: str = "", wait_ms: int | None = None) -> Rewards:
        """By what the playbook in force says is learned there; or by one outcome type alone, worth 1.

        Raises InvalidRequest when the playbook says nothing.
        """
        learned = catalogue.control.learned(placement)
        known = learned.responses if learned else ()
        if not response and not known:
            raise InvalidRequest(
                f"the playbook does not say what success is in placement `{placement}` (it has no `learning`):"
                " name an outcome type with --response, such as --response purchase",
                "response",
            )
        if response:
            known = tuple(_alone(one, wait_ms) for one in known if one.type == response)
            known = known or (Response(response, WAIT_MS if wait_ms is None else wait_ms),)
        families = (learned.features, learned.traits) if learned else ((), ())
        learning = Learning(placement, known, *families)
        return cls(learning, Reading(plan_of(learning)), not response)

    @property
    def wait_ms(self) -> int:
        """How long outcomes may take."""
        return max(one.wait_ms for one in self.learning.responses)

    def came(self, record: Record) -> list[Came]:
        """What an outcome says here."""
        return [one for one in self.reading.parts(record) if isinstance(one, Came)]

    def reward(self, record: Record, shown: Shown, came: Sequence[Came], value: float) -> float:
        """Of a shown choice. `record`: of its exposure; `value`: of its item."""
        body = record.body
        assert isinstance(body, Exposure)
        row = row_of(shown, body.decided_at, record.received_at)
        responses = self.reading.responses(row, came)
        worth = (one.worth for one in self.learning.responses)
        earned = sum(each * response for each, response in zip(worth, responses, strict=True)) / UNIT
        return earned * value if self.valued else earned

    def said(self) -> str:
        """What the reward is, for people."""
        responses = self.learning.responses
        parts = " + ".join(one.type if one.worth == 1.0 else f"{one.worth:g} x {one.type}" for one in responses)
        value = ", times the item's value" if self.valued else ""
        return f"{parts}{value}, within {duration(self.wait_ms)}"


def value_of(ground: Ground, row: int) -> float:
    """What a success of a candidate is worth."""
    return float(ground.weights.value[row]) if ground.weights else 1.0


def _alone(response: Response, wait_ms: int | None) -> Response:
    return Response(response.type, response.wait_ms if wait_ms is None else wait_ms, response.default, response.full)

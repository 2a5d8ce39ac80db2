"""Whether a decision that was made again counts as the same."""

from __future__ import annotations

from typing import Any

import pytest
from maitred_server.decide.alike import alike
from maitred_server.decide.receipt import SealedDecision, SealedSlot
from maitred_server.model import Reason
from msgspec.structs import replace

SLOT = SealedSlot(0, "tea", "green", Reason.LEARNED, 0.25, 0.5, 1.75, features=b"\x01\x00")
DECISION = SealedDecision("d1", "home", "inverse_gap", Reason.LEARNED, (SLOT,), 1)


def with_slot(**changes: Any) -> SealedDecision:
    return replace(DECISION, slots=(replace(SLOT, **changes),))


@pytest.mark.parametrize("number", ["propensity", "probability", "priority"])
def test_last_bits_do_not_count(number: str) -> None:
    """A number that differs in its fourteenth digit is the same; in its sixth it is another."""
    value = getattr(SLOT, number)
    assert alike(with_slot(**{number: value * (1 + 1e-14)}), DECISION)
    assert not alike(with_slot(**{number: value * (1 + 1e-6)}), DECISION)


@pytest.mark.parametrize(
    "changes",
    [
        {"slot": 1},
        {"item": "milk"},
        {"variant": "black"},
        {"reason": Reason.EXPLORED},
        {"propensity": None},
        {"stretch": True},
        {"features": b"\x02\x00"},
    ],
)
def test_anything_else_counts(changes: dict[str, Any]) -> None:
    """Another item, slot, variant, reason, feature, or a propensity that there was none of, is another answer."""
    assert not alike(with_slot(**changes), DECISION)


def test_the_decision_itself_counts() -> None:
    """Another policy, or a slot more or less, is another answer; the same is the same."""
    assert alike(DECISION, DECISION)
    assert not alike(replace(DECISION, policy="habit"), DECISION)
    assert not alike(replace(DECISION, slots=(SLOT, SLOT)), DECISION)

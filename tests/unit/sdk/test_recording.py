from __future__ import annotations

from maitred import Client
from maitred.testing import FakeTransport


def test_what_was_offered_is_an_outcome_and_the_rest_an_event() -> None:
    """Of two purchases recorded with a decision, the offered item is its outcome; the other one is an event."""
    fake = FakeTransport.serving({"till": [{"item": "MILK", "variant": "large"}]})
    with Client(transport=fake) as maitred:
        decision = maitred.decide("till", subject="household-900")
        maitred.record("purchase", subject="household-900", item="MILK", value=1.19, decision=decision)
        maitred.record("purchase", subject="household-900", item="BREAD", value=2.5, quantity=2, decision=decision)
        maitred.flush()
    assert [(one.item, one.variant, one.decision_id) for one in fake.outcomes] == [("MILK", "large", decision.id)]
    assert [(one.item, one.value) for one in fake.events] == [("BREAD", 2.5)]
